// Hot: the gateway. Ordinary packets of flows pass in forward.ts; what is here is asked for first packets, errors and the like.
/**
 * The way of a packet that is not ordinary, in netfilter's order and words:
 *
 *   header checks → ARP | fragments → conntrack → prerouting (redirects) → route ─> local: echo, services
 *                                                                         └> forward → postrouting (translation) → confirm → next hop
 *
 * Whoever returns a number from 0 on gives the reason to drop the packet; some are told to the sender (RFC 1812 5.2.7), in its own
 * words: until the last check has passed nothing in the packet is rewritten.
 */
import { LENGTHS } from '../memory/block.ts'
import { DROPS } from '../memory/counters.ts'
import { reaches } from '../pipeline/bridge.ts'
import { type Burst, DROPPED, FLOOD } from '../pipeline/burst.ts'
import { packetLength } from '../pipeline/offload.ts'
import { DHCP, DNS, GUESTS, NIC_UPLINK } from '../pipeline/program.ts'
import * as reason from '../pipeline/reason.ts'
import type { Port } from '../port/port.ts'
import {
  DELTAS,
  DESTINATION,
  FAST,
  NEIGHBOURS,
  NETWORKS,
  PORTS,
  REPLY,
  SOURCE,
  STATUS,
  WORDS,
} from '../table/flow.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as udp from '../wire/udp.ts'
import * as check from './check.ts'
import type { Link } from './link.ts'
import * as mss from './mss.ts'
import { RELATED, TAKEN } from './packet.ts'
import type { Parts } from './parts.ts'
import { unresolved } from './passage.ts'
import { addresses, change, fold } from './rewrite.ts'
import { FOUND, hop, LOCAL } from './route.ts'

const DHCP_SERVER = 67
const DHCP_CLIENT = 68
const DOMAIN = 53
/** How often what is due is looked for; how long a look at all flows takes, and how many are looked at without a pause (0.2 ms). */
const SWEEP_MS = 50
const ROUND_MS = 4000
const SHARE_MAX = 32_768
/** The packet is done with and nothing is to be counted, as TAKEN. */
const DONE = TAKEN

export class Gateway {
  private readonly parts: Parts
  private readonly view: DataView
  private readonly words: Int32Array
  /** milliseconds, wrapping; set once a burst */
  now = 0
  private swept = 0
  /** MTU of the way that was too narrow, for the error about it */
  private narrow = 0

  constructor(parts: Parts) {
    this.parts = parts
    this.view = parts.arena.view
    this.words = parts.flows.words
  }

  /** The time of everything that follows: milliseconds, wrapping. What is due now is done: expiry, retries, announcements. */
  tick(now: number): void {
    const { hold, fragments, flows, conntrack } = this.parts
    const passed = (now - this.swept) | 0
    this.now = now
    if (passed < SWEEP_MS && passed >= 0) return
    this.swept = now
    hold.tick(now)
    fragments.tick(now)
    const share = Math.ceil((flows.high * Math.min(passed, ROUND_MS)) / ROUND_MS)
    if (flows.count > 0) conntrack.expire(Math.min(share, SHARE_MAX), now)
    this.parts.outbox.flush()
  }

  /** Sends what the gateway itself had to say to a burst. */
  flush(): void {
    this.parts.outbox.flush()
  }

  /** Positions `from` to `to`, all of which came from `port`, whose network has a link. */
  run(burst: Burst, from: number, to: number, port: Port): void {
    const link = port.network.link
    if (link === null) return
    if (link.intercept) {
      for (let i = from; i < to; i++) this.intercept(burst, i, link)
      return
    }
    const { forward } = this.parts
    const odds = forward.run(burst, from, to, link, this.now)
    for (let o = 0; o < odds; o++) this.examine(burst, forward.odd[o], port, link)
  }

  /** The kernel behind the host's port is the gateway: only what is for our services is taken from the burst. */
  private intercept(burst: Burst, i: number, link: Link): void {
    const { view } = this
    const verdict = burst.verdict[i]
    if (verdict < 0 && verdict !== FLOOD) return
    const at = burst.at[i]
    const type = ethernet.type(view, at)
    if (type === ethernet.TYPE_ARP && verdict === link.port.index) {
      this.place(burst, i, link)
      const { arp, packet } = this.parts
      if (arp.hear(at, burst.length(i), packet.port, link, this.now) === TAKEN) burst.verdict[i] = DROPPED
    } else if (type === ethernet.TYPE_IPV4) {
      const service = this.serviceOf(
        at + ethernet.HEADER_LENGTH,
        burst.length(i) - ethernet.HEADER_LENGTH,
        link,
      )
      if (service !== 0) this.punt(burst, i, link)
    }
  }

