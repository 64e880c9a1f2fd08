// Hot: what captures see of bursts. Cost: a test a burst while nobody captures; recorder.ts has the rest.
/**
 * A port has a bit for each capture that watches it. A frame is recorded as it comes in, before anything is rewritten, and as it leaves. Records
 * are shown to the reader when the burst is through, for only then it is known which of its frames were dropped, and why: the record
 * of the frame says so. A capture of drops alone records a frame when it is dropped.
 */
import type { Arena } from '../memory/arena.ts'
import { BLOCK_LENGTH, BURST, LENGTHS } from '../memory/block.ts'
import type { Port } from '../port/port.ts'
import { type Burst, reasonOf, UNDECIDED } from './burst.ts'
import { RULE_DROPPED, RULE_REJECTED } from './reason.ts'
import { INBOUND, OUTBOUND, SLOTS } from './record.ts'
import { type Recorder, TASK_LENGTH, UNWANTED } from './recorder.ts'

/** bytes: a recorder's task, and a block for a single frame */
export const SCRATCH_LENGTH = TASK_LENGTH + BLOCK_LENGTH

export class Capture {
  /** somebody captures */
  active = false
  /** by slot */
  readonly recorders: (Recorder | null)[] = new Array(SLOTS).fill(null)
  /** something was recorded that the reader has not been shown */
  private unseen = false
  /** where recorders have their task, bytes */
  readonly taskAt: number
  private readonly i32: Int32Array
  /** int32 position of the block for a single frame, and where its record is */
  private readonly single: number
  private readonly place = new Int32Array(1)
  /** by slot and position: the record of a frame that came in, of one that leaves; negative if there is none */
  private readonly entered = new Int32Array(SLOTS * BURST).fill(UNWANTED)
  private readonly left = new Int32Array(SLOTS * BURST).fill(UNWANTED)
  /** by slot: some frame of the burst may have to be told of when it is dropped */
  private readonly unsettled = new Int32Array(SLOTS)
  /** by slot: how many frames of what leaves have a record */
  private readonly leaving = new Int32Array(SLOTS)
  /** by position: the port that a frame came by, and its bits */
  private readonly origins = new Int32Array(BURST)
  private readonly watchers = new Int32Array(BURST)

  constructor(arena: Arena, scratchAt: number) {
    this.i32 = arena.i32
    this.taskAt = scratchAt
    this.single = (scratchAt + TASK_LENGTH) >> 2
  }

  /** Nothing is known of the positions of a burst, which may have come by several ports. */
  begin(): void {
    this.watchers.fill(0)
    this.entered.fill(UNWANTED)
  }

  /**
   * Of positions `from` to `to`, all of which came in by `port`, those that the bridge has not decided about. They are recorded where they are
   * bridged (`isHome`); who does not get there is recorded when it is dropped. Returns the bits of captures that want none of them.
   */
  enter(burst: Burst, from: number, to: number, port: Port, isHome: boolean): number {
    let isAny = false
    let unwanted = 0
    for (let s = 0; s < SLOTS; s++) {
      const recorder = this.recorders[s]
      if ((port.watched & (1 << s)) === 0 || recorder === null || !recorder.inbound) continue
      const { block } = burst
      const isLater = recorder.drops || !isHome
      // Positions still tell of the burst before.
      if (isLater) this.entered.fill(UNWANTED, s * BURST + from, s * BURST + to)
      else if (recorder.record(block, from, to, port.index, INBOUND, this.entered, s * BURST) === 0) {
        unwanted |= 1 << s
        continue
      }
      this.unsettled[s] = 1
      isAny = true
    }
    if (!isAny) return unwanted
    this.unseen = true
    for (let i = from; i < to; i++) {
      this.origins[i] = port.index
      this.watchers[i] = burst.verdict[i] <= UNDECIDED ? port.watched : 0
    }
    return unwanted
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
        const record = recorder.drops ? UNWANTED : this.entered[s * BURST + i]
        if (record >= 0) recorder.spoil(record, why, rule)
        else if (record === UNWANTED)
          this.lose(recorder, burst.frame(i), burst.length(i), this.origins[i], INBOUND, why, rule)
      }
    }
  }

  /** The `count` frames of a block (int32 position) are about to leave by `port`. */
  leave(port: Port, block: number, count: number): void {
    for (let s = 0; s < SLOTS; s++) {
      const recorder = this.recorders[s]
      this.leaving[s] = 0
      const isWatched = (port.watched & port.wanted & (1 << s)) !== 0
      if (!isWatched || recorder === null || recorder.drops || !recorder.outbound) continue
      this.leaving[s] = recorder.record(block, 0, count, port.index, OUTBOUND, this.left, s * BURST)
      if (this.leaving[s] > 0) this.unseen = true
    }
  }

  /** Position `i` of the block that was about to leave by `port` did not. */
  refuse(port: Port, block: number, i: number, why: number): void {
    const { i32 } = this
    for (let s = 0; s < SLOTS; s++) {
      const recorder = this.recorders[s]
      if ((port.watched & (1 << s)) === 0 || recorder === null || !recorder.outbound) continue
      const record = recorder.drops || this.leaving[s] === 0 ? UNWANTED : this.left[s * BURST + i]
      if (record >= 0) recorder.spoil(record, why, 0)
      else if (recorder.drops)
        this.lose(recorder, i32[block + i], i32[block + LENGTHS + i], port.index, OUTBOUND, why, 0)
    }
  }

  /** A frame ends outside of the moments above: it waited, or was not even tried to send. */
  drop(port: Port, frame: number, length: number, direction: number, why: number, rule: number): void {
    for (let s = 0; s < SLOTS; s++) {
      const recorder = this.recorders[s]
      if ((port.watched & (1 << s)) === 0 || recorder === null) continue
      const isWatched = direction === INBOUND ? recorder.inbound : recorder.outbound
      if (isWatched) this.lose(recorder, frame, length, port.index, direction, why, rule)
    }
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
    const { i32, single, place } = this
    i32[single] = frame
    i32[single + LENGTHS] = length
    if (recorder.record(single, 0, 1, port, direction, place, 0) === 0) return
    this.unseen = true
    if (place[0] >= 0) recorder.spoil(place[0], why, rule)
  }
}
