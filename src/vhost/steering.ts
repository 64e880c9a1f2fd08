// Hot: which of several pairs of rings a frame for a guest goes to. Cost: a few loads a frame, only where there are several.
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'

/** 2^32 divided by the golden ratio: neighbouring values become distant ones (Knuth, Multiplicative hashing). */
const GOLDEN = 0x9e3779b1
const TCP_OR_UDP_LENGTH_MIN = 8

/** A number that all frames of a flow share, both directions alike: of addresses and ports in IPv4, else of the stations. */
export function hash(view: DataView, at: number, length: number): number {
  const network = at + ethernet.HEADER_LENGTH
  const isFour = ethernet.type(view, at) === ethernet.TYPE_IPV4 && length >= ethernet.HEADER_LENGTH + 20
  let mixed = ethernet.destinationLow(view, at) ^ ethernet.sourceLow(view, at)
  if (isFour) {
    mixed = ipv4.source(view, network) ^ ipv4.destination(view, network)
    const transport = network + ipv4.headerLength(view, network)
    const protocol = ipv4.protocol(view, network)
    const hasPorts = protocol === ipv4.PROTOCOL_TCP || protocol === ipv4.PROTOCOL_UDP
    // A fragment but the first has no ports, and all of a packet shall go one way.
    if (hasPorts && ipv4.fragment(view, network) === 0 && transport + TCP_OR_UDP_LENGTH_MIN <= at + length)
      mixed ^= view.getUint16(transport) ^ view.getUint16(transport + 2)
  }
  const spread = Math.imul(mixed, GOLDEN)
  return (spread ^ (spread >>> 15)) >>> 0
}
