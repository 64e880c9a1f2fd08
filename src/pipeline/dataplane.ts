// Hot: the wiring. One burst from a queue: receive → parse → bridge → gateway → deliver → transmit.
/**
 * The way of a frame, in one file. A worker owns the queues that the program gives it and bridges the networks that are its own; a
 * frame for a network or a queue of another worker crosses by ring; what is for a gateway goes through it on the way. Everything runs to completion: when `service` returns, the
 * burst's frames are back in the pool.
 */
import type { Gateway } from '../gateway/gateway.ts'
import type { Link } from '../gateway/link.ts'
import type { Arena } from '../memory/arena.ts'
import { BURST } from '../memory/block.ts'
import {
  BURST_BOUNDS,
  BURST_BUCKETS,
  BURSTS,
  DROPS,
  FRAMES,
  IN_USE,
  PORT_COUNT_MAX,
  RX_BYTES,
  RX_FRAMES,
  rowOf,
} from '../memory/counters.ts'
import type { Pool } from '../memory/pool.ts'
import type { Network } from '../port/network.ts'
import type { Port } from '../port/port.ts'
import type { Queue } from '../port/queue.ts'
import { Bridge } from './bridge.ts'
import { Burst, dropped, UNDECIDED } from './burst.ts'
import { Capture } from './capture.ts'
import type { Crossing } from './crossing.ts'
import { Deliver } from './deliver.ts'
import * as layout from './layout.ts'
import { Parse } from './parse.ts'
import * as reason from './reason.ts'
import { Segmenter } from './segment.ts'

/** How many table entries are looked at a second is such that each is seen twice within the ageing time. */
const SWEEP_MS = 1000

export class Dataplane {
  readonly ports: Port[]
  readonly networks: Network[] = []
  readonly none: Port
  /** on the worker that runs it, once a network has one */
  gateway: Gateway | null = null
  private readonly pool: Pool
  private readonly counters: Float64Array
  private readonly burst: Burst
  readonly crossing: Crossing
  readonly capture: Capture
  private readonly parse: Parse
  private readonly bridge: Bridge
  readonly deliver: Deliver
  private readonly worker: number
  private swept = 0

  constructor(
    arena: Arena,
    pool: Pool,
    counters: Float64Array,
    crossing: Crossing,
    places: layout.Layout,
    worker: number,
  ) {
    this.none = layout.none(arena)
    this.ports = new Array(PORT_COUNT_MAX).fill(this.none)
    this.pool = pool
    this.counters = counters
    this.burst = new Burst(arena, places.burstAt)
    this.crossing = crossing
    this.worker = worker
    this.parse = new Parse(arena.view, pool, counters)
    this.bridge = new Bridge(arena.view, counters, this.ports)
    this.capture = new Capture(arena, places.captureAt)
    const segmenter = new Segmenter(arena, pool, places.segmentAt)
    this.deliver = new Deliver(
      arena,
      pool,
      counters,
      this.ports,
      crossing,
      segmenter,
      this.capture,
      places.segmentAt,
      worker,
    )
  }

  /** The time of everything that follows: milliseconds, wrapping. */
  tick(now: number): void {
    this.bridge.now = now
    if (this.gateway !== null) this.gateway.tick(now)
    this.capture.publish()
    const passed = (now - this.swept) | 0
    if (passed < SWEEP_MS && passed >= 0) return
    this.swept = now
    this.counters[IN_USE] = this.pool.count - this.pool.free
    for (let n = 0; n < this.networks.length; n++) {
      const network = this.networks[n]
      if (network.worker !== this.worker) continue
      const macs = network.macs
      const share = Math.ceil((2 * macs.places * Math.min(passed, macs.ageingMs)) / macs.ageingMs)
      macs.sweep(Math.min(share, macs.places), now)
    }
  }

