// Hot: a queue's receive and transmit are called once a burst.
/**
 * A queue moves bursts between a port's outside and the frame pool. Polymorphic on purpose: the call is per burst.
 */
import { native } from '../memory/native.ts'

/** kinds of descriptor that native knows, see native/burst.cc */
export const TAP = 0
export const TUN = 1
export const PACKET = 2

/**
 * A burst stops early once it holds this many bytes. Two 64 KiB super-frames stay in a core's second-level cache between the
 * read and the write; sixty-four of them would not.
 */
const BURST_BYTES = 128 * 1024

export interface Queue {
  /** the descriptor to wait for, -1 if there is none */
  readonly fd: number
  /** Fills the block's frame and length columns from the free stack whose top is at `freeTopAt`; returns the count or -errno. */
  receive(freeTopAt: number, blockAt: number, capacity: number): number
  /** Sends the block's first `count` frames; returns how many were taken, the errno column tells of the others. */
  transmit(blockAt: number, count: number): number
}

/** A TAP, TUN or packet socket. */
export class DescriptorQueue implements Queue {
  readonly fd: number
  private readonly kind: number

  constructor(kind: number, fd: number) {
    this.kind = kind
    this.fd = fd
  }

  receive(freeTopAt: number, blockAt: number, capacity: number): number {
    return native.receive(this.kind, this.fd, freeTopAt, blockAt, capacity, BURST_BYTES)
  }

  transmit(blockAt: number, count: number): number {
    return native.transmit(this.kind, this.fd, blockAt, count)
  }
}
