// Hot: frames that change worker. Cost: two ring entries a frame, one on and one home.
/**
 * Between every two workers lie two rings each way: one carries frames on, one carries them home to the pool they came from.
 * Only the index travels; length, ingress and egress stand in the frame's notes. All rings are first in, first out, and a
 * port's queue has one worker, so a flow stays in order.
 */
import type { Arena } from '../memory/arena.ts'
import { BURST, LENGTHS } from '../memory/block.ts'
import type { Doorbell } from '../memory/doorbell.ts'
import { NOTE_EGRESS, NOTE_INGRESS, NOTE_LENGTH, type Pool } from '../memory/pool.ts'
import type { Ring } from '../memory/ring.ts'
import * as vnet from '../wire/vnet.ts'
import type { Burst } from './burst.ts'
import type { Rings } from './layout.ts'

export class Crossing {
  private readonly u8: Uint8Array
  private readonly i32: Int32Array
  private readonly view: DataView
  private readonly pool: Pool
  private readonly framesPerWorker: number
  /** by worker: what this worker sends on, sends home, receives, and gets back; null for itself */
  private readonly onward: (Ring | null)[]
  private readonly home: (Ring | null)[]
  private readonly arriving: (Ring | null)[]
  private readonly returning: (Ring | null)[]
  private readonly doorbells: Doorbell[]
  /** workers that were given something since the last `wake` */
  private told = 0

  constructor(arena: Arena, pool: Pool, framesPerWorker: number, rings: Rings, doorbells: Doorbell[]) {
    this.u8 = arena.u8
    this.i32 = arena.i32
    this.view = arena.view
    this.pool = pool
    this.framesPerWorker = framesPerWorker
    this.onward = rings.onward
    this.home = rings.home
    this.arriving = rings.arriving
    this.returning = rings.returning
    this.doorbells = doorbells
  }

  get workers(): number {
    return this.arriving.length
  }

  /** Hands a frame to another worker; false if the ring is full, the frame then stays here. */
  send(worker: number, frame: number, length: number, ingress: number, egress: number): boolean {
    const notes = this.pool.notesAt(frame) >> 2
    this.i32[notes + NOTE_LENGTH] = length
    this.i32[notes + NOTE_INGRESS] = ingress
    this.i32[notes + NOTE_EGRESS] = egress
    const ring = this.onward[worker]
    if (ring === null || !ring.push(frame)) return false
    this.told |= 1 << worker
    return true
  }

  /** Fills a burst with what `worker` sent. */
  receive(worker: number, burst: Burst): void {
    const ring = this.arriving[worker]
    burst.count = 0
    burst.plain = false
    if (ring === null) return
    let count = 0
    while (count < BURST) {
      const frame = ring.pop()
      if (frame < 0) break
      const notes = this.pool.notesAt(frame) >> 2
      burst.at[count] = this.pool.frameAt(frame)
      burst.work[count] = vnet.work(this.view, burst.at[count] - vnet.LENGTH)
      burst.i32[burst.block + count] = frame
      burst.i32[burst.block + LENGTHS + count] = this.i32[notes + NOTE_LENGTH]
      burst.ingress[count] = this.i32[notes + NOTE_INGRESS]
      burst.verdict[count] = this.i32[notes + NOTE_EGRESS]
      count++
    }
    burst.count = count
  }

  /** Copies a frame with its vnet header. */
  copy(from: number, to: number, length: number): void {
    const at = this.pool.frameAt(from)
    this.u8.copyWithin(this.pool.frameAt(to) - vnet.LENGTH, at - vnet.LENGTH, at + length)
  }

  /** Ends a burst: every frame it still holds goes back to the pool it came from. */
  release(burst: Burst): void {
    if (this.arriving.length === 1 && !burst.holes) {
      this.pool.giveAll(burst.block, burst.count)
      burst.count = 0
      return
    }
    for (let i = burst.count - 1; i >= 0; i--) {
      const frame = burst.frame(i)
      if (frame >= 0) this.give(frame)
    }
    burst.count = 0
    burst.holes = false
  }

  /** Gives one frame back to the pool it came from. */
  give(frame: number): void {
    if (this.pool.owns(frame)) this.pool.give(frame)
    else this.home[Math.floor(frame / this.framesPerWorker)]!.push(frame) // as long as all its frames: never full
  }

  /** Takes back own frames that other workers are done with. */
  reclaim(): void {
    for (let w = 0; w < this.returning.length; w++) {
      const ring = this.returning[w]
      if (ring === null) continue
      for (let frame = ring.pop(); frame >= 0; frame = ring.pop()) this.pool.give(frame)
    }
  }

  /** Rings the doorbells of sleeping workers that were given something. */
  wake(): void {
    for (let w = 0; this.told !== 0; w++, this.told >>>= 1)
      if ((this.told & 1) !== 0) this.doorbells[w].wake()
  }

  /** True if nothing waits for this worker. */
  get quiet(): boolean {
    for (let w = 0; w < this.arriving.length; w++) {
      const ring = this.arriving[w]
      if (ring !== null && !ring.empty) return false
    }
    return true
  }
}
