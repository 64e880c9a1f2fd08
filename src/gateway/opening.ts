// Hot: first packets, each of them once a flow.
/**
 * A packet that belongs to no flow yet: where it goes, whether it may, whose name it will bear. Only when everything let it pass is a flow
 * made, and nothing in the packet is rewritten before.
 */
import { reaches } from '../pipeline/bridge.ts'
import type { Burst } from '../pipeline/burst.ts'
import { GUESTS } from '../pipeline/program.ts'
import * as reason from '../pipeline/reason.ts'
import { DELTAS, DESTINATION, NEIGHBOURS, NETWORKS, PORTS, REPLY, SOURCE, WORDS } from '../table/flow.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as check from './check.ts'
import type { Link } from './link.ts'
import type { Parts } from './parts.ts'
import { unresolved } from './passage.ts'
import { addresses, change, fold } from './rewrite.ts'
import { FOUND, hop, LOCAL } from './route.ts'

export class Opening {
  private readonly parts: Parts
  private readonly view: DataView
  private readonly words: Int32Array

  constructor(parts: Parts) {
    this.parts = parts
    this.view = parts.arena.view
    this.words = parts.flows.words
  }

  /** Decides about the packet at position `i`: -1 when its verdict stands, TAKEN, or a reason. */
  run(burst: Burst, i: number, now: number): number {
    const { packet, nat, route, conntrack, links } = this.parts
    const { ingress } = packet
    const martian = check.addresses(packet.source, packet.destination, ingress, links)
    if (martian >= 0) return martian
    const redirected = nat.prerouting(packet)
    if (redirected >= 0) return redirected
    const found = route.find(packet, packet.replySource)
    if (found === LOCAL) return this.input(burst, i)
    if (found !== FOUND) return found
    const { egress } = route
    const closed = this.permits(packet.replySource, egress)
    if (closed >= 0) return closed
    const translated = nat.postrouting(packet, egress)
    if (translated >= 0) return translated
    const flow = conntrack.confirm(packet, now)
    if (flow < 0) {
      nat.cancel(packet)
      return -1 - flow
    }
    this.words[flow * WORDS + NETWORKS] = (ingress.port.index << 16) | egress.port.index
    this.words[flow * WORDS + NEIGHBOURS] = unresolved(ingress.port.index, egress.port.index)
    this.seal(flow)
    return this.parts.departure.run(burst, i, flow << 1, now)
  }

  /**
   * The flow is whole: it is written down, and what its original packets change is remembered, as differences of checksums that lie as in the
   * packet (RFC 1624): 0 if nothing.
   */
  seal(flow: number): void {
    const { words } = this
    const f = flow * WORDS
    this.parts.flows.chronicle?.begin(flow)
    const source = words[f + REPLY + DESTINATION]
    const destination = words[f + REPLY + SOURCE]
    const reply = words[f + REPLY + PORTS]
    const ports = (reply << 16) | (reply >>> 16)
    const isSame = words[f + SOURCE] === source && words[f + DESTINATION] === destination
    if (isSame && words[f + PORTS] === ports) return
    const l3 = addresses(words[f + SOURCE], words[f + DESTINATION], source, destination)
    words[f + DELTAS] = (swap(l3) << 16) | swap(fold(l3 + change(words[f + PORTS], ports)))
  }

  /** Whether a first packet may pass on to `egress` at all; -1 or a reason. */
  private permits(destination: number, egress: Link): number {
    const { packet, neighbours, ports, departure } = this.parts
    const { ingress, port } = packet
    const n = neighbours.find(egress.network.index, hop(egress, destination))
    const out = n === 0 ? -1 : neighbours.port(n)
    const wide = departure.fits(out < 0 ? egress.mtu : Math.min(egress.mtu, ports[out].mtu))
    if (wide >= 0) return wide
    if (egress !== ingress) return -1
    if (ingress.isolated || port.isolated) return reason.ISOLATED
    return out >= 0 && !reaches(port, ports[out]) ? reason.ISOLATED : -1
  }

  /** For the gateway's own address. */
  input(burst: Burst, i: number): number {
    const { view } = this
    const { packet, icmp: errors } = this.parts
    const isIcmp = packet.protocol === ipv4.PROTOCOL_ICMP
    if (isIcmp && packet.transport < packet.end && icmp.type(view, packet.transport) === icmp.ECHO) {
      const why = errors.echo(packet)
      return why === -1 ? this.reply(burst, i) : why
    }
    return packet.ingress.role === GUESTS ? reason.NO_SERVICE : reason.NAT_FILTERED
  }

  /** An echo request that has become its reply leaves, in pieces if it must. */
  reply(burst: Burst, i: number): number {
    const { packet } = this.parts
    if (packet.length - ethernet.HEADER_LENGTH > packet.ingress.mtu) {
      return this.parts.departure.pieces(
        burst,
        i,
        packet.ingress.mtu,
        packet.ingress.port.index,
        packet.port.index,
      )
    }
    burst.verdict[i] = packet.port.index
    burst.work[i] = packet.work
    return -1
  }
}

/** A half-word as it lies in a packet. */
function swap(value: number): number {
  return ((value & 0xff) << 8) | (value >>> 8)
}
