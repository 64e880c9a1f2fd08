// Hot: a bound unix socket. Cost: 2,470 ns a frame of 60 bytes, both ends together, nearly all of it the kernel's (npm run bench).
/** A frame a datagram, QEMU's `-netdev dgram`: only what the peer's socket sent counts, see native/dgram.cc. */
import type { Arena } from '../memory/arena.ts'
import { LENGTHS } from '../memory/block.ts'
import { DROPS } from '../memory/counters.ts'
import { native } from '../memory/native.ts'
import type { Pool } from '../memory/pool.ts'
import { FOREIGN_SENDER } from '../pipeline/reason.ts'
import { BURST_BYTES, DGRAM, type Queue } from './queue.ts'

/** length of a frame of somebody else */
const FOREIGN = -2

export class DgramQueue implements Queue {
  readonly fd: number
  readonly quiet = true
  private readonly number: number
  private readonly i32: Int32Array
  private readonly counters: Float64Array
  private readonly row: number

  constructor(arena: Arena, counters: Float64Array, row: number, socket: number, peer: string) {
    this.i32 = arena.i32
    this.counters = counters
    this.row = row
    this.fd = socket
    this.number = native.dgramOpen(socket, peer)
  }

  receive(pool: Pool, blockAt: number, capacity: number): number {
    const count = native.receive(DGRAM, this.number, pool.topAt, blockAt, capacity, BURST_BYTES)
    if (count <= 0) return count
    pool.took(count)
    return this.own(pool, blockAt >> 2, count)
  }

  /** Moves the peer's frames to the front and gives the others back. */
  private own(pool: Pool, block: number, count: number): number {
    const { i32 } = this
    let kept = 0
    for (let i = 0; i < count; i++) {
      const frame = i32[block + i]
      const length = i32[block + LENGTHS + i]
      if (length === FOREIGN) {
        this.counters[this.row + DROPS + FOREIGN_SENDER]++
        pool.give(frame)
        continue
      }
      i32[block + kept] = frame
      i32[block + LENGTHS + kept] = length
      kept++
    }
    return kept
  }

  transmit(blockAt: number, count: number): number {
    return native.transmit(DGRAM, this.number, blockAt, count)
  }

  close(): void {
    native.dgramClose(this.number)
  }
}
