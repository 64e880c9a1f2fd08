// Hot: what the gateway says by ICMP: echo replies in place, errors (RFC 792, RFC 1812 4.3) in a frame of their own. Cost: 64 ns an echo of 64 bytes (npm run bench).
/**
 * An error quotes as much of the packet as 576 bytes hold (RFC 1812 4.3.2.3) and goes back to the station and port that the packet
 * came from, whatever its source address says: nobody is reached by forging somebody else's. Each port has its own allowance.
 */
import { checksum } from '../memory/checksum.ts'
import { PORT_COUNT_MAX } from '../memory/counters.ts'
import type { Pool } from '../memory/pool.ts'
import { complete } from '../pipeline/offload.ts'
import { GUESTS } from '../pipeline/program.ts'
import * as reason from '../pipeline/reason.ts'
import type { Port } from '../port/port.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as vnet from '../wire/vnet.ts'
import { Limit } from './limit.ts'
import type { Link } from './link.ts'
import type { Links } from './links.ts'
import type { Outbox } from './outbox.ts'
import type { Packet } from './packet.ts'

/** RFC 1812 4.3.2.3 */
const LENGTH_MAX = 576
/** Errors a second and in one go, each port: as many as Linux sends in all (net.ipv4.icmp_msgs_per_sec, icmp_msgs_burst). */
const PER_SECOND = 1000
const BURST = 50
const TTL = 64
/** RFC 1812 4.3.2.5: internetwork control */
const TOS = 0xc0
/** of the packet's own: all but precedence and the last bit */
const TOS_KEPT = 0x1e

/** True if `address` cannot be one station's on that link: zero, loopback, multicast, reserved, a broadcast, the gateway's own. */
export function martian(address: number, link: Link): boolean {
  const first = address >>> 24
  if (first === 0 || first === 127 || first >= 224) return true
  if (address === link.address) return true
  return isBroadcast(address, link)
}

/** True for the broadcast addresses of the link's subnet, all ones and all zeros, where its prefix has them (RFC 3021: not 31 and 32). */
export function isBroadcast(address: number, link: Link): boolean {
  const host = ~link.mask
  if (!link.holds(address) || (host & ~1) === 0) return false
  return (address & host) === host || (address & host) === 0
}

/** Who asks the chains about what the gateway says. */
export interface Output {
  say(
    at: number,
    length: number,
    work: number,
    link: Link,
    port: Port,
    about: Packet | null,
    now: number,
  ): boolean
}

export class Icmp {
  private readonly u8: Uint8Array
  private readonly view: DataView
  private readonly pool: Pool
  private readonly outbox: Outbox
  private readonly links: Links
  private readonly limit = new Limit(PORT_COUNT_MAX, PER_SECOND, BURST)
  /** the packet that the error is about, while conntrack knows what it is */
  private about: Packet | null = null
  private identification = 0
  /** asked whether what the gateway says may leave; null while no rules are in force */
  output: Output | null = null

  constructor(u8: Uint8Array, view: DataView, pool: Pool, outbox: Outbox, links: Links) {
    this.u8 = u8
    this.view = view
    this.pool = pool
    this.outbox = outbox
    this.links = links
  }

  /** Turns an echo request for the gateway into the reply, Ethernet header included, for the port it came from; -1, or why not. */
  echo(packet: Packet): number {
    const { view } = this
    const { at, network, transport, end, ingress } = packet
    if (packet.protocol !== ipv4.PROTOCOL_ICMP) return reason.NO_SERVICE
    if (end - transport < icmp.HEADER_LENGTH) return reason.BAD_IP_HEADER
    if (martian(packet.source, ingress)) return reason.MARTIAN
    if ((vnet.flags(view, at - vnet.LENGTH) & vnet.NEEDS_CSUM) !== 0) {
      complete(view, at, packet.length)
      packet.work = 0
    }
    if (checksum(transport, end - transport, 0) !== 0xffff) return reason.BAD_CHECKSUM
    if (icmp.type(view, transport) !== icmp.ECHO || icmp.code(view, transport) !== 0) return reason.NO_SERVICE
    icmp.setType(view, transport, icmp.ECHO_REPLY, 0)
    // RFC 1624 for the one word that changed, 0x0800 to 0
    const sum = view.getUint16(transport + icmp.CHECKSUM_AT) + (icmp.ECHO << 8)
    icmp.setChecksum(view, transport, (sum & 0xffff) + (sum >>> 16))
    ipv4.setSource(view, network, packet.destination)
    ipv4.setDestination(view, network, packet.source)
    // It may leave in pieces, whatever the request said of itself.
    view.setUint16(network + 6, 0)
    ipv4.setTtl(view, network, TTL)
    ipv4.setChecksum(view, network, 0)
    ipv4.setChecksum(view, network, ~checksum(network, transport - network, 0) & 0xffff)
    this.turn(at, at, ingress)
    return -1
  }

