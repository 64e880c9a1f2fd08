// Hot: vnet headers, checked once at receive and honoured at transmit. A frame that asks for nothing never comes here.
/**
 * A vnet header comes from the other side of a port and is never believed (virtio 1.2, 5.1.6.2): offsets must lie in the frame,
 * a GSO frame must be the TCP or UDP packet that its type says, and what the header leaves open is written anew, so that
 * the stages behind may trust it. A frame with NEEDS_CSUM carries the uncomplemented sum of the pseudo-header only.
 */
import { checksum } from '../memory/checksum.ts'
import { OFFLOAD_CSUM, OFFLOAD_ECN, OFFLOAD_TSO4, OFFLOAD_TSO6, OFFLOAD_USO } from '../port/port.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as ipv6 from '../wire/ipv6.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'
import * as vnet from '../wire/vnet.ts'
import * as reason from './reason.ts'

/** A frame never becomes more segments than this: 64 KiB at the kernel's least MSS (48 bytes, TCP_MIN_SND_MSS) are 1,366. */
const SEGMENT_COUNT_MAX = 1400

/** Offset of the TCP or UDP header of a GSO frame; -1 if the packet is not what `type` says or its lengths disagree. */
export function transportAt(view: DataView, at: number, length: number, type: number): number {
  const network = ethernet.payloadAt(view, at, length)
  const end = at + length
  const ethertype = view.getUint16(network - 2)
  const protocol = type === vnet.GSO_UDP_L4 ? ipv4.PROTOCOL_UDP : ipv4.PROTOCOL_TCP
  if (ethertype === ethernet.TYPE_IPV4 && type !== vnet.GSO_TCPV6) {
    if (network + ipv4.HEADER_LENGTH > end || ipv4.version(view, network) !== 4) return -1
    const header = ipv4.headerLength(view, network)
    if (header < ipv4.HEADER_LENGTH || network + ipv4.totalLength(view, network) !== end) return -1
    if (ipv4.protocol(view, network) !== protocol || ipv4.fragment(view, network) !== 0) return -1
    return network + header
  }
  if (ethertype === ethernet.TYPE_IPV6 && type !== vnet.GSO_TCPV4) {
    if (network + ipv6.HEADER_LENGTH > end || ipv6.version(view, network) !== 6) return -1
    if (network + ipv6.HEADER_LENGTH + ipv6.payloadLength(view, network) !== end) return -1
    return ipv6.transportAt(view, network, end, protocol)
  }
  return -1
}

/** Checks and rewrites the vnet header of the frame at `at`; returns -1 or the reason to drop the frame. */
export function validate(view: DataView, at: number, length: number): number {
  const header = at - vnet.LENGTH
  const needs = vnet.flags(view, header) & vnet.NEEDS_CSUM
  const gso = vnet.gsoType(view, header)
  const start = vnet.csumStart(view, header)
  const offset = vnet.csumOffset(view, header)
  if (needs !== 0 && (start < ethernet.HEADER_LENGTH || start + offset + 2 > length))
    return reason.VNET_CHECKSUM
  if (gso === vnet.GSO_NONE) {
    if (needs === 0) vnet.clear(view, header)
    else {
      vnet.setFlags(view, header, needs, 0)
      vnet.setHeaderLength(view, header, 0)
      vnet.setGsoSize(view, header, 0)
    }
    return -1
  }
  return validateGso(view, at, length, needs, gso, start, offset)
}

function validateGso(
  view: DataView,
  at: number,
  length: number,
  needs: number,
  gso: number,
  start: number,
  offset: number,
): number {
  const header = at - vnet.LENGTH
  const type = gso & ~vnet.GSO_ECN
  const size = vnet.gsoSize(view, header)
  if (type !== vnet.GSO_TCPV4 && type !== vnet.GSO_TCPV6 && type !== vnet.GSO_UDP_L4) return reason.VNET_GSO
  if (needs === 0 || size === 0) return reason.VNET_GSO
  const transport = transportAt(view, at, length, type)
  if (transport < 0) return reason.VNET_HEADER
  const isUdp = type === vnet.GSO_UDP_L4
  const least = isUdp ? udp.HEADER_LENGTH : tcp.HEADER_LENGTH
  if (transport + least > at + length) return reason.VNET_HEADER
  const own = isUdp ? least : tcp.headerLength(view, transport)
  const headers = transport + own - at
  if (own < least || headers > length) return reason.VNET_HEADER
  if (start !== transport - at || offset !== (isUdp ? udp.CHECKSUM_AT : tcp.CHECKSUM_AT))
    return reason.VNET_HEADER
  if (length - headers > size * SEGMENT_COUNT_MAX) return reason.VNET_GSO
  if (length - headers <= size) {
    // One segment at most: it needs a checksum and nothing else (Linux virtio_net_hdr_to_skb does the same).
    vnet.setFlags(view, header, needs, vnet.GSO_NONE)
    vnet.setHeaderLength(view, header, 0)
    vnet.setGsoSize(view, header, 0)
    return -1
  }
  vnet.setFlags(view, header, needs, isUdp ? type : gso)
  vnet.setHeaderLength(view, header, headers)
  return -1
}

/** Bytes of the largest network-layer packet that the frame becomes on the wire. */
export function packetLength(view: DataView, at: number, length: number): number {
  const header = at - vnet.LENGTH
  const link = ethernet.payloadAt(view, at, length) - at
  if (vnet.gsoType(view, header) === vnet.GSO_NONE) return length - link
  return Math.min(length, vnet.headerLength(view, header) + vnet.gsoSize(view, header)) - link
}

/** The OFFLOAD_ bits that an egress must have to take the frame as it is. */
export function needed(view: DataView, at: number): number {
  const header = at - vnet.LENGTH
  if (vnet.work(view, header) === 0) return 0
  const gso = vnet.gsoType(view, header)
  const ecn = (gso & vnet.GSO_ECN) !== 0 ? OFFLOAD_ECN : 0
  const type = gso & ~vnet.GSO_ECN
  if (type === vnet.GSO_TCPV4) return OFFLOAD_CSUM | OFFLOAD_TSO4 | ecn
  if (type === vnet.GSO_TCPV6) return OFFLOAD_CSUM | OFFLOAD_TSO6 | ecn
  if (type === vnet.GSO_UDP_L4) return OFFLOAD_CSUM | OFFLOAD_USO
  return OFFLOAD_CSUM
}

/** Computes the checksum that NEEDS_CSUM left open; the frame then needs nothing more. */
export function complete(view: DataView, at: number, length: number): void {
  const header = at - vnet.LENGTH
  const start = vnet.csumStart(view, header)
  const offset = vnet.csumOffset(view, header)
  const sum = ~checksum(at + start, length - start, 0) & 0xffff
  // RFC 768: a computed zero is sent as all ones; for TCP both mean the same sum, so only UDP's offset asks for it.
  view.setUint16(at + start + offset, sum === 0 && offset === udp.CHECKSUM_AT ? 0xffff : sum)
  vnet.clear(view, header)
}
