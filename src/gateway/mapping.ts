// Hot: who holds which outside endpoint, and for whom: RFC 4787's mapping and filtering behaviours.
/**
 * A flow holds the mapping that it was translated by, met from outside or from inside. A flow that meets two (a hairpin), or that also lets
 * its peer's address in, holds a pair. The last flow that ends gives the endpoint back. One inside address cannot take all endpoints: it
 * gets no more than are left, so half at the most, and the next one half of the rest.
 */
import {
  ADDRESS_AND_PORT_DEPENDENT,
  ADDRESS_DEPENDENT,
  ENDPOINT_INDEPENDENT,
  type RedirectProgram,
} from '../pipeline/program.ts'
import * as reason from '../pipeline/reason.ts'
import * as binding from '../table/binding.ts'
import { type BindingTable, MAPPING, PAIR, PERMISSION } from '../table/binding.ts'
import type { Endpoints } from '../table/endpoint.ts'
import { BINDING, type FlowTable, WORDS } from '../table/flow.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { Link } from './link.ts'
import type { Packet } from './packet.ts'
import { Spaces } from './space.ts'

/** Sets with fewer ports than this are given out as they are asked for; of larger ones nobody gets more than is left for the others. */
const SHARED_MIN = 4096
/** What an inside address may have in any case, and places to count what it has: two that share a place share the allowance. */
const SHARE_MIN = 1024
const SHARES = 65536

/** Where the mappings of an inside address are counted. */
function shareOf(address: number, protocol: number): number {
  return Math.imul(address ^ (protocol << 24), 0x9e3779b1) >>> 16
}

export class Mappings {
  readonly spaces = new Spaces()
  private readonly shares = new Int32Array(SHARES)
  private readonly bindings: BindingTable

  constructor(bindings: BindingTable, flows: FlowTable) {
    this.bindings = bindings
    this.resume(flows)
  }

  /** Takes over links and redirects. Cold. */
  set(links: readonly Link[], redirects: readonly RedirectProgram[]): void {
    this.spaces.set(links, redirects, this.bindings)
  }

  /** Gives a packet the outside endpoint of its inside endpoint, the one that it has or a new one: -1, or the reason why there is none. */
  take(packet: Packet, inside: Link, uplink: Link): number {
    const endpoints = this.spaces.of(uplink.port.index, packet.protocol)
    const b = endpoints === null ? -1 : this.mapping(packet, inside, uplink, endpoints)
    if (b < 0) return reason.NAT_EXHAUSTED
    this.bindings.hold(b)
    packet.binding = b
    const outside = this.bindings.outsidePort(b)
    packet.replyPorts =
      packet.protocol === ipv4.PROTOCOL_ICMP
        ? (packet.replyPorts & 0xffff) | (outside << 16)
        : (packet.replyPorts & ~0xffff) | outside
    return inside.filtering === ADDRESS_DEPENDENT ? this.permit(packet, inside, uplink) : -1
  }

  /**
   * RFC 4787 5: whether a packet from outside may open a flow to mapping `b`. Where the port counts too only the flows themselves let packets in. What comes from the
   * same network is not filtered: its stations reach each other without the gateway as well.
   */
  permits(packet: Packet, b: number, inside: Link): boolean {
    if (inside.filtering === ENDPOINT_INDEPENDENT) return true
    if (inside.filtering === ADDRESS_AND_PORT_DEPENDENT) return false
    const { bindings } = this
    const { words } = bindings
    const r = b * binding.WORDS
    if (words[r + binding.PEER] !== 0) return words[r + binding.PEER] === packet.source
    const kind = (packet.protocol << 8) | PERMISSION
    const address = words[r + binding.INSIDE]
    const port = bindings.insidePort(b)
    return bindings.findInside(words[r + binding.LINKS], address, port, packet.source, kind) >= 0
  }

  /** Lets go of what a packet holds that makes no flow after all. */
  cancel(packet: Packet): void {
    if (packet.binding >= 0) this.let(packet.binding)
    packet.binding = -1
  }

