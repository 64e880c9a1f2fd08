// Hot: learn, look up, decide. Cost: 18 ns a frame at 1,000 MACs (npm run bench).
/**
 * A learning bridge (IEEE 802.1Q 8.7 and 8.8) for the frames of one ingress port at a time. It writes verdicts: a port's
 * index, FLOOD or why it was dropped.
 */
import { BURST } from '../memory/block.ts'
import { DROPS, UNLEARNED } from '../memory/counters.ts'
import type { Port } from '../port/port.ts'
import { DYNAMIC } from '../table/mac.ts'
import * as ethernet from '../wire/ethernet.ts'
import { type Burst, dropped, FLOOD, UNDECIDED } from './burst.ts'
import { permits } from './guard.ts'
import * as reason from './reason.ts'

/** 01:80:c2:00:00:00 to :0f, which a bridge does not forward (IEEE 802.1Q table 8-1) */
const RESERVED_HIGH = 0x0180
const RESERVED_LOW = 0xc2000000 | 0

export class Bridge {
  private readonly view: DataView
  private readonly counters: Float64Array
  private readonly ports: Port[]
  private readonly strangers = new Int32Array(BURST)
  private readonly unknown = new Int32Array(BURST)
  /** milliseconds, wrapping; set once a burst */
  now = 0

  constructor(view: DataView, counters: Float64Array, ports: Port[]) {
    this.view = view
    this.counters = counters
    this.ports = ports
  }

  /** Decides positions `from` to `to`, all of which came from `port`. */
  run(burst: Burst, from: number, to: number, port: Port): void {
    const { macs, isolation } = port.network
    if (port.guard) this.guard(burst, from, to, port)
    const { strangers, unknown } = this
    const counts = macs.meet(this.view, burst, from, to, port.index, this.now, strangers, unknown)
    for (let s = 0; s < (counts & 0xffff); s++) this.learn(burst, strangers[s], port)
    for (let u = 0; u < counts >>> 16; u++) this.search(burst, unknown[u], port)
    if (isolation) this.isolate(burst, from, to, port)
  }

  private guard(burst: Burst, from: number, to: number, port: Port): void {
    for (let i = from; i < to; i++) {
      if (burst.verdict[i] !== UNDECIDED || permits(port, this.view, burst.at[i], burst.length(i))) continue
      burst.verdict[i] = this.drop(port, reason.GUARD)
    }
  }

  private drop(port: Port, why: number): number {
    this.counters[port.row + DROPS + why]++
    return dropped(why)
  }

  /** A station that is not known at the first place: elsewhere in the table, new, moved, or not allowed where it is. */
  private learn(burst: Burst, i: number, port: Port): void {
    const macs = port.network.macs
    const high = ethernet.sourceHigh(this.view, burst.at[i])
    const low = ethernet.sourceLow(this.view, burst.at[i])
    const entry = macs.find(high, low)
    if (entry >= 0 && macs.port(entry) === port.index) macs.touch(entry, this.now)
    else if ((high & ethernet.GROUP) !== 0 || (high | low) === 0)
      burst.verdict[i] = this.drop(port, reason.BAD_SOURCE)
    else if (entry >= 0 && macs.kind(entry) !== DYNAMIC)
      burst.verdict[i] = this.drop(port, reason.SOURCE_PROTECTED)
    else if (port.macLimit !== 0 && macs.perPort[port.index] >= port.macLimit) {
      burst.verdict[i] = this.drop(port, reason.MAC_LIMIT)
    } else if (entry >= 0) macs.move(entry, port.index, this.now)
    else if (macs.insert(high, low, port.index, DYNAMIC, this.now) < 0) this.counters[port.row + UNLEARNED]++
  }

  /** A destination that is not at the first place: elsewhere in the table, aged, unknown, a group, behind the same port. */
  private search(burst: Burst, i: number, port: Port): void {
    if (burst.verdict[i] !== UNDECIDED) return // its source was refused
    const macs = port.network.macs
    const at = burst.at[i]
    const high = ethernet.destinationHigh(this.view, at)
    const entry = (high & ethernet.GROUP) === 0 ? macs.find(high, ethernet.destinationLow(this.view, at)) : -1
    if (entry < 0 || !macs.fresh(entry, this.now)) burst.verdict[i] = this.flood(at, port)
    else if (macs.port(entry) === port.index) burst.verdict[i] = this.drop(port, reason.SAME_PORT)
    else burst.verdict[i] = macs.port(entry)
  }

  private isolate(burst: Burst, from: number, to: number, port: Port): void {
    for (let i = from; i < to; i++) {
      const out = burst.verdict[i]
      if (out >= 0 && !reaches(port, this.ports[out])) burst.verdict[i] = this.drop(port, reason.ISOLATED)
    }
  }

  /** Lets a frame for everybody pass unless it is for bridges only or the port's allowance (a bucket of one second) is used up. */
  private flood(at: number, port: Port): number {
    if (ethernet.destinationHigh(this.view, at) === RESERVED_HIGH) {
      if ((ethernet.destinationLow(this.view, at) & ~0x0f) === RESERVED_LOW) {
        return this.drop(port, reason.RESERVED_MULTICAST)
      }
    }
    if (port.floodLimit === 0) return FLOOD
    const full = port.floodLimit * 1000
    const passed = (this.now - port.floodFilled) | 0
    if (passed !== 0) {
      // The clock wraps: a time that seems to come before the last one is long after it.
      const isLong = passed < 0 || passed >= 1000
      port.floodTokens = isLong ? full : Math.min(full, port.floodTokens + passed * port.floodLimit)
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
