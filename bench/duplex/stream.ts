/**
 * A TAP as the usual Node stream: every frame is a Buffer of its own, a round through libuv's thread pool and a callback.
 * The interface is that of the npm package tuntap2, which can no longer be installed.
 */
import { read, write } from 'node:fs'
import { Duplex } from 'node:stream'

/** An Ethernet header and a packet of 1,500 bytes with two VLAN tags, behind the vnet header. */
const frameLengthMax = 10 + 14 + 8 + 1500

export class TapStream extends Duplex {
  private readonly fd: number

  /** `fd` must be blocking: a thread of the pool waits in read(2). */
  constructor(fd: number) {
    super()
    this.fd = fd
  }

  override _read(): void {
    const frame = Buffer.allocUnsafe(frameLengthMax)
    read(this.fd, frame, 0, frameLengthMax, null, (error, length) => {
      if (error) this.destroy(error)
      else this.push(frame.subarray(0, length))
    })
  }

  override _write(frame: Buffer, _encoding: string, done: (error: Error | null) => void): void {
    write(this.fd, frame, 0, frame.length, null, (error) => {
      // The far interface may be down, or its queue full: a switch loses such a frame and goes on.
      done(error && !['EIO', 'ENOBUFS', 'EAGAIN', 'EINVAL'].includes(error.code ?? '') ? error : null)
    })
  }
}
