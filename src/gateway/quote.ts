// Hot: asked for packets that nobody took, a few a second.
/** A packet that was translated and then found no way goes back into its sender's words before an ICMP error quotes it. */
import { checksum } from '../memory/checksum.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'
import * as vnet from '../wire/vnet.ts'

/** Gives the packet of the frame at `at` addresses and ports (as Packet.ports) again, and checksums that go with them. */
export function restore(
  view: DataView,
  at: number,
  source: number,
  destination: number,
  ports: number,
): void {
  const network = at + ethernet.HEADER_LENGTH
  const header = ipv4.headerLength(view, network)
  const transport = network + header
  const protocol = ipv4.protocol(view, network)
  const place = checksumAt(protocol)
  const isPartial = vnet.isPartial(view, at - vnet.LENGTH, transport - at)
  const withPorts = protocol !== ipv4.PROTOCOL_ICMP
  let sum = 0
  if (withPorts) sum = minus(sum, words(view, network + 12, 2))
  if (place >= 0) {
    if (withPorts) {
      sum = minus(sum, words(view, transport, 1))
      view.setInt32(transport, ports)
    } else {
      sum = minus(sum, icmp.identifier(view, transport))
      icmp.setIdentifier(view, transport, ports >>> 16)
    }
  }
  ipv4.setSource(view, network, source)
  ipv4.setDestination(view, network, destination)
  ipv4.setChecksum(view, network, 0)
  ipv4.setChecksum(view, network, ~checksum(network, header, 0) & 0xffff)
  if (place < 0 || isPartial) return
  const before = view.getUint16(transport + place)
  if (before === 0 && protocol === ipv4.PROTOCOL_UDP) return
  if (withPorts) sum = plus(plus(sum, words(view, network + 12, 2)), words(view, transport, 1))
  else sum = plus(sum, ports >>> 16)
  const after = ~plus(~before & 0xffff, sum) & 0xffff
  view.setUint16(transport + place, after === 0 && protocol === ipv4.PROTOCOL_UDP ? 0xffff : after)
}

/** Where a transport header has its checksum, -1 if it is none that is translated. */
function checksumAt(protocol: number): number {
  if (protocol === ipv4.PROTOCOL_TCP) return tcp.CHECKSUM_AT
  if (protocol === ipv4.PROTOCOL_UDP) return udp.CHECKSUM_AT
  return protocol === ipv4.PROTOCOL_ICMP ? icmp.CHECKSUM_AT : -1
}

/** Ones' complement sum of `count` int32. */
function words(view: DataView, at: number, count: number): number {
  let sum = 0
  for (let i = 0; i < count * 2; i++) sum = plus(sum, view.getUint16(at + i * 2))
  return sum
}

function plus(sum: number, value: number): number {
  const total = sum + value
  return (total & 0xffff) + (total >>> 16)
}

function minus(sum: number, value: number): number {
  return plus(sum, ~value & 0xffff)
}
