// Hot: what a guest receives, from a burst into the buffers of its ring. One descriptor a frame is the usual case and stays in the loop.
import { ERRORS, LENGTHS } from '../memory/block.ts'
import { AHEAD, type Ahead, FLAGS_SHIFT, HEAD } from './ahead.ts'
import * as fault from './fault.ts'
import { CHAIN_MAX, SEGMENT_WORDS } from './layout.ts'
import { HEADS, INDIRECT, NEXT, PAIRS, type SplitRing, WRITE } from './ring.ts'
import type { Segments } from './segments.ts'

const EAGAIN = 11
const EMSGSIZE = 90
/** in a segment's last word: the position in the burst, then from this bit the count of buffers */
const BUFFERS_SHIFT = 8
const PLAIN = (NEXT | WRITE | INDIRECT) << FLAGS_SHIFT

/**
 * Lists buffers for the first `count` frames of a block, of which `waiting` are there, and copies; the errno column tells of frames that found
 * none. Returns how many did; the ring's `next` moves on, for the caller to publish. -1 for a fault.
 */
export function place(
  ring: SplitRing,
  ahead: Ahead,
  segments: Segments,
  blockAt: number,
  count: number,
  waiting: number,
  mergeable: boolean,
): number {
  const { i32, mark } = segments
  const { used } = ring
  const { words } = ahead
  const block = blockAt >> 2
  const size = ring.size | 0
  const mask = (size - 1) | 0
  const header = segments.header | 0
  let at = segments.first | 0
  let next = ring.next | 0
  let left = waiting | 0
  let sent = 0
  if (!reach(ring, ahead, next, Math.min(count, waiting))) return segments.spoil(fault.HEAD_RANGE)
  for (let i = 0; i < count; i++) {
    if (at > mark) {
      segments.tail = at
      if (segments.write(blockAt) < 0) return -1
      at = segments.first
    }
    i32[block + ERRORS + i] = left > 0 ? 0 : EAGAIN
    if (left === 0) continue
    const need = (i32[block + LENGTHS + i] + header) | 0
    const entry = (next & (AHEAD - 1)) << 2
    const head = words[entry + HEAD]
    let buffers = 1
    if ((head & PLAIN) === WRITE << FLAGS_SHIFT && words[entry + 2] >= need) {
      i32[at] = words[entry]
      i32[at + 1] = words[entry + 1]
      i32[at + 2] = need
      i32[at + 3] = i | (1 << BUFFERS_SHIFT)
      at += SEGMENT_WORDS
      const slot = next & mask
      used[PAIRS + 2 * slot] = head & 0xffff
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
    // Several buffers for one frame: those of the frames behind it are others than were looked at.
    const isShort = buffers > 1 && !reach(ring, ahead, next, Math.min(count - i - 1, left))
    if (isShort) return segments.spoil(fault.HEAD_RANGE)
  }
  segments.tail = at
  ring.next = next
  const seen = ahead.end
  if (!reach(ring, ahead, next, Math.min(AHEAD, left))) return segments.spoil(fault.HEAD_RANGE)
  ahead.announce(segments, seen)
  return sent
}

/** Looks at the `count` entries from `next` on, those that were not looked at yet. */
function reach(ring: SplitRing, ahead: Ahead, next: number, count: number): boolean {
  const known = (ahead.end - next) & 0xffff
  // Merged buffers may have taken more than were looked at.
  if (known > AHEAD) ahead.end = next
  else if (known >= count) return true
  return ahead.look(ring, (next + count) & 0xffff)
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
