/**
 * The burst under way: columns by position. Frame index and length lie in the arena where native fills them; the rest is the
 * worker's own. A burst owns its frames: transmit copies bytes out, so a flooded frame needs no reference count, and every
 * frame goes back to the pool when the burst ends, unless it was handed to another worker (its index is then -1).
 */
import type { Arena } from '../memory/arena.ts'
import { BURST, LENGTHS } from '../memory/block.ts'
import { OPEN } from '../table/mac.ts'

/** values of the verdict column that are no port's index */
export const FLOOD = -1
export const DROPPED = -2
/** in a frame's notes: not bridged yet */
export const UNDECIDED = OPEN

/** The verdict of a frame that is dropped for a reason; DROPPED alone is that of one that somebody took. */
export function dropped(why: number): number {
  return UNDECIDED - 1 - why
}

/** The reason that a verdict gives, negative if it gives none. */
export function reasonOf(verdict: number): number {
  return UNDECIDED - 1 - verdict
}

export class Burst {
  readonly i32: Int32Array
  /** int32 position of the block */
  readonly block: number
  readonly blockAt: number
  /** offset in bytes of the frame's first byte */
  readonly at = new Int32Array(BURST)
  /** flags and GSO type of the vnet header as one number: zero for a frame that asks for nothing */
  readonly work = new Int32Array(BURST)
  readonly ingress = new Int32Array(BURST)
  /** the egress port's index, FLOOD, UNDECIDED, DROPPED, or why it was dropped */
  readonly verdict = new Int32Array(BURST)
  /** of a frame that a rule dropped: which one, as record.ts has it */
  readonly rule = new Int32Array(BURST)
  count = 0
  /** frames were taken out of it: their index is -1 */
  holes = false
  /** bits of captures that want none of the frames as they are, which nothing rewrites: they need not look again when those leave */
  unwanted = 0
  /** no frame asks for offloads or is longer than the MTU of its network */
  plain = false

  constructor(arena: Arena, blockAt: number) {
    this.i32 = arena.i32
    this.blockAt = blockAt
    this.block = blockAt >> 2
  }

  frame(i: number): number {
    return this.i32[this.block + i]
  }

  /** Takes the frame out of the burst; whoever does so owns it. */
  detach(i: number): number {
    const frame = this.i32[this.block + i]
    this.i32[this.block + i] = -1
    this.verdict[i] = DROPPED
    this.holes = true
    return frame
  }

  length(i: number): number {
    return this.i32[this.block + LENGTHS + i]
  }
}
