// Hot: frames that the gateway sends of its own: answers, errors, packets that waited.
/** They are collected in a burst of their own, which goes out when it is full or the burst under way is through. */
import type { Arena } from '../memory/arena.ts'
import { BURST, LENGTHS } from '../memory/block.ts'
import type { Pool } from '../memory/pool.ts'
import { Burst, DROPPED, reasonOf } from '../pipeline/burst.ts'
import type { Crossing } from '../pipeline/crossing.ts'
import type { Deliver } from '../pipeline/deliver.ts'
import { INBOUND } from '../pipeline/record.ts'
import type { Port } from '../port/port.ts'
import * as vnet from '../wire/vnet.ts'

/** At most as many packets begin anew as may wait for their next hop. */
const REPEATS = 256
const WORDS = 3

export class Outbox {
  /** the burst that collects them; a packet that begins anew is looked at in its place there */
  readonly burst: Burst
  private readonly repeated = new Int32Array(WORDS * REPEATS)
  private repeats = 0
  private next = 0
  private readonly view: DataView
  private readonly pool: Pool
  private readonly deliver: Deliver
  private readonly crossing: Crossing

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

  /** Gives back a frame of `port` that waited and is dropped, after captures have seen it; `length` is 0 if it is no whole frame any more. */
  drop(frame: number, length: number, port: Port, why: number): void {
    if (port.watched !== 0 && length > 0) this.deliver.capture.drop(port, frame, length, INBOUND, why, 0)
    this.crossing.give(frame)
  }

  /** Tells captures what became of the packet at position `i` of the burst, which began anew after it had waited. */
  settle(i: number, port: Port): void {
    const { burst } = this
    const why = reasonOf(burst.verdict[i])
    if (why < 0 || port.watched === 0) return
    this.deliver.capture.drop(port, burst.frame(i), burst.length(i), INBOUND, why, burst.rule[i])
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

  /** A packet that is to begin anew, as if it came in by the port of index `ingress` now. The frame is the outbox's from now on. */
  repeat(frame: number, length: number, ingress: number): void {
    if (this.repeats === REPEATS) {
      this.give(frame)
      return
    }
    const at = WORDS * this.repeats++
    this.repeated[at] = frame
    this.repeated[at + 1] = length
    this.repeated[at + 2] = ingress
  }

  /** Puts the next packet that begins anew, by the network whose link has port `local`, into the burst: its position, -1 if there is none. */
  again(ports: Port[]): number {
    if (this.next === this.repeats) {
      this.next = 0
      this.repeats = 0
      return -1
    }
    // Whatever is said about the packet must find room behind it.
    if (this.burst.count > BURST / 2) this.flush()
    const at = WORDS * this.next++
    const port = ports[this.repeated[at + 2]]
    const link = port.network.link
    this.add(this.repeated[at], this.repeated[at + 1], port.index, link === null ? DROPPED : link.port.index)
    return this.burst.count - 1
  }

  flush(): void {
    if (this.burst.count === 0) return
    this.deliver.run(this.burst)
    this.crossing.release(this.burst)
  }
}
