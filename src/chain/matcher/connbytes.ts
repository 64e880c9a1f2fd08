// Hot: connbytes, what a flow has carried.
/**
 * The kernel counts a packet before it asks the rules, and so is it here but in the straight loop and for a first packet: those are
 * added. An ICMP error belongs to the flow that it tells of and is not counted there.
 */
import { BYTES, type FlowTable, PACKETS, WORDS } from '../../table/flow.ts'
import type { MatcherSpec } from '../extension.ts'
import type { Footing, Matcher } from '../matcher.ts'
import {
  DIRECTION,
  FAST,
  FLOW,
  LENGTH,
  STATE,
  STATE_INVALID,
  STATE_RELATED,
  STATE_UNTRACKED,
} from '../registers.ts'

export const ORIGINAL = 0
export const REPLY = 1
const BOTH = 2

export const COUNT_PACKETS = 0
export const COUNT_BYTES = 1
export const COUNT_AVERAGE = 2

export interface ConnbytesSpec extends MatcherSpec {
  type: 'connbytes'
  what: number
  direction: number
  /** both included; a `from` above `to`: what is not between them */
  from: number
  to: number
}

/** Packets that a flow is known to have carried in a direction. */
export function packetsOf(words: Int32Array, flow: number, direction: number): number {
  return words[flow * WORDS + PACKETS + direction] >>> 0
}

export class Connbytes implements Matcher {
  private readonly flows: FlowTable
  private readonly spec: ConnbytesSpec

  constructor(footing: Footing, spec: ConnbytesSpec) {
    this.flows = footing.flows
    this.spec = spec
  }

  ask(x: Int32Array): boolean {
    const { from, to } = this.spec
    if ((x[STATE] & (STATE_INVALID | STATE_UNTRACKED)) !== 0) return false
    const value = this.value(x)
    return to >= from ? value >= from && value <= to : value < to || value > from
  }

  /** What is compared: packets, bytes, or bytes a packet. */
  value(x: Int32Array): number {
    const { what, direction } = this.spec
    if (what === COUNT_PACKETS) return this.sum(x, direction, false)
    const bytes = this.sum(x, direction, true)
    if (what === COUNT_BYTES) return bytes
    const packets = this.sum(x, direction, false)
    return packets === 0 ? 0 : Math.floor(bytes / packets)
  }

  private sum(x: Int32Array, direction: number, bytes: boolean): number {
    if (direction !== BOTH) return this.of(x, direction, bytes)
    return this.of(x, ORIGINAL, bytes) + this.of(x, REPLY, bytes)
  }

  private of(x: Int32Array, direction: number, bytes: boolean): number {
    const { words, f64 } = this.flows
    const flow = x[FLOW]
    // Conntrack has counted the packet, but for a first one, whose flow is not made yet, and in the straight loop, which counts at the end.
    // What the gateway says about such a first packet has that one's flow.
    const isFirst = flow === 0 && x[STATE] !== STATE_RELATED
    const own = isFirst || x[FAST] !== 0
    const more = own && x[DIRECTION] === direction ? (bytes ? x[LENGTH] : 1) : 0
    if (isFirst) return more
    const counted = bytes ? f64[flow * (WORDS / 2) + BYTES + direction] : packetsOf(words, flow, direction)
    return counted + more
  }
}
