// Hot: addresses, ports and checksums of a packet changed in place, by RFC 1624: HC' = ~(~HC + ~m + m').
/**
 * Every checksum is brought in line with what changed and never made anew, so that a wrong one stays wrong (RFC 3022 4.1) and the payload
 * is not touched. A frame with NEEDS_CSUM carries the uncomplemented sum of the pseudo-header, which has addresses but no
 * ports (virtio 1.2, 5.1.6.2). A UDP checksum of 0 says that there is none (RFC 768) and stays.
 */
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'
import * as vnet from '../wire/vnet.ts'

const IPV4_CHECKSUM_AT = 10
/** UDP-Lite (RFC 3828) and DCCP (RFC 4340): their checksums cover the addresses too, at the place where UDP's stands. */
const UDP_LITE = 136
const DCCP = 33
/** NEEDS_CSUM in a burst's work column, where flags stand above the GSO type */
const PARTIAL = vnet.NEEDS_CSUM << 8

export function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16)
  return (once & 0xffff) + (once >>> 16)
}

/** ~m + m' of a 32-bit field, not folded: at most 4 × 65,535. */
export function change(before: number, after: number): number {
  return (~before >>> 16) + (~before & 0xffff) + (after >>> 16) + (after & 0xffff)
}

/** Brings the checksum at `at` in line with a folded difference. */
export function mend(view: DataView, at: number, difference: number): void {
  view.setUint16(at, ~fold((~view.getUint16(at) & 0xffff) + difference))
}

/** As `mend`, for a checksum in which 0 means that there is none. */
function mendOptional(view: DataView, at: number, difference: number): void {
  const before = view.getUint16(at)
  if (before === 0) return
  const after = ~fold((~before & 0xffff) + difference) & 0xffff
  view.setUint16(at, after === 0 ? 0xffff : after)
}

/** RFC 1624 difference of the two addresses, folded: never 0. */
export function addresses(
  source: number,
  destination: number,
  newSource: number,
  newDestination: number,
): number {
  return fold(change(source, newSource) + change(destination, newDestination))
}

/**
 * Gives the IPv4 packet at `network` new addresses and, if it is TCP, UDP or an ICMP query, new `ports` (source << 16 | destination; ICMP:
 * identifier << 16). What the packet is too short for is left alone. `work` is the frame's from the burst.
 */
export function rewrite(
  view: DataView,
  network: number,
  end: number,
  source: number,
  destination: number,
  ports: number,
  work: number,
): void {
  const l3 = addresses(ipv4.source(view, network), ipv4.destination(view, network), source, destination)
  ipv4.setSource(view, network, source)
  ipv4.setDestination(view, network, destination)
  mend(view, network + IPV4_CHECKSUM_AT, l3)
  const transport = network + ipv4.headerLength(view, network)
  const protocol = ipv4.protocol(view, network)
  const room = end - transport
  if (protocol === ipv4.PROTOCOL_ICMP) {
    if (room >= icmp.HEADER_LENGTH && icmp.isQuery(icmp.type(view, transport)))
      identify(view, transport, ports >>> 16, work)
    return
  }
  if (protocol === ipv4.PROTOCOL_TCP || protocol === ipv4.PROTOCOL_UDP) {
    if (room < 4) return
    const l4 = fold(l3 + change(view.getInt32(transport), ports))
    view.setInt32(transport, ports)
    if (protocol === ipv4.PROTOCOL_TCP) {
      if (room >= tcp.CHECKSUM_AT + 2) seal(view, transport + tcp.CHECKSUM_AT, l3, l4, work, false)
    } else if (room >= udp.HEADER_LENGTH) seal(view, transport + udp.CHECKSUM_AT, l3, l4, work, true)
  } else if ((protocol === UDP_LITE || protocol === DCCP) && room >= udp.HEADER_LENGTH)
    seal(view, transport + udp.CHECKSUM_AT, l3, l3, work, false)
}

/** A transport checksum after new addresses (l3) and new addresses and ports (l4). */
function seal(view: DataView, at: number, l3: number, l4: number, work: number, isOptional: boolean): void {
  if ((work & PARTIAL) !== 0) view.setUint16(at, fold(view.getUint16(at) + l3))
  else if (isOptional) mendOptional(view, at, l4)
  else mend(view, at, l4)
}

/** A new identifier for an ICMP query; its checksum covers no addresses. */
function identify(view: DataView, at: number, identifier: number, work: number): void {
  const difference = fold((~icmp.identifier(view, at) & 0xffff) + identifier)
  icmp.setIdentifier(view, at, identifier)
  if ((work & PARTIAL) === 0) mend(view, at + icmp.CHECKSUM_AT, difference)
}

/**
 * Rewrites the packet that an ICMP error quotes, as far as it is quoted, and the error's own checksum with it. `at` is the quoted IPv4
 * header, `error` the ICMP header before it; the quoted checksums follow too, since hosts compare them.
 */
export function requote(
  view: DataView,
  error: number,
  at: number,
  end: number,
  source: number,
  destination: number,
  ports: number,
  work: number,
): void {
  const l3 = addresses(ipv4.source(view, at), ipv4.destination(view, at), source, destination)
  const transport = at + ipv4.headerLength(view, at)
  const room = end - transport
  const protocol = ipv4.protocol(view, at)
  const before = view.getUint16(at + IPV4_CHECKSUM_AT)
  ipv4.setSource(view, at, source)
  ipv4.setDestination(view, at, destination)
  mend(view, at + IPV4_CHECKSUM_AT, l3)
  let sum = l3 + (~before & 0xffff) + view.getUint16(at + IPV4_CHECKSUM_AT)
  if ((protocol === ipv4.PROTOCOL_TCP || protocol === ipv4.PROTOCOL_UDP) && room >= 4) {
    const inner = change(view.getInt32(transport), ports)
    view.setInt32(transport, ports)
    sum += inner
    const isUdp = protocol === ipv4.PROTOCOL_UDP
    const checksumAt = isUdp ? udp.CHECKSUM_AT : tcp.CHECKSUM_AT
    if (room >= checksumAt + 2) sum += remend(view, transport + checksumAt, fold(l3 + inner), isUdp)
  } else if (protocol === ipv4.PROTOCOL_ICMP && room >= icmp.HEADER_LENGTH) {
    if (icmp.isQuery(icmp.type(view, transport))) {
      const inner = fold((~icmp.identifier(view, transport) & 0xffff) + (ports >>> 16))
      icmp.setIdentifier(view, transport, ports >>> 16)
      sum += inner + remend(view, transport + icmp.CHECKSUM_AT, inner, false)
    }
  } else if ((protocol === UDP_LITE || protocol === DCCP) && room >= udp.HEADER_LENGTH)
    sum += remend(view, transport + udp.CHECKSUM_AT, l3, false)
  if ((work & PARTIAL) === 0) mend(view, error + icmp.CHECKSUM_AT, fold(sum))
}

/** Mends a quoted checksum; returns what that changes in a sum over it. */
function remend(view: DataView, at: number, difference: number, isOptional: boolean): number {
  const before = view.getUint16(at)
  if (isOptional) mendOptional(view, at, difference)
  else mend(view, at, difference)
  return (~before & 0xffff) + view.getUint16(at)
}
