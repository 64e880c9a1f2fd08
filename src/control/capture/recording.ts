/**
 * One capture under way: a stream of pcapng, made of what the workers record. A frame's block is copied as the worker wrote it, neighbours in one
 * piece; only its interface is put in here, and why it was dropped. While the reader is behind nothing is taken, so that the rings fill and
 * the workers count what finds no room: nobody waits for a reader.
 */
import { arch, cpus, release, type } from 'node:os'
import { Readable } from 'node:stream'
import type { Arena } from '../../memory/arena.ts'
import { PORT_COUNT_MAX } from '../../memory/counters.ts'
import { REASONS } from '../../pipeline/reason.ts'
import { BLOCK } from '../../pipeline/record.ts'
import { version } from '../version.ts'
import * as pcapng from './pcapng.ts'
import type { Reel } from './reel.ts'

/** How much is taken at once, in bytes, and how much may wait for the reader. */
const BATCH = 2 ** 20
const WAITING = 4 * BATCH
/** What a burst may still be working on while others are read already, in milliseconds; only several workers' records are held back. */
const UNSETTLED_MS = 5
const COMMENTS_MAX = 1000

/** A port that is watched. */
export interface Watched {
  index: number
  incarnation: number
  name: string
  description: string
}

export interface Terms {
  snap: number
  /** frames until it ends, Infinity for no end */
  count: number
  /** as it was written, '' for none */
  filter: string
}

export interface Sight {
  arena: Arena
  /** frames that have passed a port in the directions that are captured */
  passed: (index: number) => number
  /** which rule decided, by the word in a record; '' if that is not known */
  blame: (rule: number) => string
  /** all captures' frames together */
  totals: { frames: number; lost: number }
}

interface Interface {
  /** in the section */
  id: number
  watched: Watched
  /** frames recorded */
  frames: number
  /** what had passed when it began; NaN once the port was another in between */
  before: number
}

function systemText(): [string, string, string] {
  return [`${cpus()[0]?.model ?? ''} ${arch()}`.trim(), `${type()} ${release()}`, `Bridgeport ${version}`]
}

export class Recording extends Readable {
  readonly id: string
  private readonly terms: Terms
  private readonly sight: Sight
  private readonly reels: readonly Reel[]
  private readonly interfaces = new Map<string, Interface>()
  /** by index of a port */
  private readonly members: Interface[] = new Array(PORT_COUNT_MAX)
  private readonly comments = new Map<string, Buffer>()
  private readonly beganMs = Date.now()
  private left: number
  private lost = 0
  private isWanted = false
  /** workers write no more */
  private isOver = false
  private isDone = false

  constructor(id: string, terms: Terms, sight: Sight, reels: readonly Reel[], watched: readonly Watched[]) {
    super({ highWaterMark: WAITING })
    this.id = id
    this.terms = terms
    this.sight = sight
    this.reels = reels
    this.left = terms.count
    this.push(pcapng.section(...systemText()))
    this.watch(watched)
  }

  /** The ports that are watched from now on. Where an index means another port than before, its records are taken first. */
  watch(list: readonly Watched[]): void {
    if (this.isDone || this.destroyed) return
    if (list.some((each) => this.isOther(each))) this.clear()
    for (const each of list) {
      const known = this.interfaces.get(nameOf(each))
      const made = known ?? this.introduce(each)
      if (known !== undefined && known.watched.incarnation !== each.incarnation) made.before = Number.NaN
      made.watched = each
      this.members[each.index] = made
    }
  }

  /** Whether its index means another port in what is recorded up to now. */
  isOther(each: Watched): boolean {
    const member = this.members[each.index]
    return member !== undefined && nameOf(member.watched) !== nameOf(each)
  }

  private introduce(watched: Watched): Interface {
    const { snap, filter } = this.terms
    const { name, description, index } = watched
    const made = { id: this.interfaces.size, watched, frames: 0, before: this.sight.passed(index) }
    this.interfaces.set(nameOf(watched), made)
    this.push(pcapng.description({ name, description, snap, filter }))
    return made
  }

  /** Takes all that is recorded; where the reader is behind already, it is lost. */
  private clear(): void {
    while (this.readableLength < WAITING) {
      const chunk = this.gather(true)
      if (chunk === null) break
      this.push(chunk)
    }
    for (const reel of this.reels) this.lose(reel.skip())
  }

  private lose(count: number): void {
    this.lost += count
    this.sight.totals.lost += count
  }

  /** The rings are read when it is their turn, not when the reader wants more: that would be as often as the reader is quick. */
  override _read(): void {
    this.isWanted = true
    if (this.isOver) this.drain()
  }

