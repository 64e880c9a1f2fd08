// Hot: one capture's records in one worker. Cost: 8 ns a record of 60 bytes, 3 ns a frame that the filter refuses (npm run bench -- micro).
/** The writing end of a capture's ring; record.ts has the layout. What is written is seen by the reader once it is published. */
import type { Arena } from '../memory/arena.ts'
import { BURST } from '../memory/block.ts'
import type { Pool } from '../memory/pool.ts'
import { recordFrames } from '../memory/record.ts'
import { compileSieve, type Sieve } from './filter.ts'
import type { CaptureProgram } from './program.ts'
import { BLOCK, HEAD, INBOUND, OUTBOUND, REASON_SHIFT } from './record.ts'

/** int32 positions of a task for native/record.cc */
const RING_AT = 0
const WORDS = 1
const POSITION = 2
const SNAP = 3
const PORT = 4
const DIRECTION = 5
const BLOCK_AT = 6
const COUNT = 7
const CHOSEN = 8
const PLACES = CHOSEN + BURST
/** Instead of where a record is: the filter wanted none. A smaller number: there was no room, and it is counted as lost. */
export const UNWANTED = -1
/** bytes of a task */
export const TASK_LENGTH = (PLACES + BURST) * 4

export class Recorder {
  readonly inbound: boolean
  readonly outbound: boolean
  /** only frames that are dropped */
  readonly drops: boolean
  private readonly program: CaptureProgram
  private readonly sieve: Sieve | null
  private readonly i32: Int32Array
  private readonly taskAt: number
  private readonly chosen: Int32Array
  /** words written */
  private head: number

  /** `taskAt` is where a task may stand in the arena, bytes; recorders of a worker share it. */
  constructor(arena: Arena, pool: Pool, taskAt: number, program: CaptureProgram) {
    const { at, directions, drops, filter } = program
    this.inbound = (directions & INBOUND) !== 0
    this.outbound = (directions & OUTBOUND) !== 0
    this.drops = drops
    this.program = program
    this.sieve = filter === null ? null : compileSieve(filter, arena.view, arena.i32, pool.base)
    this.i32 = arena.i32
    this.taskAt = taskAt
    this.chosen = arena.i32.subarray((taskAt >> 2) + CHOSEN, (taskAt >> 2) + PLACES)
    this.head = arena.i32[(at >> 2) + HEAD]
  }

  /**
   * Records what the filter lets through of frames `from` to `to` of a block (int32 position). Where each one's record is, an int32 position,
   * is written into `places` from `base` on, by the frame's position in the block, negative if it has none; returns how many the filter let through.
   */
  record(
    block: number,
    from: number,
    to: number,
    port: number,
    direction: number,
    places: Int32Array,
    base: number,
  ): number {
    const { i32, program } = this
    const count = this.choose(block, from, to)
    if (count === 0) return 0
    const task = this.taskAt >> 2
    i32[task + RING_AT] = program.at
    i32[task + WORDS] = program.words
    i32[task + POSITION] = this.head
    i32[task + SNAP] = program.snap
    i32[task + PORT] = port
    i32[task + DIRECTION] = direction
    i32[task + BLOCK_AT] = block << 2
    i32[task + COUNT] = count
    recordFrames(this.taskAt)
    this.head = i32[task + POSITION]
    if (count < to - from) places.fill(UNWANTED, base + from, base + to)
    for (let n = 0; n < count; n++) places[base + i32[task + CHOSEN + n]] = i32[task + PLACES + n]
    return count
  }

  private choose(block: number, from: number, to: number): number {
    const { chosen } = this
    if (this.sieve !== null) return this.sieve(block, from, to, chosen)
    for (let i = from; i < to; i++) chosen[i - from] = i
    return to - from
  }

  /** Notes that the frame of a record was dropped, and by which rule (see RULE_SHIFT), 0 for none. */
  spoil(at: number, why: number, rule: number): void {
    const { i32 } = this
    i32[at] = BLOCK | ((1 + why) << REASON_SHIFT)
    i32[at + (i32[at + 1] >> 2) - 2] = rule
  }

  /** Shows the reader what was written. */
  publish(): void {
    const header = this.program.at >> 2
    if (this.i32[header + HEAD] !== this.head) Atomics.store(this.i32, header + HEAD, this.head)
  }
}
