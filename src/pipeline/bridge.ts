// Hot: learn, look up, decide. Cost: 14 ns a frame at 1,000 MACs (npm run bench, "bridge").
/**
 * A learning bridge (IEEE 802.1Q 8.7 and 8.8) for the frames of one ingress port at a time. It writes the egress column: a port's
 * index, FLOOD or DROPPED.
 */
import { DROPS, UNLEARNED } from '../memory/counters.ts'
import type { Pool } from '../memory/pool.ts'
import type { Port } from '../port/port.ts'
import { DYNAMIC } from '../table/mac.ts'
import * as ethernet from '../wire/ethernet.ts'
import { type Burst, DROPPED, FLOOD, UNDECIDED } from './burst.ts'
import { permits } from './guard.ts'
import * as reason from './reason.ts'

/** 01:80:c2:00:00:00 to :0f, which a bridge does not forward (IEEE 802.1Q table 8-1) */
const RESERVED_HIGH = 0x0180
const RESERVED_LOW = 0xc2000000 | 0

export class Bridge {
  private readonly view: DataView
  private readonly pool: Pool
  private readonly counters: Float64Array
  private readonly ports: Port[]
  /** milliseconds, wrapping; set once a burst */
  now = 0

  constructor(view: DataView, pool: Pool, counters: Float64Array, ports: Port[]) {
    this.view = view
    this.pool = pool
    this.counters = counters
    this.ports = ports
  }

  /** Decides positions `from` to `to`, all of which came from `port`. */
  run(burst: Burst, from: number, to: number, port: Port): void {
    for (let i = from; i < to; i++) {
      if (burst.egress[i] !== UNDECIDED) continue
      const at = this.pool.frameAt(burst.frame(i))
      if (port.guard && !permits(port, this.view, at, burst.length(i))) {
        burst.egress[i] = this.drop(port, reason.GUARD)
      } else if (this.learn(at, port)) {
        burst.egress[i] = this.lookup(at, port)
      } else {
        burst.egress[i] = DROPPED
      }
    }
  }

  private drop(port: Port, why: number): number {
    this.counters[port.row + DROPS + why]++
    return DROPPED
  }

  /** Learns the source; false if the frame was dropped for it. */
  private learn(at: number, port: Port): boolean {
    const macs = port.network.macs
    const high = ethernet.sourceHigh(this.view, at)
    const low = ethernet.sourceLow(this.view, at)
    const entry = macs.find(high, low)
    if (entry !== 0 && macs.port(entry) === port.index) {
      macs.touch(entry, this.now)
      return true
    }
    return this.learnAnew(port, high, low, entry)
  }

  /** The rarer ways: a new station, one that moved, one that may not be where it says. */
  private learnAnew(port: Port, high: number, low: number, entry: number): boolean {
    const macs = port.network.macs
    if ((high & ethernet.GROUP) !== 0 || (high | low) === 0)
      return this.drop(port, reason.BAD_SOURCE) !== DROPPED
    if (entry !== 0 && macs.kind(entry) !== DYNAMIC)
      return this.drop(port, reason.SOURCE_PROTECTED) !== DROPPED
    if (port.macLimit !== 0 && macs.perPort[port.index] >= port.macLimit) {
      return this.drop(port, reason.MAC_LIMIT) !== DROPPED
    }
    if (entry !== 0) macs.move(entry, port.index, this.now)
    else if (macs.insert(high, low, port.index, DYNAMIC, this.now) === 0)
      this.counters[port.row + UNLEARNED]++
    return true
  }

  private lookup(at: number, port: Port): number {
    const high = ethernet.destinationHigh(this.view, at)
    const low = ethernet.destinationLow(this.view, at)
    if ((high & ethernet.GROUP) !== 0) {
      if (high === RESERVED_HIGH && (low & ~0x0f) === RESERVED_LOW)
        return this.drop(port, reason.RESERVED_MULTICAST)
      return this.flood(port)
    }
    const macs = port.network.macs
    const entry = macs.find(high, low)
    if (entry === 0 || !macs.fresh(entry, this.now)) return this.flood(port)
    const egress = macs.port(entry)
    if (egress === port.index) return this.drop(port, reason.SAME_PORT)
    const to = this.ports[egress]
    if (port.isolated || to.isolated) {
      if (!reaches(port, to)) return this.drop(port, reason.ISOLATED)
    }
    return egress
  }

  /** Lets a flooded frame pass unless the port's allowance (a bucket of one second) is used up. */
  private flood(port: Port): number {
    if (port.floodLimit === 0) return FLOOD
    const full = port.floodLimit * 1000
    const passed = (this.now - port.floodFilled) | 0
    if (passed > 0) {
      port.floodTokens = passed >= 1000 ? full : Math.min(full, port.floodTokens + passed * port.floodLimit)
      port.floodFilled = this.now
    }
    if (port.floodTokens < 1000) return this.drop(port, reason.FLOOD_LIMIT)
    port.floodTokens -= 1000
    return FLOOD
  }
}

/** True if frames may pass between two ports of a network: an isolated one reaches the gateway only. */
export function reaches(from: Port, to: Port): boolean {
  return (!from.isolated || to.gateway) && (!to.isolated || from.gateway)
}