  /** The service that a UDP packet asks for: DHCP or DNS if this network has it, else 0. */
  private serviceOf(at: number, room: number, link: Link): number {
    const { view } = this
    if (room < ipv4.HEADER_LENGTH + udp.HEADER_LENGTH || ipv4.version(view, at) !== 4) return 0
    if (ipv4.protocol(view, at) !== ipv4.PROTOCOL_UDP || ipv4.fragment(view, at) !== 0) return 0
    const transport = at + ipv4.headerLength(view, at)
    if (transport + udp.HEADER_LENGTH > at + room) return 0
    const port = udp.destinationPort(view, transport)
    const destination = ipv4.destination(view, at)
    if (port === DHCP_SERVER && (destination === -1 || destination === link.address))
      return link.services & DHCP
    if (port === DOMAIN && destination === link.address) return link.services & DNS
    // A card's own client listens before it has an address.
    return port === DHCP_CLIENT && link.role === NIC_UPLINK ? link.services & DHCP : 0
  }

  /** Leaves a frame to the control thread, and tells it where the frame came from. */
  private punt(burst: Burst, i: number, link: Link): void {
    burst.verdict[i] = link.port.index
    this.parts.pool.noteIngress(burst.frame(i), burst.ingress[i])
  }

  private place(burst: Burst, i: number, link: Link): void {
    const { packet, ports } = this.parts
    packet.place(i, burst.frame(i), burst.at[i], burst.length(i), burst.work[i])
    packet.port = ports[burst.ingress[i]]
    packet.ingress = link
    packet.largest = 0
  }

  private examine(burst: Burst, i: number, port: Port, link: Link): void {
    const { view } = this
    const at = burst.at[i]
    const type = ethernet.type(view, at)
    this.place(burst, i, link)
    let why = reason.NOT_IP
    if (type === ethernet.TYPE_ARP) {
      why = this.parts.arp.hear(at, burst.length(i), port, link, this.now)
      if (why === -1) {
        if (burst.verdict[i] === link.port.index) this.punt(burst, i, link)
        return
      }
    } else if (burst.verdict[i] === FLOOD) {
      if (type !== ethernet.TYPE_IPV4) return
      if (this.serviceOf(at + ethernet.HEADER_LENGTH, burst.length(i) - ethernet.HEADER_LENGTH, link) !== 0)
        this.punt(burst, i, link)
      return
    } else if (type === ethernet.TYPE_IPV4) why = this.receive(burst, i)
    if (why === -1) return
    burst.verdict[i] = DROPPED
    if (why < 0) return
    this.counters(port, why)
    this.explain(why)
  }

  private counters(port: Port, why: number): void {
    this.parts.counters[port.row + DROPS + why]++
  }

  /** Whatever is no ordinary packet, from its header on: -1 when its verdict stands, TAKEN, or a reason. */
  private receive(burst: Burst, i: number): number {
    const { view } = this
    const { packet, fragments, conntrack } = this.parts
    const { ingress, network } = packet
    const malformed = check.header(view, network, packet.at + packet.length - network)
    if (malformed >= 0) return malformed
    if (this.serviceOf(network, packet.at + packet.length - network, ingress) !== 0) {
      this.punt(burst, i, ingress)
      return -1
    }
    if (ipv4.fragment(view, network) !== 0) {
      const why = fragments.add(packet, this.now)
      if (why !== -1) return why
      this.replace(burst, i)
    }
    packet.read(view)
    if (ingress.address === 0) return reason.NO_ROUTE
    const why = conntrack.look(packet, this.now)
    if (why >= 0) return why
    return packet.flow < 0 ? this.begin(burst, i) : this.go(burst, i, packet.flow)
  }

  /** Puts a reassembled packet into the place of its last fragment. */
  private replace(burst: Burst, i: number): void {
    const { packet, outbox } = this.parts
    outbox.give(burst.frame(i))
    burst.i32[burst.block + i] = packet.frame
    burst.i32[burst.block + LENGTHS + i] = packet.length
    burst.at[i] = packet.at
    burst.work[i] = packet.work
    burst.plain = false
    packet.position = i
  }

