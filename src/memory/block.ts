/**
 * A burst block: three int32 columns of 64 in the arena, by position in the burst: frame index, length in bytes, errno.
 * Native fills and drains the same bytes (native/burst.cc).
 */
export const BURST = 64
/** int32 distance between the columns */
export const LENGTHS = BURST
export const ERRORS = 2 * BURST
/** bytes of a block */
export const BLOCK_LENGTH = 3 * BURST * 4
