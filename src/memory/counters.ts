/**
 * Counters: float64 in the arena, one block a worker and so one writer each; readers add the blocks up and never stop
 * anybody. A worker's block is its own row of totals, then a row of 64 for every port: five totals and the drop reasons.
 */
import type { Arena } from './arena.ts'

export const PORT_COUNT_MAX = 1024
export const ROW = 64

/** positions in a port's row */
export const RX_FRAMES = 0
export const RX_BYTES = 1
export const TX_FRAMES = 2
export const TX_BYTES = 3
/** frames that were forwarded although their source could not be learned: the table or its bucket was full */
export const UNLEARNED = 4
/** first drop reason; a row has room for 59 */
export const DROPS = 5
export const DROP_COUNT_MAX = ROW - DROPS

/** positions in a worker's own row */
export const BUSY_SECONDS = 0
export const BURSTS = 1
export const FRAMES = 2
/** seven buckets follow: bursts of at most 1, 2, 4, 8, 16, 32, 64 frames */
export const BURST_BUCKETS = 3
export const BURST_BOUNDS = [1, 2, 4, 8, 16, 32, 64]
/** how often it slept, and how long it was away from its queues before the bursts that it then found: in all, and by bucket */
export const SLEEPS = 10
export const DELAY_SECONDS = 11
/** a bucket for each bound in seconds, and one for what took longer */
export const DELAY_BUCKETS = 12
export const DELAY_BOUNDS = [
  1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1,
]
/** what is so now: frames of its pool in use (as it was within the last second), packets that wait for a neighbour, packets of which fragments are missing */
export const IN_USE = 32
export const HELD = 33
export const FRAGMENTED = 34

export const LENGTH = (PORT_COUNT_MAX + 1) * ROW * 8

/** The float64 block of one worker in the arena. */
export function block(arena: Arena, worker: number): Float64Array {
  return new Float64Array(arena.buffer, arena.allocate(`counters/${worker}`, LENGTH).at, LENGTH / 8)
}

/** Position of a port's row in a block. */
export function rowOf(port: number): number {
  return (port + 1) * ROW
}