  /** A packet that begins a flow, or is for the gateway itself. */
  private begin(burst: Burst, i: number): number {
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
    const flow = conntrack.confirm(packet, this.now)
    if (flow < 0) {
      nat.cancel(packet)
      return -1 - flow
    }
    this.words[flow * WORDS + NETWORKS] = (ingress.port.index << 16) | egress.port.index
    this.words[flow * WORDS + NEIGHBOURS] = unresolved(ingress.port.index, egress.port.index)
    this.seal(flow * WORDS)
    return this.go(burst, i, flow << 1)
  }

  /** What the flow's original packets change, as differences of checksums that lie as in the packet (RFC 1624): 0 if nothing. */
  private seal(flow: number): void {
    const { words } = this
    const source = words[flow + REPLY + DESTINATION]
    const destination = words[flow + REPLY + SOURCE]
    const reply = words[flow + REPLY + PORTS]
    const ports = (reply << 16) | (reply >>> 16)
    const isSame = words[flow + SOURCE] === source && words[flow + DESTINATION] === destination
    if (isSame && words[flow + PORTS] === ports) return
    const l3 = addresses(words[flow + SOURCE], words[flow + DESTINATION], source, destination)
    words[flow + DELTAS] = (swap(l3) << 16) | swap(fold(l3 + change(words[flow + PORTS], ports)))
  }

  /** Whether a first packet may pass on to `egress` at all; -1 or a reason. */
  private permits(destination: number, egress: Link): number {
    const { packet, neighbours, ports } = this.parts
    const { ingress, port } = packet
    const wide = this.fits(egress)
    if (wide >= 0) return wide
    if (egress !== ingress) return -1
    if (ingress.isolated || port.isolated) return reason.ISOLATED
    const n = neighbours.find(egress.network.index, destination)
    const out = n === 0 ? -1 : neighbours.port(n)
    return out >= 0 && !reaches(port, ports[out]) ? reason.ISOLATED : -1
  }

  /** Time to live and length: -1 if the packet can go on to `egress`, whole or in pieces. */
  private fits(egress: Link): number {
    const { view } = this
    const { packet } = this.parts
    if (ipv4.ttl(view, packet.network) <= 1) return reason.TTL_EXCEEDED
    if (packet.length - ethernet.HEADER_LENGTH <= egress.mtu) return -1
    if (this.isNarrow(egress.mtu) && ipv4.dontFragment(view, packet.network)) {
      this.narrow = egress.mtu
      return reason.FRAGMENT_NEEDED
    }
    return -1
  }

  /** True if the packet, or what a segmented one becomes, is longer than `mtu`. */
  private isNarrow(mtu: number): boolean {
    const { packet } = this.parts
    return packetLength(this.view, packet.at, packet.length) > mtu
  }

  /** For the gateway's own address. */
  private input(burst: Burst, i: number): number {
    const { view } = this
    const { packet, icmp: errors } = this.parts
    const isIcmp = packet.protocol === ipv4.PROTOCOL_ICMP
    if (isIcmp && packet.transport < packet.end && icmp.type(view, packet.transport) === icmp.ECHO) {
      const why = errors.echo(packet)
      if (why !== -1) return why
      if (packet.length - ethernet.HEADER_LENGTH > packet.ingress.mtu) {
        return this.pieces(burst, i, packet.ingress.mtu, packet.ingress.port.index, packet.port.index)
      }
      burst.verdict[i] = packet.port.index
      burst.work[i] = packet.work
      return -1
    }
    return packet.ingress.role === GUESTS ? reason.NO_SERVICE : reason.NAT_FILTERED
  }

  /** A packet of flow `id` (flow << 1 | direction): checked once more, rewritten, and sent to its next hop. */
  private go(burst: Burst, i: number, id: number): number {
    const { packet, links, nat, conntrack, neighbours, hold } = this.parts
    const flow = (id >> 1) * WORDS
    const networks = this.words[flow + NETWORKS]
    const isReply = (id & 1) !== 0
    const egress = links.at[isReply ? networks >>> 16 : networks & 0xffff]
    const expected = isReply ? networks & 0xffff : networks >>> 16
    if (egress === null) return reason.NO_ROUTE
    if (packet.ingress.port.index !== expected) return reason.MARTIAN
    const wide = this.fits(egress)
    if (wide >= 0) return wide
    const next = hop(egress, this.words[flow + (isReply ? 0 : REPLY) + SOURCE])
    const n = neighbours.find(egress.network.index, next)
    const isReady = n !== 0 && neighbours.usable(n, this.now)
    if (packet.state === RELATED) nat.applyError(packet, id >> 1, id & 1)
    else {
      if (packet.protocol === ipv4.PROTOCOL_TCP) {
        const mtu = Math.min(packet.ingress.mtu, egress.mtu)
        mss.clamp(this.view, packet.transport, packet.end, mtu, packet.work)
      }
      nat.apply(packet, id >> 1, id & 1)
    }
    conntrack.account(id, packet.end - packet.network)
    this.age(packet.network)
    const piece = this.piece(egress.mtu)
    if (!isReady) {
      const kept = hold.keep(egress, next, packet, piece, this.now)
      if (kept === TAKEN) burst.detach(i)
      return kept
    }
    if (piece === 0 && packet.state !== RELATED) this.remember(flow, isReply, n)
    return this.send(burst, i, egress, n, piece)
  }