  /** Makes the packet hold one more record. */
  join(packet: Packet, record: number): number {
    const { bindings } = this
    bindings.hold(record)
    if (packet.binding < 0) {
      packet.binding = record
      return -1
    }
    const pair = bindings.pair(packet.binding, record)
    if (pair < 0) {
      this.let(record)
      this.cancel(packet)
      return reason.NAT_EXHAUSTED
    }
    bindings.hold(pair)
    packet.binding = pair
    return -1
  }

  /** One holder less for a record; the last one ends it and what it holds. */
  let(record: number): void {
    const { bindings } = this
    if (!bindings.drop(record)) return
    const { words } = bindings
    const r = record * binding.WORDS
    const kind = bindings.kind(record)
    if (kind === MAPPING) {
      this.shares[shareOf(words[r + binding.INSIDE], bindings.protocol(record))]--
      this.spaces
        .of(words[r + binding.LINKS] & 0xffff, bindings.protocol(record))
        ?.give(bindings.outsidePort(record))
    }
    const one = words[r]
    const other = words[r + binding.PORTS]
    bindings.remove(record)
    if (kind !== PAIR) return
    this.let(one)
    this.let(other)
  }

  private mapping(packet: Packet, inside: Link, uplink: Link, endpoints: Endpoints): number {
    const { bindings } = this
    const port = packet.ports >>> 16
    const links = (inside.port.index << 16) | uplink.port.index
    const isDependent = inside.mapping !== ENDPOINT_INDEPENDENT
    const peer = isDependent ? packet.destination : 0
    const hasPort = inside.mapping === ADDRESS_AND_PORT_DEPENDENT && packet.protocol !== ipv4.PROTOCOL_ICMP
    const peerPort = hasPort ? packet.ports & 0xffff : 0
    const kind = (peerPort << 16) | (packet.protocol << 8) | MAPPING
    const present = bindings.findInside(links, packet.source, port, peer, kind)
    if (present >= 0) return present
    const share = shareOf(packet.source, packet.protocol)
    if (endpoints.capacity >= SHARED_MIN && this.shares[share] >= Math.max(SHARE_MIN, endpoints.free))
      return -1
    const outside = endpoints.take(port) ? port : endpoints.takeLike(port)
    if (outside < 0) return -1
    const b = bindings.create(links, packet.source, (port << 16) | outside, peer, kind, uplink.address)
    if (b < 0) endpoints.give(outside)
    else this.shares[share]++
    return b
  }

  /** From now on the peer's address may come in to this endpoint, by any port. */
  private permit(packet: Packet, inside: Link, uplink: Link): number {
    const { bindings } = this
    const port = packet.ports >>> 16
    const links = (inside.port.index << 16) | uplink.port.index
    const kind = (packet.protocol << 8) | PERMISSION
    let permission = bindings.findInside(links, packet.source, port, packet.destination, kind)
    if (permission < 0)
      permission = bindings.create(links, packet.source, port << 16, packet.destination, kind, 0)
    if (permission >= 0) return this.join(packet, permission)
    this.cancel(packet)
    return reason.NAT_EXHAUSTED
  }

  /** Counts what the flows hold that were here before; ends records that no flow holds, and flows whose record is gone. */
  private resume(flows: FlowTable): void {
    const { bindings } = this
    for (let b = 0; b < bindings.high; b++) {
      if (bindings.kind(b) === MAPPING)
        this.shares[shareOf(bindings.words[b * binding.WORDS + binding.INSIDE], bindings.protocol(b))]++
      if (bindings.kind(b) !== PAIR) continue
      bindings.hold(bindings.words[b * binding.WORDS])
      bindings.hold(bindings.words[b * binding.WORDS + binding.PORTS])
    }
    for (let flow = 1; flow <= flows.high; flow++) {
      const held = flows.words[flow * WORDS + BINDING]
      if (!flows.isLive(flow) || held < 0) continue
      if (held < bindings.high && bindings.kind(held) !== 0) bindings.hold(held)
      else flows.remove(flow)
    }
    for (let b = bindings.high - 1; b >= 0; b--) {
      if (bindings.kind(b) === 0 || bindings.words[b * binding.WORDS + binding.REFERENCES] > 0) continue
      bindings.hold(b)
      this.let(b)
    }
  }
}
