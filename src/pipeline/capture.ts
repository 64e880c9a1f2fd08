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

/** Columns of the list that native copies by (native/copy.cc); behind them stand the nanoseconds since 1970, low and high. */
const FROM = 0
const TO = BURST
const LENGTH = 2 * BURST
const CLOCK = BLOCK_LENGTH >> 2
/** bytes of the list */
export const LIST_LENGTH = BLOCK_LENGTH + 64

export class Capture {
  /** somebody captures */
  active = false
  /** something was recorded that the reader has not been shown */
  private unseen = false
  /** by slot */
  readonly recorders: (Recorder | null)[] = new Array(SLOTS).fill(null)
  private readonly i32: Int32Array
  private readonly pool: Pool
  private readonly listAt: number
  private readonly list: number
  private copies = 0
  /** by slot and position: the record of a frame that came in, of one that leaves; -1 for none */
  private readonly entered = new Int32Array(SLOTS * BURST).fill(-1)
  private readonly left = new Int32Array(SLOTS * BURST).fill(-1)
  /** by position: the port that a frame came by, and its bits */
  private readonly origins = new Int32Array(BURST)
  private readonly watchers = new Int32Array(BURST)

  constructor(arena: Arena, pool: Pool, listAt: number) {
    this.i32 = arena.i32
    this.pool = pool
    this.listAt = listAt
    this.list = listAt >> 2
  }

  /** Nothing is known of the positions of a burst whose frames came from another worker. */
  begin(count: number): void {
    for (let i = 0; i < count; i++) this.watchers[i] = 0
  }

  /**
   * Of positions `from` to `to`, all of which came in by `port`, those that the bridge has not decided about. They are recorded where they are
   * bridged (`isHome`); who does not get there is recorded when it is dropped.
   */
  enter(burst: Burst, from: number, to: number, port: Port, isHome: boolean): void {
    this.stamp()
    for (let i = from; i < to; i++) {
      this.origins[i] = port.index
      this.watchers[i] = burst.verdict[i] <= UNDECIDED ? port.watched : 0
    }
    for (let s = 0; s < SLOTS; s++) {
      const recorder = this.recorders[s]
      if ((port.watched & (1 << s)) === 0 || recorder === null || recorder.drops || !recorder.inbound)
        continue
      for (let i = from; i < to; i++) {
        const at = burst.at[i]
        const length = Math.max(0, burst.length(i))
        const isWanted = isHome && burst.verdict[i] <= UNDECIDED && recorder.wants(at, length)
        this.entered[s * BURST + i] = isWanted ? this.record(recorder, port.index, at, length, INBOUND) : -1
      }
    }
    this.copy()
  }

  /** Everything is decided about the first `count` positions: who was dropped is marked, or recorded now. */
  settle(burst: Burst, count: number): void {
    for (let s = 0; s < SLOTS; s++) {
      const recorder = this.recorders[s]
      if (recorder === null || !recorder.inbound) continue
      for (let i = 0; i < count; i++) {
        const why = reasonOf(burst.verdict[i])
        if (why < 0 || (this.watchers[i] & (1 << s)) === 0) continue
        const rule = why === RULE_DROPPED || why === RULE_REJECTED ? burst.rule[i] : 0
        const record = recorder.drops ? -1 : this.entered[s * BURST + i]
        if (record >= 0) recorder.spoil(record, why, rule)
        else this.lose(recorder, this.origins[i], burst.at[i], burst.length(i), INBOUND, why, rule)
      }
    }
    this.copy()
  }

  /** The `count` frames of a block (int32 position) are about to leave by `port`. */
  leave(port: Port, block: number, count: number): void {
    this.stamp()
    for (let s = 0; s < SLOTS; s++) {
      const recorder = this.recorders[s]
      if ((port.watched & (1 << s)) === 0 || recorder === null || recorder.drops || !recorder.outbound)
        continue
      for (let i = 0; i < count; i++) {
        const at = this.pool.frameAt(this.i32[block + i])
        const length = this.i32[block + LENGTHS + i]
        const isWanted = recorder.wants(at, length)
        this.left[s * BURST + i] = isWanted ? this.record(recorder, port.index, at, length, OUTBOUND) : -1
      }
    }
    this.copy()
  }

  /** Position `i` of the block that was about to leave by `port` did not. */
  refuse(port: Port, block: number, i: number, why: number): void {
    const at = this.pool.frameAt(this.i32[block + i])
    const length = this.i32[block + LENGTHS + i]
    for (let s = 0; s < SLOTS; s++) {
      const recorder = this.recorders[s]
      if ((port.watched & (1 << s)) === 0 || recorder === null || !recorder.outbound) continue
      if (recorder.drops) this.lose(recorder, port.index, at, length, OUTBOUND, why, 0)
      else if (this.left[s * BURST + i] >= 0) recorder.spoil(this.left[s * BURST + i], why, 0)
    }
    this.copy()
  }

  /** A frame ends outside of the two moments above: it waited, or was not even tried to send. */
  drop(port: Port, frame: number, length: number, direction: number, why: number, rule: number): void {
    const at = this.pool.frameAt(frame)
    for (let s = 0; s < SLOTS; s++) {
      const recorder = this.recorders[s]
      if ((port.watched & (1 << s)) === 0 || recorder === null) continue
      const isWatched = direction === INBOUND ? recorder.inbound : recorder.outbound
      if (isWatched) this.lose(recorder, port.index, at, length, direction, why, rule)
    }
    this.copy()
  }

  /** Shows the readers what was recorded. */
  publish(): void {
    if (!this.unseen) return
    this.unseen = false
    for (let s = 0; s < SLOTS; s++) this.recorders[s]?.publish()
  }

  private lose(
    recorder: Recorder,
    port: number,
    at: number,
    length: number,
    direction: number,
    why: number,
    rule: number,
  ): void {
    const whole = Math.max(0, length)
    if (!recorder.wants(at, whole)) return
    this.stamp()
    const record = this.record(recorder, port, at, whole, direction)
    if (record >= 0) recorder.spoil(record, why, rule)
  }

  /** Begins a record and notes what is to be copied into it. */
  private record(recorder: Recorder, port: number, at: number, length: number, direction: number): number {
    const { i32, list } = this
    const record = recorder.begin(port, length, direction, i32[list + CLOCK + 1], i32[list + CLOCK])
    if (record < 0) return -1
    this.unseen = true
    const c = list + this.copies
    i32[c + FROM] = at
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
    native.clockWall(this.listAt + BLOCK_LENGTH)
  }
}
