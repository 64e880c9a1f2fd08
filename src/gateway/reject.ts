// Hot: what a rejected packet's sender is told: an ICMP error, or a TCP reset (RFC 9293 3.10.7.1).
import * as r from '../chain/registers.ts'
import { checksum } from '../memory/checksum.ts'
import type { Pool } from '../memory/pool.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'
import type { Icmp } from './icmp.ts'
import type { Outbox } from './outbox.ts'
import type { Packet } from './packet.ts'

const TTL = 64
const DONT_FRAGMENT = 0x4000
/** Flags of the vnet header in `Packet.work` that stand in for a checksum. */
const VOUCHED = 0x0300
const GRE = 47
const GRE_CHECKSUM = 0x8000
/** ESP, AH, SCTP, UDP-Lite, DCCP: they have other sums, or sums of a part. */
const UNSUMMED = Int32Array.of(50, 51, 132, 136, 33)

export class Reject {
  private readonly view: DataView
  private readonly pool: Pool
  private readonly outbox: Outbox
  private readonly icmp: Icmp
  private readonly x: Int32Array

  constructor(view: DataView, pool: Pool, outbox: Outbox, icmp: Icmp, x: Int32Array) {
    this.view = view
    this.pool = pool
    this.outbox = outbox
    this.icmp = icmp
    this.x = x
  }

  /** Answers the packet that was rejected last, as register REJECT says. */
  answer(packet: Packet, now: number): void {
    if (!this.isSound(packet)) return
    const how = this.x[r.REJECT]
    if (how === r.RESET) this.reset(packet, now)
    else this.icmp.error(packet, how >> 8, how & 0xff, 0, now)
  }

  /**
   * True if the checksum of what the packet carries is right, or nobody can tell: a wrong one may mean a wrong address, and whom it names is
   * told nothing. What is no protocol known here is summed as ICMP is.
   */
  private isSound(packet: Packet): boolean {
    const { view } = this
    const { protocol, transport, end, source, destination } = packet
    if ((packet.work & VOUCHED) !== 0) return true
    let sum = 0
    if (protocol === ipv4.PROTOCOL_TCP || protocol === ipv4.PROTOCOL_UDP) {
      if (protocol === ipv4.PROTOCOL_UDP && end - transport >= udp.HEADER_LENGTH)
        if (view.getUint16(transport + udp.CHECKSUM_AT) === 0) return true
      sum = (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff)
      sum += protocol + end - transport
      sum = (sum & 0xffff) + (sum >>> 16)
      sum = (sum & 0xffff) + (sum >>> 16)
    } else if (protocol === GRE) {
      if (end - transport < 2 || (view.getUint16(transport) & GRE_CHECKSUM) === 0) return true
    } else if (UNSUMMED.indexOf(protocol) >= 0) return true
    return checksum(transport, end - transport, sum) === 0xffff
  }

  /** A reset that the other side will believe, unless the packet is one itself. */
  private reset(packet: Packet, now: number): void {
    const { view } = this
    const { at, network, transport, end, port, ingress } = packet
    if (packet.protocol !== ipv4.PROTOCOL_TCP || end - transport < tcp.HEADER_LENGTH) return
    const flags = tcp.flags(view, transport)
    if ((flags & tcp.RST) !== 0) return
    const frame = this.outbox.take()
    if (frame < 0) return
    const to = this.pool.frameAt(frame)
    const header = to + ethernet.HEADER_LENGTH
    const body = header + ipv4.HEADER_LENGTH
    const source = ipv4.destination(view, network)
    const destination = ipv4.source(view, network)
    this.icmp.turn(to, at, ingress)
    view.setUint16(header, 0x4500)
    ipv4.setTotalLength(view, header, ipv4.HEADER_LENGTH + tcp.HEADER_LENGTH)
    view.setInt32(header + 4, DONT_FRAGMENT)
    view.setUint16(header + 8, (TTL << 8) | ipv4.PROTOCOL_TCP)
    ipv4.setChecksum(view, header, 0)
    ipv4.setSource(view, header, source)
    ipv4.setDestination(view, header, destination)
    ipv4.setChecksum(view, header, ~checksum(header, ipv4.HEADER_LENGTH, 0) & 0xffff)
    const ports = view.getInt32(transport)
    view.setInt32(body, (ports << 16) | (ports >>> 16))
    this.number(body, transport, end, flags)
    view.setInt32(body + 14, 0)
    view.setUint16(body + 18, 0)
    let sum = (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff)
    sum += ipv4.PROTOCOL_TCP + tcp.HEADER_LENGTH
    sum = (sum & 0xffff) + (sum >>> 16)
    sum = (sum & 0xffff) + (sum >>> 16)
    view.setUint16(body + tcp.CHECKSUM_AT, ~checksum(body, tcp.HEADER_LENGTH, sum) & 0xffff)
    const length = ethernet.HEADER_LENGTH + ipv4.HEADER_LENGTH + tcp.HEADER_LENGTH
    if (this.icmp.permits(to, length, ingress, port, packet, now))
      this.outbox.add(frame, length, ingress.port.index, port.index)
    else this.outbox.give(frame)
  }

  /** Its numbers: what an ACK asks for, else an acknowledgment of all that came. */
  private number(body: number, transport: number, end: number, flags: number): void {
    const { view } = this
    if ((flags & tcp.ACK) !== 0) {
      tcp.setSequence(view, body, tcp.acknowledgment(view, transport))
      view.setInt32(body + 8, 0)
      view.setUint16(body + 12, 0x5000 | tcp.RST)
      return
    }
    const length = end - transport - tcp.headerLength(view, transport)
    const taken = length + ((flags & tcp.SYN) !== 0 ? 1 : 0) + (flags & tcp.FIN)
    tcp.setSequence(view, body, 0)
    view.setInt32(body + 8, (tcp.sequence(view, transport) + taken) | 0)
    view.setUint16(body + 12, 0x5000 | tcp.RST | tcp.ACK)
  }
}
