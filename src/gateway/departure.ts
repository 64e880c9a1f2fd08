// Hot: packets of flows that the straight loop did not pass, from their flow to their next hop.
import { type Burst, DROPPED } from '../pipeline/burst.ts'
import { packetLength } from '../pipeline/offload.ts'
import * as reason from '../pipeline/reason.ts'
import { FAST, NEIGHBOURS, NETWORKS, REPLY, SOURCE, STATUS, WORDS } from '../table/flow.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { Link } from './link.ts'
import * as mss from './mss.ts'
import { RELATED, TAKEN } from './packet.ts'
import type { Parts } from './parts.ts'
import { hop } from './route.ts'

export class Departure {
  /** MTU of the way that was too narrow for the last packet, for the error about it */
  narrow = 0
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
    const { packet, links, nat, conntrack, neighbours, hold, passage, ports } = this.parts
    const flow = (id >> 1) * WORDS
    const networks = this.words[flow + NETWORKS]
    const isReply = (id & 1) !== 0
    const egress = links.at[isReply ? networks >>> 16 : networks & 0xffff]
    const expected = isReply ? networks & 0xffff : networks >>> 16
    if (egress === null) return reason.NO_ROUTE
    if (packet.ingress.port.index !== expected) return reason.MARTIAN
    const next = hop(egress, this.words[flow + (isReply ? 0 : REPLY) + SOURCE])
    const n = neighbours.find(egress.network.index, next)
    const isReady = n !== 0 && neighbours.usable(n, now)
    const out = isReady ? passage.portOf(n, egress, now) : -1
    const mtu = out < 0 ? egress.mtu : Math.min(egress.mtu, ports[out].mtu)
    const wide = this.fits(mtu)
    if (wide >= 0) return wide
    if (packet.state === RELATED) nat.applyError(packet, id >> 1, id & 1)
    else {
      if (packet.protocol === ipv4.PROTOCOL_TCP) {
        const least = Math.min(packet.ingress.mtu, mtu)
        mss.clamp(this.view, packet.transport, packet.end, least, packet.work)
      }
      nat.apply(packet, id >> 1, id & 1)
    }
    conntrack.account(id, packet.end - packet.network)
    this.age(packet.network)
    const piece = this.piece(mtu)
    if (!isReady) {
      const kept = hold.keep(egress, next, packet, piece, now)
      if (kept === TAKEN) burst.detach(i)
      return kept
    }
    if (piece === 0 && packet.state !== RELATED) this.remember(flow, isReply, n)
    return this.send(burst, i, egress, n, out, piece)
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
