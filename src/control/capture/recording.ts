/**
 * One capture under way: pcapng, made of what the workers record. A frame's block is copied as the worker wrote it, neighbours in one
 * piece; only its interface is put in here, and why it was dropped. All goes through one buffer, which is filled again when the kernel has
 * it: while the reader is behind nothing is taken, so that the rings fill and the workers count what finds no room. Nobody waits for a reader.
 */
import { arch, cpus, release, type } from 'node:os'
import type { Writable } from 'node:stream'
import type { Arena } from '../../memory/arena.ts'
import { PORT_COUNT_MAX } from '../../memory/counters.ts'
import { BLOCK } from '../../pipeline/record.ts'
import { version } from '../version.ts'
import { Comments } from './comment.ts'
import type { Pace } from './pace.ts'
import * as pcapng from './pcapng.ts'
import type { Reel } from './reel.ts'

/** How much is taken at once, in bytes: about what a socket takes; and how often in a turn. */
const BATCH = 2 ** 18
const BATCHES = 16
/** What a batch may have beyond that: the largest block, with its comment. */
const EXCESS = 2 ** 18
/** Bytes that are kept for a reader who is behind when indexes go to other ports; what is beyond is lost. */
const HELD = 2 ** 22
/** What a burst may still be working on while others are read already, in milliseconds; only several workers' records are held back. */
const UNSETTLED_MS = 5

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
  pace: Pace
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

export class Recording {
  readonly id: string
  /** resolves when nothing is written any more: all is passed on, or the reader is gone */
  readonly closed: Promise<void>
  private readonly terms: Terms
  private readonly sight: Sight
  private readonly reels: readonly Reel[]
  private readonly interfaces = new Map<string, Interface>()
  /** by index of a port */
  private readonly members: Interface[] = new Array(PORT_COUNT_MAX)
  private readonly comments: Comments
  private readonly beganMs = Date.now()
  private readonly batch = Buffer.allocUnsafeSlow(BATCH + EXCESS)
  /** what is written before anything else is taken */
  private held: Buffer[] = []
  private out: Writable | null = null
  private left: number
  private lost = 0
  /** the kernel has not taken all of the last piece */
  private isBehind = false
  /** workers write no more */
  private isOver = false
  private isDone = false
  private close = () => {}

  constructor(id: string, terms: Terms, sight: Sight, reels: readonly Reel[], watched: readonly Watched[]) {
    this.id = id
    this.terms = terms
    this.sight = sight
    this.reels = reels
    this.comments = new Comments(sight.blame)
    this.left = terms.count
    this.closed = new Promise((resolve) => {
      this.close = resolve
    })
    this.held.push(pcapng.section(...systemText()))
    this.watch(watched)
  }

  /** Writes to `out` from now on, and ends it. */
  pour(out: Writable): void {
    if (out.destroyed) this.destroy()
    if (this.isDone) return
    this.out = out
    // A reader that goes away is no mistake.
    out.on('error', () => {}).once('close', () => this.destroy())
    this.drain()
  }

  /** Nobody wants the rest. */
  destroy(): void {
    this.isDone = true
    this.close()
  }

  /** The ports that are watched from now on. Where an index means another port than before, its records are taken first. */
  watch(list: readonly Watched[]): void {
    if (this.isDone) return
    if (list.some((each) => this.isOther(each))) this.clear()
    const names = new Set(list.map(nameOf))
    // What passes under an index that was its own is another's.
    for (const [name, each] of this.interfaces) if (!names.has(name)) each.before = Number.NaN
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
    this.held.push(pcapng.description({ name, description, snap, filter }))
    return made
  }

  /** Takes all that is recorded; what is too much to be kept is lost. */
  private clear(): void {
    let kept = this.held.reduce((sum, { length }) => sum + length, 0)
    while (kept < HELD) {
      const piece = Buffer.allocUnsafeSlow(BATCH + EXCESS)
      const size = this.gather(piece, true)
      if (size === 0) break
      this.held.push(piece.subarray(0, size))
      kept += size
    }
    for (const reel of this.reels) this.lose(reel.skip())
  }

  private lose(count: number): void {
    this.lost += count
    this.sight.totals.lost += count
  }

  /** Passes on what was recorded, as far as the reader takes it, for a turn. */
  drain(): void {
    if (this.out !== null && !this.isBehind && !this.isDone) this.take(BATCHES, this.sight.pace.now())
  }

  /** Nothing is recorded any more; what is still in the rings is passed on, and then it ends. */
  finish(): void {
    this.isOver = true
    this.drain()
  }

  /** Passes on so many batches and whatever was held, of a turn that began at `from`. */
  private take(batches: number, from: number): void {
    const piece = this.held.shift() ?? this.next(batches)
    if (piece !== null) {
      this.isBehind = true
      this.out?.write(piece, (error) => {
        this.isBehind = false
        if (error) this.destroy()
        else if (!this.isDone) this.take(piece.buffer === this.batch.buffer ? batches - 1 : batches, from)
      })
    } else if (this.left === 0 || this.isOver) this.conclude()
    else this.sight.pace.rest(from)
  }

  /** The next batch; null if there is none, or no more in this turn. */
  private next(batches: number): Buffer | null {
    if (batches <= 0 && !this.isOver) return null
    const size = this.gather(this.batch, this.isOver)
    return size === 0 ? null : this.batch.subarray(0, size)
  }

  private conclude(): void {
    this.isDone = true
    for (const reel of this.reels) this.lose(reel.missed())
    const endedMs = Date.now()
    const isShared = this.interfaces.size > 1
    for (const { id, watched, frames, before } of this.interfaces.values()) {
      const dropped = id === 0 ? this.lost : 0
      const passed = this.sight.passed(watched.index) - before
      this.out?.write(
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
    this.out?.end(() => this.close())
  }

  /** Fills a buffer with the next blocks in the order of their times and returns their bytes; the youngest may have to wait unless it is `final`. */
  private gather(into: Buffer, final: boolean): number {
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
      size += this.cut(reel, other, into.subarray(size))
    }
    for (const reel of this.reels) reel.release()
    return size
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

  /** Copies records of a reel: one that tells of a drop, or as many as stand side by side and are not later than `other`'s. Returns their bytes. */
  private cut(reel: Reel, other: Reel | null, into: Buffer): number {
    const { arena, totals } = this.sight
    const { i32, u8 } = arena
    const { members, left } = this
    const { at: begin, edge } = reel
    const end = begin + ((into.length - EXCESS) >> 2)
    const isDropped = i32[begin] !== BLOCK
    let at = begin
    let count = 0
    do {
      const member = members[i32[at + 2]]
      i32[at + 2] = member.id
      member.frames++
      count++
      at += i32[at + 1] >>> 2
      if (isDropped || at === edge || i32[at] !== BLOCK || count === left || at >= end) break
    } while (other === null || !this.isLater(at, i32[other.at + 3], i32[other.at + 4]))
    totals.frames += count
    this.left -= count
    const bytes = u8.subarray(begin << 2, at << 2)
    reel.pass(at - begin)
    if (isDropped) return pcapng.annotate(into, bytes, this.comments.of(i32[begin], i32[at - 2]))
    into.set(bytes)
    return bytes.length
  }
}

/** A port that comes again is the same interface, unless it is of another network or type. */
function nameOf({ name, description }: Watched): string {
  return `${name}\n${description}`
}