  /** Writes at `to` the Ethernet header of an answer to the frame at `at`. */
  turn(to: number, at: number, link: Link): void {
    const { view } = this
    const high = ethernet.sourceHigh(view, at)
    const low = ethernet.sourceLow(view, at)
    view.setUint16(to, high)
    view.setInt32(to + 2, low)
    view.setUint16(to + 6, link.high)
    view.setInt32(to + 8, link.low)
    view.setUint16(to + 12, ethernet.TYPE_IPV4)
  }

  /**
   * Tells the sender of a packet, which is still as it came, what became of it. `detail` is the word behind the checksum: the next
   * MTU of a fragmentation-needed error, pointer << 24 of a parameter problem, else 0. Where RFC 1812 4.3.2.7 or the port's
   * allowance forbids it, nothing is sent.
   */
  error(packet: Packet, type: number, code: number, detail: number, now: number): void {
    const { at, network, end, port, ingress } = packet
    this.about = packet
    this.tell(at, network, end, port, ingress, type, code, detail, now)
    this.about = null
  }

  /** The same about the packet whose frame begins at `at`, its IPv4 header at `network`, and which ends at `end`. */
  tell(
    at: number,
    network: number,
    end: number,
    port: Port,
    link: Link,
    type: number,
    code: number,
    detail: number,
    now: number,
  ): void {
    if (link.address === 0 || !this.permitted(at, network, end, link)) return
    if (!this.limit.take(port.index, now)) return
    const frame = this.outbox.take()
    if (frame < 0) return
    const { view } = this
    const to = this.pool.frameAt(frame)
    const header = to + ethernet.HEADER_LENGTH
    const body = header + ipv4.HEADER_LENGTH
    const room = Math.min(LENGTH_MAX, link.mtu) - ipv4.HEADER_LENGTH - icmp.HEADER_LENGTH
    const quoted = Math.min(room, end - network)
    const length = icmp.HEADER_LENGTH + quoted
    this.turn(to, at, link)
    // What the packet was for speaks itself, if that is the gateway; outside nobody hears of addresses inside.
    const meant = ipv4.destination(view, network)
    const own = link.role === GUESTS && this.links.owns(meant) ? meant : link.address
    this.write(
      header,
      ipv4.HEADER_LENGTH + length,
      own,
      ipv4.source(view, network),
      view.getUint8(network + 1),
    )
    icmp.setType(view, body, type, code)
    icmp.setChecksum(view, body, 0)
    view.setInt32(body + 4, detail)
    this.u8.copyWithin(body + icmp.HEADER_LENGTH, network, network + quoted)
    icmp.setChecksum(view, body, ~checksum(body, length, 0) & 0xffff)
    if (this.permits(to, body + length - to, link, port, this.about, now))
      this.outbox.add(frame, body + length - to, link.port.index, port.index)
    else this.outbox.give(frame)
  }

  /** True if rules let the frame at `at` out, which the gateway sends by `link` to `port` because of the packet `about`. */
  permits(at: number, length: number, link: Link, port: Port, about: Packet | null, now: number): boolean {
    return this.output === null || this.output.say(at, length, 0, link, port, about, now)
  }

  /** Writes an IPv4 header for ICMP. */
  private write(at: number, length: number, source: number, destination: number, tos: number): void {
    const { view } = this
    view.setUint16(at, 0x4500 | TOS | (tos & TOS_KEPT))
    ipv4.setTotalLength(view, at, length)
    this.identification = (this.identification + 1) & 0xffff
    ipv4.setIdentification(view, at, this.identification)
    view.setUint16(at + 6, 0)
    view.setUint16(at + 8, (TTL << 8) | ipv4.PROTOCOL_ICMP)
    ipv4.setChecksum(view, at, 0)
    ipv4.setSource(view, at, source)
    ipv4.setDestination(view, at, destination)
    ipv4.setChecksum(view, at, ~checksum(at, ipv4.HEADER_LENGTH, 0) & 0xffff)
  }

  /** RFC 1812 4.3.2.7: never about an ICMP error, a broadcast, a later fragment, or a source that is not one station. */
  private permitted(at: number, network: number, end: number, link: Link): boolean {
    const { view } = this
    if ((ethernet.destinationHigh(view, at) & ethernet.GROUP) !== 0) return false
    if ((ipv4.fragment(view, network) & 0x1fff) !== 0) return false
    const destination = ipv4.destination(view, network)
    if (destination >>> 28 >= 14 || isBroadcast(destination, link)) return false
    if (martian(ipv4.source(view, network), link)) return false
    if (ipv4.protocol(view, network) !== ipv4.PROTOCOL_ICMP) return true
    const transport = network + ipv4.headerLength(view, network)
    return transport < end && icmp.isQuery(icmp.type(view, transport))
  }
}
