// Hot: packets of flows that the straight loop did not pass, from their flow to their next hop.
import { type Burst, DROPPED } from '../pipeline/burst.ts'
import { packetLength } from '../pipeline/offload.ts'
import * as reason from '../pipeline/reason.ts'
import { FAST, NEIGHBOURS, NETWORKS, PORTS, REPLY, SOURCE, STATUS, WORDS } from '../table/flow.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { AGAIN } from './hold.ts'
import type { Link } from './link.ts'
import * as mss from './mss.ts'
import { RELATED, TAKEN } from './packet.ts'
import type { Parts } from './parts.ts'
import { hop } from './route.ts'

export class Departure {
  /** MTU of the way that was too narrow for the last packet, for the error about it */
  narrow = 0
  /** what `look` found of the last next hop: its MTU, its port (-1: unknown), its neighbour entry, and whether that can be used */
  mtu = 0
  out = -1
  private neighbour = 0
  isReady = false
  private next = 0
  private readonly parts: Parts
  private readonly view: DataView
  private readonly words: Int32Array

  constructor(parts: Parts) {
    this.parts = parts
    this.view = parts.arena.view
    this.words = parts.flows.words
  }

  /** A packet of flow `id` (flow << 1 | direction): checked once more, rewritten, and sent to its next hop. */
  run(burst: Burst, i: number, id: number, now: number): number {
    const { packet, conntrack } = this.parts
    const egress = this.egress(id)
    if (egress === null) return reason.NO_ROUTE
    this.look(egress, this.destination(id), now)
    const wide = this.fits(this.mtu)
    if (wide >= 0) return wide
    this.translate(id)
    if (packet.counts) conntrack.account(id, packet.end - packet.network)
    this.age(packet.network)
    return this.leave(burst, i, egress, id, now)
  }

  /** The link by which packets of flow << 1 | direction leave, null if there is none. */
  egress(id: number): Link | null {
    const networks = this.words[(id >> 1) * WORDS + NETWORKS]
    return this.parts.links.at[(id & 1) === 0 ? networks & 0xffff : networks >>> 16]
  }

  /** The address that they go to. */
  destination(id: number): number {
    return this.words[(id >> 1) * WORDS + ((id & 1) === 0 ? REPLY : 0) + SOURCE]
  }

  /** Looks up the next hop of a packet to `destination` on `egress`. */
  look(egress: Link, destination: number, now: number): void {
    const { neighbours, passage, ports } = this.parts
    this.next = hop(egress, destination)
    this.neighbour = neighbours.find(egress.network.index, this.next)
    this.isReady = this.neighbour !== 0 && neighbours.usable(this.neighbour, now)
    this.out = this.isReady ? passage.portOf(this.neighbour, egress, now) : -1
    this.mtu = this.out < 0 ? egress.mtu : Math.min(egress.mtu, ports[this.out].mtu)
  }

  /** The ports word of its answers: the port that they go to is the upper half. */
  ports(id: number): number {
    return this.words[(id >> 1) * WORDS + ((id & 1) === 0 ? REPLY : 0) + PORTS]
  }

  /** Keeps the packet at position `i` as it is until the next hop that `look` sought on `egress` is known; then it begins anew. */
  wait(burst: Burst, i: number, egress: Link, now: number): number {
    const kept = this.parts.hold.keep(egress, this.next, this.parts.packet, AGAIN, now)
    if (kept === TAKEN) burst.detach(i)
    return kept
  }

  /** Gives the packet the addresses that its flow has for it. */
  translate(id: number): void {
    const { packet, nat } = this.parts
    if (packet.state === RELATED) {
      nat.applyError(packet, id >> 1, id & 1)
      return
    }
    if (packet.protocol === ipv4.PROTOCOL_TCP) {
      const least = Math.min(packet.ingress.mtu, this.mtu)
      mss.clamp(this.view, packet.transport, packet.end, least, packet.work)
    }
    nat.apply(packet, id >> 1, id & 1)
  }

  /** Sends a packet that is ready but for its Ethernet header to the next hop that `look` found; `id` is -1 if it has no flow. */
  leave(burst: Burst, i: number, egress: Link, id: number, now: number): number {
    const { packet, hold } = this.parts
    const piece = this.piece(this.mtu)
    if (!this.isReady) {
      const kept = hold.keep(egress, this.next, packet, piece, now)
      if (kept === TAKEN) burst.detach(i)
      return kept
    }
    if (id >= 0 && piece === 0 && packet.state !== RELATED) this.remember(id, this.neighbour)
    return this.send(burst, i, egress, this.neighbour, this.out, piece)
  }

  /** One hop less, and the header's checksum with it (RFC 1624). */
  age(at: number): void {
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
  private remember(id: number, n: number): void {
    const { words } = this
    const flow = (id >> 1) * WORDS
    const isReply = (id & 1) !== 0
    if ((words[flow + STATUS] & FAST) === 0) return
    const ways = words[flow + NEIGHBOURS]
    words[flow + NEIGHBOURS] = isReply ? (ways & 0xffff) | (n << 16) : (ways & ~0xffff) | n
  }

  /** Writes the Ethernet header for neighbour `n` and gives the frame its verdict. */
  private send(burst: Burst, i: number, egress: Link, n: number, out: number, piece: number): number {
    const { view } = this
    const { packet, neighbours } = this.parts
    ethernet.setDestination(view, packet.at, neighbours.high(n), neighbours.low(n))
    ethernet.setSource(view, packet.at, egress.high, egress.low)
    if (piece > 0) return this.pieces(burst, i, piece, egress.port.index, out)
    burst.verdict[i] = out
    // A frame that floods does so in the network that it goes to.
    if (out < 0) burst.ingress[i] = egress.port.index
    return -1
  }

  /** Sends the packet in pieces; the frame itself stays with the burst. */
  pieces(burst: Burst, i: number, piece: number, ingress: number, egress: number): number {
    const { packet, fragments } = this.parts
    const why = fragments.split(packet.at, packet.length, piece, ingress, egress)
    burst.verdict[i] = DROPPED
    return why === -1 ? TAKEN : why
  }

  /** Time to live and length: -1 if the packet can go on where the MTU is `mtu`, whole or in pieces. */
  fits(mtu: number): number {
    const { view } = this
    const { packet } = this.parts
    if (ipv4.ttl(view, packet.network) <= 1) return reason.TTL_EXCEEDED
    if (packet.largest === 0 && packet.length - ethernet.HEADER_LENGTH <= mtu) return -1
    if (this.isNarrow(mtu) && ipv4.dontFragment(view, packet.network)) {
      this.narrow = mtu
      return reason.FRAGMENT_NEEDED
    }
    return -1
  }

  /** True if the packet, what a segmented one becomes, or the largest piece that one came in is longer than `mtu`. */
  private isNarrow(mtu: number): boolean {
    const { packet } = this.parts
    if (packet.largest > 0) return packet.largest > mtu
    return packetLength(this.view, packet.at, packet.length) > mtu
  }
}
