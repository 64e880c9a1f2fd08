/**
 * What a worker and native hand each other about a guest's buffers, in the arena: what is to be done, and the segments that it is done with,
 * four int32 each. One argument a call: each costs a call of its own into V8.
 *
 *   table of the guest's memory  |   bytes of the header before a frame   |   the burst block, bytes   |   how many segments follow
 *   address, low half   |   address, high half   |   bytes   |   first of a frame: its position in the burst and, from bit 8, how many buffers; else -1
 */

/** A chain has at most as many descriptors as QEMU lets a queue have (VIRTQUEUE_MAX_SIZE). */
export const CHAIN_MAX = 1024
/** A frame that is begun below the mark finds room: it takes at most two of the longest chains, the second one to find out that it is too much. */
export const MARK = 2 * CHAIN_MAX
const SEGMENTS = MARK + 2 * CHAIN_MAX
export const SEGMENT_WORDS = 4
/** bytes of a descriptor, and int32 of one */
export const DESCRIPTOR_LENGTH = 16
/** int32 of the task, and the positions of its words */
export const TASK_WORDS = 4
export const TABLE = 0
export const HEADER = 1
export const BLOCK = 2
export const COUNT = 3
/** bytes: the task, the segments, then an indirect table */
export const INDIRECT_AT = (TASK_WORDS + SEGMENTS * SEGMENT_WORDS) * 4
export const LENGTH = INDIRECT_AT + CHAIN_MAX * DESCRIPTOR_LENGTH
