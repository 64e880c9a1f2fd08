// Hot: what captures see of bursts. Cost: a test a burst while nobody captures; see npm run bench for the rest.
/**
 * A port has a bit for each capture that watches it. A frame is recorded as it comes in, before anything is rewritten, and as it leaves. Records
 * are shown to the reader when the burst is through, for only then it is known which of its frames were dropped, and why: the record
 * of the frame says so. A capture of drops alone records a frame when it is dropped.
 */
import type { Arena } from '../memory/arena.ts'
import { BLOCK_LENGTH, BURST, LENGTHS } from '../memory/block.ts'
import { native } from '../memory/native.ts'
import type { Pool } from '../memory/pool.ts'
import type { Port } from '../port/port.ts'
import { type Burst, reasonOf, UNDECIDED } from './burst.ts'
import { RULE_DROPPED, RULE_REJECTED } from './reason.ts'
import { FRAME_AT, INBOUND, OUTBOUND, SLOTS } from './record.ts'
import type { Recorder } from './recorder.ts'

/** Columns of the list that native copies by (native/copy.cc). */
const FROM = 0
const TO = BURST
const LENGTH = 2 * BURST
/** bytes: the list, a block for a single frame, and nanoseconds since 1970, low and high */
export const LIST_LENGTH = 2 * BLOCK_LENGTH + 64
const SINGLE = BLOCK_LENGTH >> 2
const CLOCK = 2 * SINGLE

export class Capture {
  /** somebody captures */
  active = false
  /** by slot */
  readonly recorders: (Recorder | null)[] = new Array(SLOTS).fill(null)
  /** something was recorded that the reader has not been shown */
  private unseen = false
  private readonly i32: Int32Array
  private readonly pool: Pool
  private readonly listAt: number
  private readonly list: number
  private copies = 0
  private readonly found = new Int32Array(BURST)
  /** by slot and position: the record of a frame that came in, of one that leaves; -1 for none */
  private readonly entered = new Int32Array(SLOTS * BURST).fill(-1)
  private readonly left = new Int32Array(SLOTS * BURST).fill(-1)
  /** by slot: some frame of the burst may have to be told of when it is dropped */
  private readonly unsettled = new Int32Array(SLOTS)
  /** by slot: how many frames of what leaves have a record */
  private readonly leaving = new Int32Array(SLOTS)
  /** by position: the port that a frame came by, and its bits */
  private readonly origins = new Int32Array(BURST)
  private readonly watchers = new Int32Array(BURST)

  constructor(arena: Arena, pool: Pool, listAt: number) {
    this.i32 = arena.i32
    this.pool = pool
    this.listAt = listAt
    this.list = listAt >> 2
  }

  /** Nothing is known of the positions of a burst, which may have come by several ports. */
  begin(): void {
    this.watchers.fill(0)
    this.entered.fill(-1)
  }

  /**
   * Of positions `from` to `to`, all of which came in by `port`, those that the bridge has not decided about. They are recorded where they are
   * bridged (`isHome`); who does not get there is recorded when it is dropped.
   */
  enter(burst: Burst, from: number, to: number, port: Port, isHome: boolean): void {
    let isAny = false
    for (let s = 0; s < SLOTS; s++) {
      const recorder = this.recorders[s]
      if ((port.watched & (1 << s)) === 0 || recorder === null || !recorder.inbound) continue
      const isLater = recorder.drops || !isHome
      if (isLater || this.record(recorder, s, burst.block, from, to, port.index, INBOUND, this.entered) > 0) {
        this.unsettled[s] = 1
        isAny = true
      }
    }
    if (!isAny) return
    this.copy()
    for (let i = from; i < to; i++) {
      this.origins[i] = port.index
      this.watchers[i] = burst.verdict[i] <= UNDECIDED ? port.watched : 0
    }
  }

  /** Everything is decided about the first `count` positions: who was dropped is marked, or recorded now. */
  settle(burst: Burst, count: number): void {
    for (let s = 0; s < SLOTS; s++) {
      const recorder = this.recorders[s]
      if (recorder === null || this.unsettled[s] === 0) continue
      this.unsettled[s] = 0
      for (let i = 0; i < count; i++) {
        const why = reasonOf(burst.verdict[i])
        if (why < 0 || (this.watchers[i] & (1 << s)) === 0) continue
        const rule = why === RULE_DROPPED || why === RULE_REJECTED ? burst.rule[i] : 0
        const record = recorder.drops ? -1 : this.entered[s * BURST + i]
        if (record >= 0) recorder.spoil(record, why, rule)
        else this.lose(recorder, burst.frame(i), burst.length(i), this.origins[i], INBOUND, why, rule)
      }
    }
    this.copy()
  }

