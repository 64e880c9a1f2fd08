// Hot: a connected unix socket. Cost: 114 ns a frame of 60 bytes, 280 of 1,514, both ends together (npm run bench).
/** Frames in a stream, QEMU's `-netdev stream`: see native/stream.cc, which buffers them both ways. */
import { native } from '../memory/native.ts'
import type { Pool } from '../memory/pool.ts'
import { BURST_BYTES, type Queue, STREAM } from './queue.ts'

/** errno values of a receive that say that no frame will ever come again: the peer is gone, the peer said what cannot be */
export const ECONNRESET = 104
export const EPROTO = 71

export class StreamQueue implements Queue {
  readonly fd: number
  quiet = true
  private readonly number: number
  private isOpen = true

  constructor(socket: number) {
    this.fd = native.pollCreate()
    native.pollAdd(this.fd, socket, 0)
    this.number = native.streamOpen(socket, this.fd)
  }

  receive(pool: Pool, blockAt: number, capacity: number): number {
    const count = native.receive(STREAM, this.number, pool.topAt, blockAt, capacity, BURST_BYTES)
    // Frames may wait in the buffer, and so may an end: it is asked until nothing comes.
    this.quiet = count <= 0
    if (count > 0) pool.took(count)
    return count
  }

  transmit(blockAt: number, count: number): number {
    return native.transmit(STREAM, this.number, blockAt, count)
  }

  /** Once is enough: a worker that lost a queue lets go of it, and the next program does so again. */
  close(): void {
    if (!this.isOpen) return
    this.isOpen = false
    native.streamClose(this.number)
    native.descriptorClose(this.fd)
  }
}