  /** Passes on what was recorded, as far as the reader takes it. */
  drain(): void {
    while (this.isWanted && !this.isDone && !this.destroyed) {
      const chunk = this.gather(this.isOver)
      if (chunk !== null) this.isWanted = this.push(chunk)
      if (this.left === 0 || (chunk === null && this.isOver)) this.conclude()
      else if (chunk === null) break
    }
  }

  /** Nothing is recorded any more; what is still in the rings is passed on, and then it ends. */
  finish(): void {
    this.isOver = true
    this.drain()
  }

  private conclude(): void {
    this.isDone = true
    for (const reel of this.reels) this.lose(reel.missed())
    const endedMs = Date.now()
    const isShared = this.interfaces.size > 1
    for (const { id, watched, frames, before } of this.interfaces.values()) {
      const dropped = id === 0 ? this.lost : 0
      const passed = this.sight.passed(watched.index) - before
      this.push(
        pcapng.statistics({
          interface: id,
          beganMs: this.beganMs,
          endedMs,
          received: passed >= frames ? passed : null,
          accepted: frames + dropped,
          dropped,
          comment: isShared && dropped > 0 ? 'the dropped frames are those of all interfaces' : '',
        }),
      )
    }
    this.push(null)
  }

  /** The next blocks in the order of their times, null if there are none; the youngest may have to wait unless it is `final`. */
  private gather(final: boolean): Buffer | null {
    const parts: Uint8Array[] = []
    let size = 0
    const isSeveral = this.reels.length > 1
    const [high, low] = pcapng.halves(Date.now() - UNSETTLED_MS)
    for (const reel of this.reels) {
      reel.look()
      this.lose(reel.missed())
    }
    while (size < BATCH && this.left > 0) {
      const [reel, other] = this.order()
      if (reel === null) break
      if (isSeveral && !final && this.isLater(reel.at, high, low)) break
      size += this.cut(reel, other, parts)
    }
    const chunk = parts.length === 0 ? null : Buffer.concat(parts)
    for (const reel of this.reels) reel.release()
    return chunk
  }

  /** The reel with the oldest record, and the one with the oldest of the others. */
  private order(): [Reel | null, Reel | null] {
    const { i32 } = this.sight.arena
    let first: Reel | null = null
    let second: Reel | null = null
    for (const reel of this.reels) {
      if (reel.at < 0) continue
      if (first === null || !this.isLater(reel.at, i32[first.at + 3], i32[first.at + 4])) {
        second = first
        first = reel
      } else if (second === null || !this.isLater(reel.at, i32[second.at + 3], i32[second.at + 4]))
        second = reel
    }
    return [first, second]
  }

  /** Whether a record is of a later time than that. */
  private isLater(at: number, high: number, low: number): boolean {
    const { i32 } = this.sight.arena
    const difference = (i32[at + 3] >>> 0) - (high >>> 0)
    return difference > 0 || (difference === 0 && i32[at + 4] >>> 0 > low >>> 0)
  }

  /** Takes records from a reel: one that tells of a drop, or as many as stand side by side and are not later than `other`'s. Returns their bytes. */
  private cut(reel: Reel, other: Reel | null, parts: Uint8Array[]): number {
    const { arena, totals } = this.sight
    const { i32, u8 } = arena
    const { members, left } = this
    const { at: begin, edge } = reel
    const isDropped = i32[begin] !== BLOCK
    let at = begin
    let count = 0
    do {
      const member = members[i32[at + 2]]
      i32[at + 2] = member.id
      member.frames++
      count++
      at += i32[at + 1] >>> 2
      if (isDropped || at === edge || i32[at] !== BLOCK || count === left || (at - begin) << 2 > BATCH) break
    } while (other === null || !this.isLater(at, i32[other.at + 3], i32[other.at + 4]))
    totals.frames += count
    this.left -= count
    const bytes = u8.subarray(begin << 2, at << 2)
    parts.push(isDropped ? this.annotate(bytes, i32[begin], i32[at - 2]) : bytes)
    reel.pass(at - begin)
    return (at - begin) << 2
  }

  private annotate(record: Uint8Array, type: number, rule: number): Buffer {
    const key = `${type} ${rule}`
    let comment = this.comments.get(key)
    if (comment === undefined) {
      const by = rule === 0 ? '' : this.sight.blame(rule)
      comment = pcapng.comment(
        `dropped: ${REASONS[pcapng.reasonOf(type)].name}${by === '' ? '' : ` by ${by}`}`,
      )
      if (this.comments.size === COMMENTS_MAX) this.comments.clear()
      this.comments.set(key, comment)
    }
    return pcapng.annotated(record, comment)
  }
}

/** A port that comes again is the same interface, unless it is of another network or type. */
function nameOf({ name, description }: Watched): string {
  return `${name}\n${description}`
}