  /** One hop less, and the header's checksum with it (RFC 1624). */
  private age(at: number): void {
    const { view } = this
    ipv4.setTtl(view, at, ipv4.ttl(view, at) - 1)
    const sum = view.getUint16(at + 10) + 0x100
    ipv4.setChecksum(view, at, (sum & 0xffff) + (sum >>> 16))
  }

  /** Length of the pieces that the packet must leave in, 0 if it leaves whole. */
  private piece(mtu: number): number {
    const { packet } = this.parts
    if (packet.largest > 0) return Math.min(packet.largest, mtu)
    return packet.length - ethernet.HEADER_LENGTH > mtu && this.isNarrow(mtu) ? mtu : 0
  }

  /** From now on the straight loop knows the way of the flow's packets. */
  private remember(flow: number, isReply: boolean, n: number): void {
    const { words } = this
    if ((words[flow + STATUS] & FAST) === 0) return
    const ways = words[flow + NEIGHBOURS]
    words[flow + NEIGHBOURS] = isReply ? (ways & 0xffff) | (n << 16) : (ways & ~0xffff) | n
  }

  /** Writes the Ethernet header for neighbour `n` and gives the frame its verdict. */
  private send(burst: Burst, i: number, egress: Link, n: number, piece: number): number {
    const { view } = this
    const { packet, neighbours, passage } = this.parts
    ethernet.setDestination(view, packet.at, neighbours.high(n), neighbours.low(n))
    ethernet.setSource(view, packet.at, egress.high, egress.low)
    const out = passage.portOf(n, egress, this.now)
    if (piece > 0) return this.pieces(burst, i, piece, egress.port.index, out)
    burst.verdict[i] = out
    // A frame that floods does so in the network that it goes to.
    if (out < 0) burst.ingress[i] = egress.port.index
    return -1
  }

  /** Sends the packet in pieces; the frame itself stays with the burst. */
  private pieces(burst: Burst, i: number, piece: number, ingress: number, egress: number): number {
    const { packet, fragments } = this.parts
    const why = fragments.split(packet.at, packet.length, piece, ingress, egress)
    burst.verdict[i] = DROPPED
    return why === -1 ? DONE : why
  }

  /** Tells the sender why its packet was dropped, where the RFCs want that. */
  private explain(why: number): void {
    const { packet, icmp: errors } = this.parts
    const { now } = this
    const isInside = packet.ingress.role === GUESTS
    if (why === reason.TTL_EXCEEDED) errors.error(packet, icmp.TIME_EXCEEDED, icmp.TTL, 0, now)
    else if (why === reason.FRAGMENT_NEEDED)
      errors.error(packet, icmp.UNREACHABLE, icmp.FRAGMENTATION_NEEDED, this.narrow, now)
    else if (!isInside) return
    else if (why === reason.NO_ROUTE) errors.error(packet, icmp.UNREACHABLE, icmp.NETWORK, 0, now)
    else if (why === reason.PROHIBITED || why === reason.ISOLATED || isSpent(why))
      errors.error(packet, icmp.UNREACHABLE, icmp.PROHIBITED, 0, now)
    else if (why === reason.NO_SERVICE) {
      const isPort = packet.protocol === ipv4.PROTOCOL_UDP || packet.protocol === ipv4.PROTOCOL_TCP
      errors.error(packet, icmp.UNREACHABLE, isPort ? icmp.PORT : icmp.PROTOCOL, 0, now)
    }
  }
}

/** A half-word as it lies in a packet. */
function swap(value: number): number {
  return ((value & 0xff) << 8) | (value >>> 8)
}

/** RFC 5508, REQ-8: who gets no session because there is no room for one is told so as who may not have one. */
function isSpent(why: number): boolean {
  return why === reason.NAT_EXHAUSTED || why === reason.FLOWS_FULL
}
