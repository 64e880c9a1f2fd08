/**
 * Why a guest was disconnected: what its rings or its memory did that no driver may do (virtio 1.2, 2.7). A fault's number travels from
 * the worker that found it; its name is a metric's label.
 */
export const AVAIL_JUMP = 0
export const HEAD_RANGE = 1
export const NEXT_RANGE = 2
export const CHAIN_LOOP = 3
export const CHAIN_DIRECTION = 4
export const ADDRESS_RANGE = 5
export const INDIRECT_SIZE = 6
export const INDIRECT_NESTED = 7
export const MEMORY_VANISHED = 8
export const CHAIN_SHORT = 9
export const PROTOCOL = 10
/** of a stream port: its peer is no vhost-user front-end, but is told of in the same way */
export const FRAME_LENGTH = 11

/** By number: the name, and what it says to an operator. */
export const FAULTS: readonly { name: string; meaning: string }[] = [
  { name: 'avail_jump', meaning: 'the avail index moved by more than the ring holds' },
  { name: 'head_range', meaning: 'an avail entry names a descriptor outside the ring' },
  { name: 'next_range', meaning: 'a chain leads to a descriptor outside its table' },
  { name: 'chain_loop', meaning: 'a chain is a loop or longer than its ring' },
  { name: 'chain_direction', meaning: 'a descriptor is to be read where it must be written, or the reverse' },
  { name: 'address_range', meaning: 'a descriptor lies outside the memory that the guest shares' },
  { name: 'indirect_size', meaning: 'an indirect table is empty, too long or no multiple of 16 bytes' },
  { name: 'indirect_nested', meaning: 'an indirect table leads to another, or goes on behind itself' },
  { name: 'memory_vanished', meaning: 'shared memory was taken away' },
  { name: 'chain_short', meaning: 'a chain is too short for the header of a frame' },
  { name: 'protocol', meaning: 'a vhost-user message that is malformed, out of order or impossible' },
  { name: 'frame_length', meaning: 'a frame in a stream has an impossible length' },
]
