// Hot: a queue's receive and transmit are called once a burst.
/**
 * A queue moves bursts between a port's outside and the frame pool. Polymorphic on purpose: the call is per burst.
 */
import { native } from '../memory/native.ts'
import type { Pool } from '../memory/pool.ts'
import type { Port } from './port.ts'

/** kinds of descriptor that native knows, see native/burst.cc */
export const TAP = 0
export const TUN = 1
export const PACKET = 2
/** a packet socket that receives by a ring; 3 is a program's MEMORY */
export const RING = 4
/** a connected unix socket: frames with their length before them */
export const STREAM = 5
/** a bound unix socket: a frame a datagram; 7 is a program's VHOST */
export const DGRAM = 6

/**
 * A burst stops early once it holds this many bytes. Two 64 KiB super-frames stay in a core's second-level cache between the
 * read and the write; sixty-four of them would not.
 */
export const BURST_BYTES = 128 * 1024

export interface Queue {
  /** the descriptor to wait for, -1 if there is none */
  readonly fd: number
  /** false if something waits that the descriptor does not tell of */
  readonly quiet: boolean
  /** Fills the block's frame and length columns with frames of `pool`; returns the count or -errno. */
  receive(pool: Pool, blockAt: number, capacity: number): number
  /** Sends the block's first `count` frames; returns how many were taken, the errno column tells of the others. */
  transmit(blockAt: number, count: number): number
  /** Gives back whatever frames it holds; the descriptor is closed by whoever opened it. */
  close(): void
}

/** A queue and the port it belongs to. */
export interface Attached {
  port: Port
  queue: Queue
}

/** A TAP or packet socket, with or without a ring. */
export class DescriptorQueue implements Queue {
  readonly fd: number
  readonly quiet = true
  private readonly kind: number
  /** what frames are read from: the descriptor, or its ring's number in this thread */
  private readonly source: number

  constructor(kind: number, fd: number) {
    this.kind = kind
    this.fd = fd
    this.source = kind === RING ? native.ringMap(fd) : fd
  }

  receive(pool: Pool, blockAt: number, capacity: number): number {
    const count = native.receive(this.kind, this.source, pool.topAt, blockAt, capacity, BURST_BYTES)
    if (count > 0) pool.took(count)
    return count
  }

  transmit(blockAt: number, count: number): number {
    return native.transmit(this.kind === RING ? PACKET : this.kind, this.fd, blockAt, count)
  }

  close(): void {
    if (this.kind === RING) native.ringUnmap(this.source)
  }
}
