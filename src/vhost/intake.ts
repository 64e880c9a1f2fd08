// Hot: what a guest transmits, from its ring into a burst. A frame in one descriptor is the usual one and stays in the loop.
import { LENGTHS } from '../memory/block.ts'
import { FRAME_LENGTH_MAX } from '../memory/pool.ts'
import { BURST_BYTES } from '../port/queue.ts'
import * as fault from './fault.ts'
import { SEGMENT_WORDS } from './layout.ts'
import { HEADS, INDIRECT, NEXT, PAIRS, type SplitRing, WRITE } from './ring.ts'
import type { Segments } from './segments.ts'

/**
 * Lists the segments of at most `limit` frames and notes them in the burst block (int32 position), each with the next frame of the free
 * stack from `top` downwards; returns how many, -1 for a fault.
 */
export function gather(
  ring: SplitRing,
  segments: Segments,
  top: number,
  block: number,
  limit: number,
): number {
  const { i32 } = segments
  const { descriptors, avail, used } = ring
  const size = ring.size | 0
  const mask = (size - 1) | 0
  const header = segments.header | 0
  const longest = (header + FRAME_LENGTH_MAX) | 0
  const mark = segments.mark | 0
  let slot = ring.next & mask
  let at = segments.first | 0
  let bytes = 0
  let i = 0
  while (i < limit && at <= mark && bytes < BURST_BYTES) {
    const head = avail[HEADS + slot]
    if (head >= size) return segments.spoil(fault.HEAD_RANGE)
    used[PAIRS + 2 * slot] = head
    used[PAIRS + 2 * slot + 1] = 0
    const d = head << 2
    let length = descriptors[d + 2]
    if ((descriptors[d + 3] & (NEXT | WRITE | INDIRECT)) === 0 && length >= header && length <= longest) {
      i32[at] = descriptors[d]
      i32[at + 1] = descriptors[d + 1]
      i32[at + 2] = length
      i32[at + 3] = i
      at += SEGMENT_WORDS
    } else {
      segments.tail = at
      segments.steps = 0
      length = segments.chain(ring, head, 0, longest + 1)
      if (length < 0) return -1
      if (length < header) return segments.spoil(fault.CHAIN_SHORT)
      i32[at + 3] = i
      // One that is longer than a slot has no segments, and a length that says so.
      if (length > longest) length = header - 1
      else at = segments.tail
    }
    i32[block + i] = i32[top - i]
    i32[block + LENGTHS + i] = length - header
    bytes += length
    slot = (slot + 1) & mask
    i++
  }
  segments.tail = at
  return i
}

/** Empties a ring that is not enabled without effect (vhost-user, "Ring states"). */
export function discard(ring: SplitRing, waiting: number): void {
  const mask = ring.size - 1
  for (let i = 0; i < waiting; i++) {
    const slot = (ring.next + i) & mask
    ring.used[PAIRS + 2 * slot] = ring.avail[HEADS + slot]
    ring.used[PAIRS + 2 * slot + 1] = 0
  }
  ring.publish((ring.next + waiting) & 0xffff)
  ring.notify()
}
