/** A queue by itself: a pool and a burst block, frames put in and taken out by hand. */
import { Arena } from '../../src/memory/arena.ts'
import { BLOCK_LENGTH, BURST, ERRORS, LENGTHS } from '../../src/memory/block.ts'
import { block } from '../../src/memory/counters.ts'
import { Pool, STRIDE } from '../../src/memory/pool.ts'
import type { Queue } from '../../src/port/queue.ts'
import type { Fed, Sent } from './rig.ts'

const FRAMES = 128

export class Desk {
  readonly arena = Arena.create(FRAMES * STRIDE + 32 * 2 ** 20)
  readonly pool: Pool
  readonly counters = block(this.arena, 0)
  private readonly blockAt = this.arena.allocate('block', BLOCK_LENGTH).at

  constructor() {
    const poolAt = this.arena.allocate('pool', FRAMES * STRIDE).at
    this.pool = new Pool(this.arena, poolAt, this.arena.allocate('stack', FRAMES * 4).at, 0, FRAMES)
  }

  /** One burst from the queue, its frames given back; a number below zero is an errno. */
  receive(queue: Queue, capacity = BURST): Sent[] | number {
    const { pool, arena, blockAt } = this
    const count = queue.receive(pool, blockAt, capacity)
    if (count < 0) return count
    const got = Array.from({ length: count }, (_, i) => {
      const index = arena.i32[(blockAt >> 2) + i]
      const at = pool.frameAt(index)
      pool.give(index)
      return {
        frame: arena.u8.slice(at, at + arena.i32[(blockAt >> 2) + LENGTHS + i]),
        vnet: arena.u8.slice(at - 10, at),
      }
    })
    return got
  }

  /** One burst to the queue; returns the errno of each frame and how many were taken. */
  transmit(queue: Queue, ...frames: (Uint8Array | Fed)[]): { taken: number; errors: number[] } {
    const { pool, arena, blockAt } = this
    const indices = frames.map((fed, i) => {
      const { frame, vnet = new Uint8Array(10) } = fed instanceof Uint8Array ? { frame: fed } : fed
      const index = pool.take()
      const at = pool.frameAt(index)
      arena.u8.fill(0xa5, pool.notesAt(index), at + frame.length + 64)
      arena.u8.set(vnet, at - 10)
      arena.u8.set(frame, at)
      arena.i32[(blockAt >> 2) + i] = index
      arena.i32[(blockAt >> 2) + LENGTHS + i] = frame.length
      arena.i32[(blockAt >> 2) + ERRORS + i] = 0xa5a5
      return index
    })
    const taken = queue.transmit(blockAt, frames.length)
    for (const index of indices.reverse()) pool.give(index)
    return { taken, errors: frames.map((_, i) => arena.i32[(blockAt >> 2) + ERRORS + i]) }
  }
}
