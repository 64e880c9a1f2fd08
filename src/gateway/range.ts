// Hot: what SNAT, DNAT and their kin make of a first packet: netfilter's choice among addresses and ports.
/**
 * A rule names a range of addresses and of ports. The source port stays what it is if the tuple of the answers is free, else another one
 * of the same class takes its place (below 512, below 1024, the others), as in nf_nat_core. Endpoints are shared between
 * destinations: what must differ is the whole tuple.
 */
import * as r from '../chain/registers.ts'
import * as reason from '../pipeline/reason.ts'
import { random } from '../table/endpoint.ts'
import type { FlowTable } from '../table/flow.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { Packet } from './packet.ts'
import { hasPorts } from './space.ts'

/** Tries to find a free port: as many as nf_nat_core makes at first. */
const TRIES = 128

export class Range {
  private readonly flows: FlowTable
  private readonly x: Int32Array

  constructor(flows: FlowTable, x: Int32Array) {
    this.flows = flows
    this.x = x
  }

  /** Where the packet goes, by the registers NAT_…; `own` is the address of the link that it came by. Always possible. */
  destination(packet: Packet, own: number): void {
    const { x } = this
    packet.replySource = this.address(packet.destination, own, packet)
    const isQuery = packet.protocol === ipv4.PROTOCOL_ICMP
    const flags = x[r.NAT_FLAGS]
    if (isQuery || (flags & r.NAT_PORT) === 0 || !hasPorts(packet.protocol)) return
    const first = x[r.NAT_FIRST]
    const last = x[r.NAT_LAST]
    let port = packet.replyPorts >>> 16
    const isFixed = (flags & r.NAT_RANDOM) === 0 && port >= first && port <= last
    if ((flags & r.NAT_SHIFT) !== 0) port = first + (((port - x[r.NAT_BASE]) & 0xffff) % (last - first + 1))
    else if (!isFixed) port = first + ((random() >>> 8) % (last - first + 1))
    packet.replyPorts = (port << 16) | (packet.replyPorts & 0xffff)
  }

  /** Whose name it bears, `own` being the address of the link that it leaves by: -1, or the reason why there is none left. */
  source(packet: Packet, own: number): number {
    const { x } = this
    const { protocol } = packet
    packet.replyDestination = this.address(packet.source, own, packet)
    if (packet.replyDestination === 0) return reason.NO_ROUTE
    if (!hasPorts(protocol)) return -1
    const isQuery = protocol === ipv4.PROTOCOL_ICMP
    const port = packet.ports >>> 16
    let first = x[r.NAT_FIRST]
    let last = x[r.NAT_LAST]
    const isNamed = (x[r.NAT_FLAGS] & r.NAT_PORT) !== 0
    const isRandom = (x[r.NAT_FLAGS] & r.NAT_RANDOM) !== 0
    if (!isRandom && (!isNamed || (port >= first && port <= last)) && this.take(packet, port)) return -1
    if (!isNamed) {
      first = isQuery ? 0 : port < 512 ? 1 : port < 1024 ? 600 : 1024
      last = isQuery ? 65535 : port < 512 ? 511 : port < 1024 ? 1023 : 65535
    }
    const size = last - first + 1
    const start = (random() >>> 8) % size
    for (let attempt = 0; attempt < TRIES && attempt < size; attempt++)
      if (this.take(packet, first + ((start + attempt) % size))) return -1
    return reason.NAT_EXHAUSTED
  }

  /** A packet that nobody translates keeps its source port if the answers' tuple is free, else it gets another one: netfilter's null binding. */
  unique(packet: Packet): number {
    const { protocol, replySource, replyDestination, replyPorts } = packet
    const isFree =
      this.flows.find(replySource, replyDestination, replyPorts, protocol | (packet.zone << 8)) < 0
    if (isFree || !hasPorts(protocol)) return -1
    this.x[r.NAT_FLAGS] = r.NAT_LINK
    return this.source(packet, replyDestination)
  }

  /** The address of the range that a packet with `address` gets. */
  private address(address: number, own: number, packet: Packet): number {
    const { x } = this
    const flags = x[r.NAT_FLAGS]
    const min = x[r.NAT_MIN]
    const max = x[r.NAT_MAX]
    if ((flags & r.NAT_LINK) !== 0) return own
    if ((flags & r.NAT_MAP) !== 0) return (address & ~max) | (min & max)
    if ((flags & r.NAT_ADDRESS) === 0) return address
    if (min === max) return min
    // One client keeps its address; with --persistent whatever it talks to.
    const other = (flags & r.NAT_PERSISTENT) !== 0 ? 0 : packet.replySource
    const hash = Math.imul(packet.source ^ Math.imul(other, 0x85ebca6b), 0x9e3779b1) >>> 0
    return (min + (hash % ((max - min + 1) >>> 0))) | 0
  }

  /** Gives the packet that source port if the answers' tuple is free. */
  private take(packet: Packet, port: number): boolean {
    const { protocol } = packet
    const isQuery = protocol === ipv4.PROTOCOL_ICMP
    const ports = isQuery ? (packet.replyPorts & 0xffff) | (port << 16) : (packet.replyPorts & ~0xffff) | port
    const kind = protocol | (packet.zone << 8)
    if (this.flows.find(packet.replySource, packet.replyDestination, ports, kind) >= 0) return false
    packet.replyPorts = ports
    return true
  }
}
