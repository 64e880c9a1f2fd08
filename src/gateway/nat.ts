// Hot: network address translation, RFC 4787 (UDP), 5382 (TCP), 5508 (ICMP); docs/nat-rfc.md keeps the score.
/**
 * The first packet of a flow decides; the flow remembers, and `rewrite` follows it. prerouting changes where a packet goes (redirects, and
 * mappings met from outside), postrouting whose name it bears. Both speak of the reply tuple that the flow will have:
 * replySource is the real destination, replyDestination the source that the destination sees.
 *
 * An inside endpoint holds one outside endpoint for as long as a flow of it lives, and no two inside endpoints share one: there is
 * no overloading. Where a mapping depends on the destination it is part of the mapping's key.
 */
import type { Arena } from '../memory/arena.ts'
import { GUESTS, type RedirectProgram } from '../pipeline/program.ts'
import * as reason from '../pipeline/reason.ts'
import * as binding from '../table/binding.ts'
import { BindingTable } from '../table/binding.ts'
import { random } from '../table/endpoint.ts'
import {
  BINDING,
  DESTINATION,
  type FlowTable,
  type Holder,
  PORTS,
  REPLY,
  SOURCE,
  WORDS,
} from '../table/flow.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { inversePorts } from './conntrack.ts'
import type { Link } from './link.ts'
import type { Links } from './links.ts'
import { Mappings } from './mapping.ts'
import type { Packet } from './packet.ts'
import { Redirects } from './redirect.ts'
import { addresses, mend, requote, rewrite } from './rewrite.ts'
import { hasPorts } from './space.ts'

/** Draws for the port of a masqueraded redirect: with half of all ports taken, 32 fail once in 4 × 10⁹. */
const DRAWS = 32

export class Nat implements Holder {
  readonly bindings: BindingTable
  private readonly view: DataView
  private readonly flows: FlowTable
  private readonly redirects = new Redirects()
  private links: Links | null = null
  private readonly mappings: Mappings
  /** What prerouting found for postrouting: the uplink whose address was meant from inside, a redirect, a mapping. */
  private hairpin: Link | null = null
  private redirect = -1
  private met = -1

  constructor(arena: Arena, flows: FlowTable, bindingsAt: number, bindingCapacity: number) {
    this.view = arena.view
    this.flows = flows
    this.bindings = new BindingTable(arena, bindingsAt, bindingCapacity)
    this.mappings = new Mappings(this.bindings, flows)
  }

  /** Takes over the redirects of a program and its links: their addresses, behaviours and ranges of ports. Cold. */
  setRedirects(list: readonly RedirectProgram[], links: Links): void {
    this.links = links
    this.redirects.set(list)
    this.mappings.set(links.list, list)
  }

  /** Endpoints that mappings hold, and how many there could be, of the uplink with that local port. */
  endpointsInUse(port: number): { used: number; capacity: number } {
    return this.mappings.spaces.count(port)
  }

  /** A first packet that neither redirects nor mappings are asked about: its reply is its own inverse. */
  plain(packet: Packet): void {
    packet.replySource = packet.destination
    packet.replyDestination = packet.source
    packet.replyPorts = inversePorts(packet.protocol, packet.ports)
    packet.binding = -1
    this.hairpin = null
    this.redirect = -1
    this.met = -1
  }

  /** Where a first packet goes: -1 with replySource and replyPorts set, or the reason to drop it. */
  prerouting(packet: Packet): number {
    const { redirects } = this
    const { ingress, protocol, destination } = packet
    const port = packet.ports & 0xffff
    const isQuery = protocol === ipv4.PROTOCOL_ICMP
    this.plain(packet)
    this.redirect = redirects.find(ingress.network.index, protocol, destination, isQuery ? 0 : port)
    if (this.redirect < 0 && ingress.role === GUESTS) {
      const { uplink } = ingress
      if (uplink === null || !ingress.hairpin) return -1
      this.redirect = redirects.find(uplink.network.index, protocol, destination, isQuery ? 0 : port)
      if (this.redirect >= 0) this.hairpin = uplink
      else return destination === uplink.address ? this.meet(packet, uplink, port) : -1
    }
    if (this.redirect < 0) return destination === ingress.address ? this.meet(packet, ingress, port) : -1
    packet.replySource = redirects.to(this.redirect)
    if (!isQuery)
      packet.replyPorts = (redirects.port(this.redirect, port) << 16) | (packet.replyPorts & 0xffff)
    return -1
  }

  /** A rule has led a first packet elsewhere: what stands behind an address of the gateway is found there as ever. */
  onward(packet: Packet): void {
    const { redirects } = this
    const isQuery = packet.protocol === ipv4.PROTOCOL_ICMP
    const port = isQuery ? 0 : packet.replyPorts >>> 16
    this.redirect = redirects.find(packet.ingress.network.index, packet.protocol, packet.replySource, port)
    if (this.redirect < 0) return
    packet.replySource = redirects.to(this.redirect)
    if (!isQuery)
      packet.replyPorts = (redirects.port(this.redirect, port) << 16) | (packet.replyPorts & 0xffff)
  }