  /** The `count` frames of a block (int32 position) are about to leave by `port`. */
  leave(port: Port, block: number, count: number): void {
    for (let s = 0; s < SLOTS; s++) {
      const recorder = this.recorders[s]
      if ((port.watched & (1 << s)) === 0 || recorder === null || recorder.drops || !recorder.outbound)
        continue
      this.leaving[s] = this.record(recorder, s, block, 0, count, port.index, OUTBOUND, this.left)
    }
    this.copy()
  }

  /** Position `i` of the block that was about to leave by `port` did not. */
  refuse(port: Port, block: number, i: number, why: number): void {
    const { i32 } = this
    for (let s = 0; s < SLOTS; s++) {
      const recorder = this.recorders[s]
      if ((port.watched & (1 << s)) === 0 || recorder === null || !recorder.outbound) continue
      const record = recorder.drops || this.leaving[s] === 0 ? -1 : this.left[s * BURST + i]
      if (record >= 0) recorder.spoil(record, why, 0)
      else if (recorder.drops)
        this.lose(recorder, i32[block + i], i32[block + LENGTHS + i], port.index, OUTBOUND, why, 0)
    }
    this.copy()
  }

  /** A frame ends outside of the moments above: it waited, or was not even tried to send. */
  drop(port: Port, frame: number, length: number, direction: number, why: number, rule: number): void {
    for (let s = 0; s < SLOTS; s++) {
      const recorder = this.recorders[s]
      if ((port.watched & (1 << s)) === 0 || recorder === null) continue
      const isWatched = direction === INBOUND ? recorder.inbound : recorder.outbound
      if (isWatched) this.lose(recorder, frame, length, port.index, direction, why, rule)
    }
    this.copy()
  }

  /** Shows the readers what was recorded. */
  publish(): void {
    if (!this.unseen) return
    this.unseen = false
    for (let s = 0; s < SLOTS; s++) {
      const recorder = this.recorders[s]
      if (recorder !== null) recorder.publish()
    }
  }

  /** Records one frame that was dropped, if the filter lets it through. */
  private lose(
    recorder: Recorder,
    frame: number,
    length: number,
    port: number,
    direction: number,
    why: number,
    rule: number,
  ): void {
    const single = this.list + SINGLE
    this.i32[single] = frame
    this.i32[single + LENGTHS] = Math.max(0, length)
    if (recorder.choose(single, 0, 1, this.found) === 0) return
    this.stamp()
    const record = this.note(recorder, single, port, direction)
    if (record >= 0) recorder.spoil(record, why, rule)
  }

  /** Records what the filter lets through of frames `from` to `to` of a block, where their records are is noted in `places`; returns how many. */
  private record(
    recorder: Recorder,
    slot: number,
    block: number,
    from: number,
    to: number,
    port: number,
    direction: number,
    places: Int32Array,
  ): number {
    const { found } = this
    const count = recorder.choose(block, from, to, found)
    const base = slot * BURST
    if (count === 0) return 0
    if (count < to - from) places.fill(-1, base + from, base + to)
    this.stamp()
    for (let f = 0; f < count; f++) {
      const i = found[f]
      places[base + i] = this.note(recorder, block + i, port, direction)
    }
    return count
  }

  /** Begins the record of the frame at an int32 position of a block, and lists what is to be copied into it: its position, or -1. */
  private note(recorder: Recorder, position: number, port: number, direction: number): number {
    const { i32, list } = this
    const length = Math.max(0, i32[position + LENGTHS])
    const record = recorder.begin(port, length, direction, i32[list + CLOCK + 1], i32[list + CLOCK])
    if (record < 0) return -1
    this.unseen = true
    const c = list + this.copies
    i32[c + FROM] = this.pool.frameAt(i32[position])
    i32[c + TO] = (record + FRAME_AT) << 2
    i32[c + LENGTH] = recorder.kept(record)
    if (++this.copies === BURST) this.copy()
    return record
  }

  private copy(): void {
    if (this.copies === 0) return
    native.copyList(this.listAt, this.copies)
    this.copies = 0
  }

  private stamp(): void {
    native.clockWall(this.listAt + 2 * BLOCK_LENGTH)
  }
}
