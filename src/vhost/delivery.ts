// Hot: what a guest receives, from a burst into the buffers of its ring. One descriptor a frame is the usual case and stays in the loop.
import { ERRORS, LENGTHS } from '../memory/block.ts'
import * as fault from './fault.ts'
import { CHAIN_MAX, SEGMENT_WORDS } from './layout.ts'
import { HEADS, INDIRECT, NEXT, PAIRS, type SplitRing, WRITE } from './ring.ts'
import type { Segments } from './segments.ts'

const EAGAIN = 11
const EMSGSIZE = 90
/** in a segment's last word: the position in the burst, then from this bit the count of buffers */
const BUFFERS_SHIFT = 8

/**
 * Lists buffers for the first `count` frames of a block, of which `waiting` are there, and copies; the errno column tells of frames that found
 * none. Returns how many did; the ring's `next` moves on, for the caller to publish. -1 for a fault.
 */
export function place(
  ring: SplitRing,
  segments: Segments,
  blockAt: number,
  count: number,
  waiting: number,
  mergeable: boolean,
): number {
  const { i32, mark } = segments
  const { descriptors, avail, used } = ring
  const block = blockAt >> 2
  const size = ring.size | 0
  const mask = (size - 1) | 0
  const header = segments.header | 0
  let at = segments.first | 0
  let next = ring.next | 0
  let left = waiting | 0
  let sent = 0
  for (let i = 0; i < count; i++) {
    if (at > mark) {
      segments.tail = at
      if (segments.write(blockAt) < 0) return -1
      at = segments.first
    }
    i32[block + ERRORS + i] = left > 0 ? 0 : EAGAIN
    if (left === 0) continue
    const need = (i32[block + LENGTHS + i] + header) | 0
    const slot = next & mask
    const head = avail[HEADS + slot]
    if (head >= size) return segments.spoil(fault.HEAD_RANGE)
    const d = head << 2
    let buffers = 1
    if ((descriptors[d + 3] & (NEXT | WRITE | INDIRECT)) === WRITE && descriptors[d + 2] >= need) {
      i32[at] = descriptors[d]
      i32[at + 1] = descriptors[d + 1]
      i32[at + 2] = need
      i32[at + 3] = i | (1 << BUFFERS_SHIFT)
      at += SEGMENT_WORDS
      used[PAIRS + 2 * slot] = head
      used[PAIRS + 2 * slot + 1] = need
    } else {
      segments.tail = at
      buffers = spread(ring, segments, next, need, mergeable ? left : Math.min(left, 1))
      if (buffers < 0) return -1
      if (buffers === 0) {
        i32[block + ERRORS + i] = mergeable && left < size ? EAGAIN : EMSGSIZE
        continue
      }
      i32[at + 3] = i | (buffers << BUFFERS_SHIFT)
      at = segments.tail
    }
    next = (next + buffers) & 0xffff
    left -= buffers
    sent++
  }
  segments.tail = at
  ring.next = next
  return sent
}

/**
 * Lists a frame's buffers where one descriptor is not enough: a chain, or as many as `limit` where buffers may be merged
 * (virtio 1.2, 5.1.6.3.2). Returns how many chains it took, 0 if they do not suffice, -1 for a fault.
 */
function spread(ring: SplitRing, segments: Segments, next: number, need: number, limit: number): number {
  const { avail, used, size } = ring
  segments.steps = 0
  let done = 0
  let buffers = 0
  while (done < need) {
    // A frame in more pieces than that is work that a guest makes for its neighbours to wait for.
    if (buffers === limit || segments.steps >= CHAIN_MAX) return 0
    const slot = (next + buffers) & (size - 1)
    const head = avail[HEADS + slot]
    if (head >= size) return segments.spoil(fault.HEAD_RANGE)
    const taken = segments.chain(ring, head, WRITE, need - done)
    if (taken < 0) return -1
    used[PAIRS + 2 * slot] = head
    used[PAIRS + 2 * slot + 1] = taken
    done += taken
    buffers++
  }
  return buffers
}
