/**
 * What a capture's ring holds: records that are pcapng's Enhanced Packet Blocks (draft-ietf-opsawg-pcapng 4.3) but for the few words that only
 * the control thread knows. One worker writes, the control thread reads.
 *
 *   header: three cache lines, the writer's words, the reader's word, the counts
 *   ring: int32 words; a record never wraps: a type word of WRAP says that the next one stands at the beginning
 *
 *   0 type       | 1 bytes of the block | 2 index of the port           | 3, 4 nanoseconds since 1970, high and low
 *   5 bytes kept | 6 bytes of the frame | frame, padded to 32 bits
 *   epb_flags: 2 | 4 << 16, INBOUND or OUTBOUND | 0, the end of options, or which rule dropped it | bytes of the block
 *
 * The type is BLOCK, above it 1 + the reason (reason.ts) of a frame that was dropped. Head and tail count words and wrap as int32 do.
 */

/** Captures at a time; each watched port has a bit for each. */
export const SLOTS = 4

/** int32 positions in the header */
export const HEAD = 0
export const TAIL = 16
/** frames that found no room: nobody read in time; wraps */
export const LOST = 32
export const HEADER = 48

/** Words of a block beside the frame's. */
export const FRAME_AT = 7
export const OPTIONS = 4
export const OVERHEAD = FRAME_AT + OPTIONS

export const WRAP = 0
/** block type, and where the reason stands above it */
export const BLOCK = 6
export const REASON_SHIFT = 8
/** where the rule stands in the end of options: 1 + number of its counter above, the low bits of the ruleset's generation below */
export const RULE_SHIFT = 14
export const GENERATION_MASK = (1 << RULE_SHIFT) - 1

/** epb_flags' first option word, and its values */
export const FLAGS = 2 | (4 << 16)
export const INBOUND = 1
export const OUTBOUND = 2

/** Bytes of a ring of `words`, a power of two. */
export function lengthOf(words: number): number {
  return (HEADER + words) * 4
}
