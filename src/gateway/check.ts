// Hot: what every packet must be before the gateway believes anything in it.

import * as reason from '../pipeline/reason.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'
import type { Link } from './link.ts'
import type { Links } from './links.ts'
import type { Packet } from './packet.ts'

/** Option types that ask for a source route: loose and strict (RFC 791 3.1). */
const LOOSE = 131
const STRICT = 137
const END_OF_OPTIONS = 0
const NO_OPERATION = 1

/** Ones' complement sum of an IPv4 header, folded; 0xffff where its checksum is right. */
export function headerSum(view: DataView, at: number, length: number): number {
  let sum = 0
  for (let i = 0; i < length; i += 2) sum += view.getUint16(at + i)
  sum = (sum & 0xffff) + (sum >>> 16)
  return (sum & 0xffff) + (sum >>> 16)
}

/** Checks the IPv4 header of a packet that has at most `room` bytes (RFC 1812 5.2.2); -1 or the reason to drop it. */
export function header(view: DataView, at: number, room: number): number {
  if (room < ipv4.HEADER_LENGTH || ipv4.version(view, at) !== 4) return reason.BAD_IP_HEADER
  const length = ipv4.headerLength(view, at)
  const total = ipv4.totalLength(view, at)
  if (length < ipv4.HEADER_LENGTH || total < length || total > room) return reason.BAD_IP_HEADER
  if (headerSum(view, at, length) !== 0xffff) return reason.BAD_CHECKSUM
  if (length === ipv4.HEADER_LENGTH) return -1
  return options(view, at + ipv4.HEADER_LENGTH, at + length)
}

/** Options must be well formed, and no source route is followed. */
function options(view: DataView, from: number, end: number): number {
  for (let at = from; at < end; ) {
    const type = view.getUint8(at)
    if (type === END_OF_OPTIONS) return -1
    if (type === NO_OPERATION) {
      at++
      continue
    }
    if (type === LOOSE || type === STRICT) return reason.SOURCE_ROUTE
    const length = at + 1 < end ? view.getUint8(at + 1) : 0
    if (length < 2 || at + length > end) return reason.BAD_IP_HEADER
    at += length
  }
  return -1
}

const SCTP = 132
const UDP_LITE = 136
const DCCP = 33
/** of SCTP and DCCP (RFC 9260 3.1, RFC 4340 5.1) */
const LEAST = 12

/** False if the header of a protocol that rules know is cut off. */
export function isWhole({ protocol, transport, end }: Packet): boolean {
  const room = end - transport
  if (protocol === ipv4.PROTOCOL_TCP) return room >= tcp.HEADER_LENGTH
  if (protocol === ipv4.PROTOCOL_UDP || protocol === UDP_LITE) return room >= udp.HEADER_LENGTH
  if (protocol === ipv4.PROTOCOL_ICMP) return room >= icmp.HEADER_LENGTH
  return (protocol !== SCTP && protocol !== DCCP) || room >= LEAST
}

/** An address that no host can have as its own: 0/8, loopback, multicast, reserved, broadcast (RFC 1812 5.3.7). */
function isNobody(address: number): boolean {
  const first = address >>> 24
  return first === 0 || first === 127 || first >= 224
}

/** Source and destination of a packet that begins a flow; -1 or MARTIAN. Behind a guests' link nobody speaks for others. */
export function addresses(source: number, destination: number, ingress: Link, links: Links): number {
  if (isNobody(source) || isNobody(destination) || source === destination) return reason.MARTIAN
  if (source === ingress.address) return reason.MARTIAN
  const isInside = ingress.role === 0
  if (isInside && !ingress.holds(source)) return reason.MARTIAN
  if (ingress.holds(source) && (source & ~ingress.mask) === ~ingress.mask && ingress.mask !== -1)
    return reason.MARTIAN
  if (isInside) return -1
  const { list } = links
  for (let i = 0; i < list.length; i++) {
    if (list[i] !== ingress && list[i].role === 0 && list[i].holds(source)) return reason.MARTIAN
  }
  return -1
}
