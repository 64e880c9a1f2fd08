// Hot: the packet that the slow path is looking at; one object for life, its fields are integers.
/**
 * A first packet, an error, a fragment: what the straight loop does not pass through is examined one at a time, and this is what
 * the parts of the gateway tell each other about it. `ports` is source << 16 | destination for TCP and UDP, and
 * identifier << 16 | type << 8 | code for ICMP queries, 0 for all else.
 */
import { PORT_COUNT_MAX } from '../memory/counters.ts'
import type { Port } from '../port/port.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as vnet from '../wire/vnet.ts'
import type { Link } from './link.ts'

/** What conntrack says of a packet (nf_conntrack's words). */
export const NEW = 0
export const ESTABLISHED = 1
export const RELATED = 2
export const INVALID = 3
export const UNTRACKED = 4

/** Where packets come in that the gateway sends itself: behind the last index of a port. */
export const OWN = PORT_COUNT_MAX

/** What a part of the gateway says of a packet that it is done with and that is no drop: answered, kept, copied. */
export const TAKEN = -2

const PARTIAL = vnet.NEEDS_CSUM << 8

export class Packet {
  /** position in the burst, -1 for a packet that is in none */
  position = -1
  frame = -1
  /** offset of the Ethernet header, and the frame's length in bytes */
  at = 0
  length = 0
  /** offset of the IPv4 header, of what follows it, and of the first byte behind the packet */
  network = 0
  transport = 0
  end = 0
  /** flags and GSO type of the vnet header as one number, as in the burst's column; once read, NEEDS_CSUM speaks of its own transport only */
  work = 0
  /** length of the largest fragment that it came in, 0 if it came whole; it leaves in pieces no larger */
  largest = 0
  source = 0
  destination = 0
  protocol = 0
  ports = 0
  /** where it entered; its row counts the drops */
  port: Port
  ingress: Link
  /** index of the gateway's port that its flow knows it by: of the ingress, or OWN */
  entry = 0
  /** the conntrack zone */
  zone = 0
  /** NEW to UNTRACKED */
  state = NEW
  /** flow << 1 | direction, -1 if it has none; direction 0 is original, 1 reply. For an ICMP error the direction that it travels itself. */
  flow = -1
  /** whether its flow counts it: not if conntrack passes it on without a look at what it says, nor an ICMP error */
  counts = false
  /** The reply tuple that a new flow will have: untranslated at first, then changed by prerouting and postrouting. */
  replySource = 0
  replyDestination = 0
  replyPorts = 0
  /** the endpoint binding that a new flow will hold, -1 for none */
  binding = -1

  constructor(port: Port, ingress: Link) {
    this.port = port
    this.ingress = ingress
  }

  /** Reads addresses, protocol and ports of a whole, unfragmented packet whose header was checked. */
  read(view: DataView): void {
    const { network } = this
    this.transport = network + ipv4.headerLength(view, network)
    this.end = network + ipv4.totalLength(view, network)
    this.source = ipv4.source(view, network)
    this.destination = ipv4.destination(view, network)
    this.protocol = ipv4.protocol(view, network)
    this.ports = portsOf(view, this.transport, this.end, this.protocol)
    if (!vnet.isPartial(view, this.at - vnet.LENGTH, this.transport - this.at)) this.work &= ~PARTIAL
    this.zone = this.ingress.zone
    this.entry = this.ingress.port.index
    this.flow = -1
    this.counts = false
    this.state = NEW
    this.binding = -1
  }

  /** Places the packet of frame `frame`, whose Ethernet header begins at `at`. */
  place(position: number, frame: number, at: number, length: number, work: number): void {
    this.position = position
    this.frame = frame
    this.at = at
    this.length = length
    this.work = work
    this.largest = 0
    this.network = at + ethernet.HEADER_LENGTH
  }
}

/** The ports of a transport header as one int32; 0 where there are none or the header is cut off. */
export function portsOf(view: DataView, at: number, end: number, protocol: number): number {
  if (protocol === ipv4.PROTOCOL_TCP || protocol === ipv4.PROTOCOL_UDP)
    return at + 4 <= end ? view.getInt32(at) : 0
  if (protocol !== ipv4.PROTOCOL_ICMP || at + icmp.HEADER_LENGTH > end) return 0
  if (!icmp.isQuery(icmp.type(view, at))) return 0
  return (icmp.identifier(view, at) << 16) | view.getUint16(at)
}
