// Hot: one capture's records in one worker. Cost: see capture.ts.
/** The writing end of a capture's ring; record.ts has the layout. What is written is seen by the reader once it is published. */
import type { Arena } from '../memory/arena.ts'
import type { Pool } from '../memory/pool.ts'
import { compileSieve, type Sieve } from './filter.ts'
import type { CaptureProgram } from './program.ts'
import {
  BLOCK,
  FLAGS,
  FRAME_AT,
  HEAD,
  HEADER,
  INBOUND,
  LOST,
  OUTBOUND,
  OVERHEAD,
  REASON_SHIFT,
  TAIL,
  WRAP,
} from './record.ts'

export class Recorder {
  /** of the ring in the arena, bytes */
  readonly at: number
  readonly inbound: boolean
  readonly outbound: boolean
  /** only frames that are dropped */
  readonly drops: boolean
  /** bytes of a frame that are kept */
  readonly snap: number
  private readonly sieve: Sieve | null
  private readonly i32: Int32Array
  private readonly header: number
  private readonly ring: number
  private readonly words: number
  /** words written, and what is known of those read */
  private head: number
  private tail: number

  constructor(arena: Arena, pool: Pool, program: CaptureProgram) {
    const { at, words, snap, directions, drops, filter } = program
    this.at = at
    this.inbound = (directions & INBOUND) !== 0
    this.outbound = (directions & OUTBOUND) !== 0
    this.drops = drops
    this.snap = snap
    this.sieve = filter === null ? null : compileSieve(filter, arena.view, arena.i32, pool.base)
    this.i32 = arena.i32
    this.header = at >> 2
    this.ring = this.header + HEADER
    this.words = words
    this.head = arena.i32[this.header + HEAD]
    this.tail = this.head
  }

  /** Writes which of the frames `from` to `to` of a block (int32 position) the filter lets through into `found`; returns how many. */
  choose(block: number, from: number, to: number, found: Int32Array): number {
    if (this.sieve !== null) return this.sieve(block, from, to, found)
    for (let i = from; i < to; i++) found[i - from] = i
    return to - from
  }

  /** Begins the record of a frame of `length` bytes: its int32 position, whose FRAME_AT is to be filled; -1 if the ring is full. */
  begin(port: number, length: number, direction: number, high: number, low: number): number {
    const { i32, ring, words } = this
    const kept = Math.min(length, this.snap)
    const size = ((kept + 3) >> 2) + OVERHEAD
    const place = this.head & (words - 1)
    const skipped = place + size > words ? words - place : 0
    if (((this.head + skipped + size - this.tail) | 0) > words) {
      this.tail = Atomics.load(i32, this.header + TAIL)
      if (((this.head + skipped + size - this.tail) | 0) > words) {
        i32[this.header + LOST]++
        return -1
      }
    }
    if (skipped > 0) i32[ring + place] = WRAP
    const at = skipped > 0 ? ring : ring + place
    this.head = (this.head + skipped + size) | 0
    const options = at + size - 4
    i32[at] = BLOCK
    i32[at + 1] = size << 2
    i32[at + 2] = port
    i32[at + 3] = high
    i32[at + 4] = low
    i32[at + 5] = kept
    i32[at + 6] = length
    // What pads the frame lies in the word before the options.
    if ((kept & 3) !== 0) i32[options - 1] = 0
    i32[options] = FLAGS
    i32[options + 1] = direction
    i32[options + 2] = 0
    i32[options + 3] = size << 2
    return at
  }

  /** How many bytes of its frame a record holds. */
  kept(at: number): number {
    return this.i32[at + FRAME_AT - 2]
  }

  /** Notes that the frame of a record was dropped, and by which rule (see RULE_SHIFT), 0 for none. */
  spoil(at: number, why: number, rule: number): void {
    const { i32 } = this
    i32[at] = BLOCK | ((1 + why) << REASON_SHIFT)
    i32[at + (i32[at + 1] >> 2) - 2] = rule
  }

  /** Shows the reader what was written. */
  publish(): void {
    if (this.i32[this.header + HEAD] !== this.head) Atomics.store(this.i32, this.header + HEAD, this.head)
  }
}
