// Hot: frames that the gateway sends of its own: answers, errors, packets that waited.
/** They are collected in a burst of their own, which goes out when it is full or the burst under way is through. */
import type { Arena } from '../memory/arena.ts'
import { BURST, LENGTHS } from '../memory/block.ts'
import type { Pool } from '../memory/pool.ts'
import { Burst } from '../pipeline/burst.ts'
import type { Crossing } from '../pipeline/crossing.ts'
import type { Deliver } from '../pipeline/deliver.ts'
import * as vnet from '../wire/vnet.ts'

export class Outbox {
  private readonly view: DataView
  private readonly pool: Pool
  private readonly deliver: Deliver
  private readonly crossing: Crossing
  private readonly burst: Burst

  constructor(arena: Arena, pool: Pool, deliver: Deliver, crossing: Crossing, burstAt: number) {
    this.view = arena.view
    this.pool = pool
    this.deliver = deliver
    this.crossing = crossing
    this.burst = new Burst(arena, burstAt)
  }

  /** A frame to fill, its vnet header clear, or -1 if the pool is empty. It must be added or given back. */
  take(): number {
    const frame = this.pool.take()
    if (frame >= 0) vnet.clear(this.view, this.pool.frameAt(frame) - vnet.LENGTH)
    return frame
  }

  /** Gives back a frame that is not sent, also one of another worker's pool. */
  give(frame: number): void {
    this.crossing.give(frame)
  }

  /** Sends `frame`, from now on the outbox's own, to the port of index `egress`; `ingress` is the port it comes from. */
  add(frame: number, length: number, ingress: number, egress: number): void {
    const { burst } = this
    if (burst.count === BURST) this.flush()
    const i = burst.count++
    const at = this.pool.frameAt(frame)
    burst.i32[burst.block + i] = frame
    burst.i32[burst.block + LENGTHS + i] = length
    burst.at[i] = at
    burst.work[i] = vnet.work(this.view, at - vnet.LENGTH)
    burst.ingress[i] = ingress
    burst.verdict[i] = egress
    burst.plain = false
  }

  flush(): void {
    if (this.burst.count === 0) return
    this.deliver.run(this.burst)
    this.crossing.release(this.burst)
  }
}
