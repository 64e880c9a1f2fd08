/**
 * What a worker and native hand each other about a guest's buffers, in the arena: segments of four int32 each:
 *
 *   address, low half   |   address, high half   |   bytes   |   first of a frame: its position in the burst and, from bit 8, how many buffers; else -1
 */

/** A chain has at most as many descriptors as QEMU lets a queue have (VIRTQUEUE_MAX_SIZE). */
export const CHAIN_MAX = 1024
/** A frame that is begun below the mark finds room: it takes at most two of the longest chains, the second one to find out that it is too much. */
export const MARK = 2 * CHAIN_MAX
export const SEGMENTS = MARK + 2 * CHAIN_MAX
export const SEGMENT_WORDS = 4
/** bytes of a descriptor, and int32 of one */
export const DESCRIPTOR_LENGTH = 16
/** bytes: the segments, then an indirect table */
export const INDIRECT_AT = SEGMENTS * SEGMENT_WORDS * 4
export const LENGTH = INDIRECT_AT + CHAIN_MAX * DESCRIPTOR_LENGTH