  /** One burst from a queue of `port`; returns the count of frames or -errno. */
  service(port: Port, queue: Queue): number {
    const burst = this.burst
    const capacity = Math.min(BURST, this.pool.free)
    if (capacity === 0) return 0 // the frames are on their way home; the kernel's queue holds what comes meanwhile
    const count = queue.receive(this.pool, burst.blockAt, capacity)
    if (count <= 0) return count
    burst.count = count
    this.account(port, count, this.parse.run(burst, port))
    const isHome = port.network.worker === this.worker
    burst.unwanted = 0
    if (port.watched !== 0) burst.unwanted = this.capture.enter(burst, 0, count, port, isHome)
    if (isHome) {
      this.bridge.run(burst, 0, count, port)
      if (burst.unwanted !== 0 && this.rewrites(burst, count, port.network.link)) burst.unwanted = 0
      if (this.gateway !== null) this.gateway.run(burst, 0, count, port)
      this.deliver.run(burst)
    } else {
      this.pass(burst, port)
    }
    if (port.watched !== 0) this.capture.settle(burst, count)
    if (isHome && this.gateway !== null) this.gateway.flush()
    this.capture.publish()
    this.crossing.release(burst)
    return count
  }

  /** What goes through a gateway, or past its rules, may be another frame when it leaves. */
  private rewrites(burst: Burst, count: number, link: Link | null): boolean {
    if (link === null) return false
    if (link.filterBridged || link.intercept) return true
    for (let i = 0; i < count; i++) if (burst.verdict[i] === link.port.index) return true
    return false
  }

  private account(port: Port, count: number, bytes: number): void {
    this.counters[port.row + RX_FRAMES] += count
    this.counters[port.row + RX_BYTES] += bytes
    this.counters[BURSTS]++
    this.counters[FRAMES] += count
    let bucket = 0
    while (count > BURST_BOUNDS[bucket]) bucket++
    this.counters[BURST_BUCKETS + bucket]++
  }

  /** Hands a burst to the worker that bridges the port's network. */
  private pass(burst: Burst, port: Port): void {
    for (let i = 0; i < burst.count; i++) {
      if (burst.verdict[i] !== UNDECIDED) continue
      if (this.crossing.send(port.network.worker, burst.frame(i), burst.length(i), port.index, UNDECIDED)) {
        burst.i32[burst.block + i] = -1
      } else {
        this.counters[port.row + DROPS + reason.RING_FULL]++
        burst.verdict[i] = dropped(reason.RING_FULL)
      }
    }
  }

  /** What other workers sent: at most one burst of each; returns the count of frames. */
  arrivals(): number {
    let total = 0
    const burst = this.burst
    this.crossing.reclaim()
    for (let w = 0; w < this.crossing.workers; w++) {
      this.crossing.receive(w, burst)
      if (burst.count === 0) continue
      total += burst.count
      const isSeen = this.capture.active
      burst.unwanted = 0
      if (isSeen) this.capture.begin()
      this.decide(burst)
      this.deliver.run(burst)
      if (isSeen) this.capture.settle(burst, burst.count)
      if (this.gateway !== null) this.gateway.flush()
      this.capture.publish()
      this.crossing.release(burst)
    }
    return total
  }

  /** Bridges what is undecided, in runs of the same ingress. */
  private decide(burst: Burst): void {
    for (let from = 0; from < burst.count; ) {
      const index = burst.ingress[from]
      let to = from + 1
      while (to < burst.count && burst.ingress[to] === index) to++
      const port = this.ports[index]
      if (port.network.worker === this.worker) {
        if (port.watched !== 0) this.capture.enter(burst, from, to, port, true)
        this.bridge.run(burst, from, to, port)
        if (this.gateway !== null) this.gateway.run(burst, from, to, port)
      }
      for (let i = from; i < to; i++) {
        // The port went, or its network changed hands, while the frame was under way.
        if (burst.verdict[i] !== UNDECIDED) continue
        burst.verdict[i] = dropped(reason.NO_DESTINATION)
        this.counters[rowOf(index) + DROPS + reason.NO_DESTINATION]++
      }
      from = to
    }
  }
}
