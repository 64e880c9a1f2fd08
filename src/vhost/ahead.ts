// Hot: the buffers that a guest receives with next, looked at before there is a frame for them.
/**
 * A line of a guest's buffer is in another core's cache when we come to write to it, and a burst would wait for all of them. So their
 * descriptors are read a burst ahead, and native asks for the lines when it is done with the burst before. A driver
 * does not touch what it made available (virtio 1.2, 2.7.13), so what was read stays true; should it change, its own frames suffer.
 */
import { SEGMENT_WORDS } from './layout.ts'
import { HEADS, type SplitRing } from './ring.ts'
import type { Segments } from './segments.ts'

/** As many as a burst has frames. */
export const AHEAD = 64
/** the word of an entry that holds its head and, from this bit on, its flags */
export const HEAD = 3
export const FLAGS_SHIFT = 16
/** the last word of a segment whose lines are asked for only */
const COMING = -2

export class Ahead {
  /** four int32 an entry: address, length, and head with flags; at the entry's number modulo AHEAD */
  readonly words = new Int32Array(AHEAD * SEGMENT_WORDS)
  /** the entry of avail behind the last one that was looked at, modulo 65,536 */
  end = 0

  /** Looks at the entries of avail up to `until`, at most AHEAD behind the next one; false for a head that is outside of the ring. */
  look(ring: SplitRing, until: number): boolean {
    const { words } = this
    const { avail, descriptors } = ring
    const size = ring.size | 0
    const mask = (size - 1) | 0
    let end = this.end | 0
    while (end !== until) {
      const head = avail[HEADS + (end & mask)]
      if (head >= size) return false
      const d = head << 2
      const at = (end & (AHEAD - 1)) << 2
      words[at] = descriptors[d]
      words[at + 1] = descriptors[d + 1]
      words[at + 2] = descriptors[d + 2]
      words[at + HEAD] = head | (descriptors[d + 3] << FLAGS_SHIFT)
      end = (end + 1) & 0xffff
    }
    this.end = end
    return true
  }

  /** Lists the entries from `from` on behind a burst's segments: native asks for their lines. */
  announce(segments: Segments, from: number): void {
    const { words, end } = this
    const { i32 } = segments
    let to = segments.tail | 0
    for (let entry = from | 0; entry !== end; entry = (entry + 1) & 0xffff) {
      const at = (entry & (AHEAD - 1)) << 2
      i32[to] = words[at]
      i32[to + 1] = words[at + 1]
      i32[to + 2] = 1
      i32[to + 3] = COMING
      to += SEGMENT_WORDS
    }
    segments.tail = to
  }
}