  /** Whose name a first packet bears that leaves by `egress`: -1 with replyDestination, replyPorts and binding set, or the reason to drop it. */
  postrouting(packet: Packet, egress: Link): number {
    const { ingress } = packet
    if (this.redirect >= 0 && this.redirects.masquerades(this.redirect))
      return this.masquerade(packet, egress)
    let why = -1
    if (this.hairpin !== null) why = this.bind(packet, ingress, this.hairpin)
    else if (ingress.translated && egress === ingress.uplink) why = this.bind(packet, ingress, egress)
    return why < 0 && this.met >= 0 ? this.mappings.join(packet, this.met) : why
  }

  /** Lets go of what postrouting took for a packet that makes no flow after all. */
  cancel(packet: Packet): void {
    this.mappings.cancel(packet)
  }

  /** A flow ends. */
  release(flow: number): void {
    const held = this.flows.words[flow * WORDS + BINDING]
    if (held >= 0) this.mappings.let(held)
  }

  /** Gives a packet of `flow`, travelling in `direction`, the addresses and ports that it leaves with. */
  apply(packet: Packet, flow: number, direction: number): void {
    const { words } = this.flows
    const other = flow * WORDS + (1 - direction) * REPLY
    const ports = words[other + PORTS]
    const source = words[other + DESTINATION]
    const destination = words[other + SOURCE]
    const isQuery = packet.protocol === ipv4.PROTOCOL_ICMP
    const leaving = isQuery ? ports : (ports << 16) | (ports >>> 16)
    const isSame = isQuery ? leaving >>> 16 === packet.ports >>> 16 : leaving === packet.ports
    if (isSame && source === packet.source && destination === packet.destination) return
    rewrite(this.view, packet.network, packet.end, source, destination, leaving, packet.work)
  }

  /**
   * The same for an ICMP error about `flow` that travels in `direction` itself: the quoted packet, which had gone the other way, becomes
   * what its sender wrote. The error's own source is translated as the flow's is (RFC 5508 REQ-5): a router inside stays hidden.
   */
  applyError(packet: Packet, flow: number, direction: number): void {
    const { view } = this
    const { words } = this.flows
    const { network, transport, end } = packet
    const own = flow * WORDS + direction * REPLY
    const other = flow * WORDS + (1 - direction) * REPLY
    const isHidden = words[own + SOURCE] !== words[other + DESTINATION]
    const source = isHidden ? words[other + DESTINATION] : packet.source
    const destination = words[other + SOURCE]
    const quoted = transport + icmp.HEADER_LENGTH
    requote(
      view,
      transport,
      quoted,
      end,
      words[other + SOURCE],
      words[other + DESTINATION],
      words[other + PORTS],
      packet.work,
    )
    const l3 = addresses(packet.source, packet.destination, source, destination)
    ipv4.setSource(view, network, source)
    ipv4.setDestination(view, network, destination)
    mend(view, network + 10, l3)
  }

  /** A packet for an endpoint of `uplink` itself: if a mapping has it and the filter lets it in, it goes to the inside endpoint. */
  private meet(packet: Packet, uplink: Link, port: number): number {
    const { bindings } = this
    const { words } = bindings
    const { protocol } = packet
    if (protocol === ipv4.PROTOCOL_ICMP) return -1
    const b = bindings.findOutside(uplink.port.index, packet.destination, port, protocol)
    if (b < 0) return -1
    const r = b * binding.WORDS
    const inside = this.links?.at[words[r + binding.LINKS] >>> 16] ?? null
    if (inside === null) return reason.NO_ROUTE
    if (packet.ingress !== inside && !this.mappings.permits(packet, b, inside)) return reason.NAT_FILTERED
    this.met = b
    if (packet.ingress === inside) this.hairpin = uplink
    packet.replySource = words[r + binding.INSIDE]
    packet.replyPorts = (bindings.insidePort(b) << 16) | (packet.replyPorts & 0xffff)
    return -1
  }

  /** Gives a packet the outside endpoint of its inside endpoint, an existing one or a new one. */
  private bind(packet: Packet, inside: Link, uplink: Link): number {
    const { protocol } = packet
    const port = packet.ports >>> 16
    const { address } = uplink
    if (address === 0) return reason.NO_ROUTE
    const mutual = this.redirects.findMutual(uplink.network.index, protocol, packet.source, port)
    if (mutual >= 0) {
      packet.replyDestination = this.redirects.mutualAddress(mutual)
      if (protocol !== ipv4.PROTOCOL_ICMP)
        packet.replyPorts = (packet.replyPorts & ~0xffff) | this.redirects.mutualPort(mutual, port)
      return -1
    }
    packet.replyDestination = address
    return hasPorts(protocol) ? this.mappings.take(packet, inside, uplink) : -1
  }

  /** The new destination sees the gateway's own address in its network. */
  private masquerade(packet: Packet, egress: Link): number {
    const { protocol } = packet
    packet.replyDestination = egress.address
    const isQuery = protocol === ipv4.PROTOCOL_ICMP
    if (!hasPorts(protocol)) return -1
    const kind = protocol | (packet.zone << 8)
    let port = packet.ports >>> 16
    for (let draw = 0; draw < DRAWS; draw++) {
      const ports = isQuery
        ? (packet.replyPorts & 0xffff) | (port << 16)
        : (packet.replyPorts & ~0xffff) | port
      if (this.flows.find(packet.replySource, egress.address, ports, kind) < 0) {
        packet.replyPorts = ports
        return -1
      }
      port = 1024 + ((random() >>> 16) % 64512)
    }
    return reason.NAT_EXHAUSTED
  }
}
