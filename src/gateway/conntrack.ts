// Hot: connection tracking, for the packets that forward.ts does not pass by itself.
/**
 * What a packet is to the connections that are known, in nf_conntrack's words: `look` finds its flow, or says that it may begin one
 * (NEW), belongs to another as an error (RELATED) or to none (INVALID); `confirm` makes the flow once the packet has passed everything.
 */
import { checksum } from '../memory/checksum.ts'
import * as reason from '../pipeline/reason.ts'
import { CLOSED, TIMEOUT } from '../table/chronicle.ts'
import {
  ASSURED,
  BEGIN,
  BINDING,
  BYTES,
  CLASH,
  DEADLINE,
  DESTINATION,
  DNAT,
  FAST,
  type FlowTable,
  NETWORKS,
  PACKETS,
  REPLY,
  SEEN_REPLY,
  SNAT,
  STATUS,
  WORDS,
} from '../table/flow.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as header from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'
import { ESTABLISHED, INVALID, NEW, OWN, type Packet, portsOf, RELATED } from './packet.ts'
import { ACCEPTED, IGNORED, REOPENED, Tcp } from './tcp.ts'
import { GENERIC, GRE, GRE_STREAM, ICMP, UDP, UDP_STREAM } from './timeout.ts'

const PROTOCOL_GRE = 47
/** A UDP flow that is answered and goes on for longer is a stream, as nf_conntrack_proto_udp has it. */
const STREAM_MS = 2000
/** Flags of the vnet header in `Packet.work` that stand in for a checksum: NEEDS_CSUM and DATA_VALID (virtio 1.2, 5.1.6). */
const VOUCHED = 0x0300
const TCP_EVENTS = header.SYN | header.FIN | header.RST

/** The ports word of the answer to a packet. */
export function inversePorts(protocol: number, ports: number): number {
  if (protocol !== ipv4.PROTOCOL_ICMP) return (ports << 16) | (ports >>> 16)
  if (ports === 0) return 0
  return (ports & ~0xff00) | (icmp.inverse((ports >>> 8) & 0xff) << 8)
}

/** SNAT and DNAT of a packet by the reply tuple that was chosen for it. */
function translations(packet: Packet): number {
  const { protocol, ports, replyPorts } = packet
  const changed = inversePorts(protocol, ports) ^ replyPorts
  const isQuery = protocol === ipv4.PROTOCOL_ICMP
  let status = 0
  if (packet.replyDestination !== packet.source || (isQuery ? changed : changed << 16) !== 0) status |= SNAT
  if (packet.replySource !== packet.destination || (!isQuery && changed >>> 16 !== 0)) status |= DNAT
  return status
}

export class Conntrack {
  readonly tcp: Tcp
  private readonly view: DataView
  private readonly flows: FlowTable
  private readonly timeouts: Int32Array

  /** `timeouts` in milliseconds, as in timeout.ts. */
  constructor(view: DataView, flows: FlowTable, timeouts: Int32Array) {
    this.view = view
    this.flows = flows
    this.timeouts = timeouts
    this.tcp = new Tcp(view, flows, timeouts)
  }

  /**
   * Says what a whole packet is: sets its `state`, `flow` and for one without a flow the reply tuple. Returns -1, or the reason why
   * it cannot go on (its state is INVALID then). A packet of a flow that nobody has answered is NEW and has a flow.
   */
  look(packet: Packet, now: number): number {
    const { protocol, transport } = packet
    packet.flow = -1
    packet.counts = false
    packet.state = INVALID
    if (protocol === ipv4.PROTOCOL_ICMP && transport + icmp.HEADER_LENGTH <= packet.end) {
      if (icmp.isError(icmp.type(this.view, transport))) return this.relate(packet, now)
    }
    const why = this.check(packet)
    if (why >= 0) return why
    const id = this.find(packet, packet.source, packet.destination, packet.ports, now)
    if (id < 0) return this.begin(packet)
    if (this.isAstray(packet, id)) return reason.MARTIAN
    const flow = id >> 1
    const direction = id & 1
    if (protocol === ipv4.PROTOCOL_TCP) {
      const answer = this.tcp.track(flow, direction, transport, packet.end, now)
      if (answer === REOPENED) {
        this.flows.remove(flow, CLOSED)
        return this.begin(packet)
      }
      if (answer !== ACCEPTED && answer !== IGNORED) return reason.CONNTRACK_INVALID
      packet.counts = answer === ACCEPTED
    } else {
      packet.counts = true
      this.refresh(flow, protocol, now)
    }
    const f = flow * WORDS
    const { words } = this.flows
    if (direction === 1) this.answered(flow)
    packet.flow = id
    packet.state = (words[f + STATUS] & SEEN_REPLY) !== 0 ? ESTABLISHED : NEW
    return -1
  }

  /** A flow is answered: from now on rules may say otherwise of its packets. */
  private answered(flow: number): void {
    const { words, trails } = this.flows
    if ((words[flow * WORDS + STATUS] & SEEN_REPLY) !== 0) return
    words[flow * WORDS + STATUS] |= SEEN_REPLY
    trails[flow] = 0
  }

  /** Makes the flow of a packet that `look` found NEW without one: its number, or -1 - the reason why there is none. */
  confirm(packet: Packet, now: number): number {
    const { flows } = this
    const { words } = flows
    const { protocol, source, destination, ports, replySource, replyDestination, replyPorts } = packet
    const kind = protocol | (packet.zone << 8)
    const deadline = (now + this.timeouts[this.first(protocol)]) | 0
    const flow = flows.create(
      source,
      destination,
      ports,
      kind,
      replySource,
      replyDestination,
      replyPorts,
      deadline,
    )
    if (flow < 0) return -1 - (flow === CLASH ? reason.CONNTRACK_INVALID : reason.FLOWS_FULL)
    const f = flow * WORDS
    words[f + BINDING] = packet.binding
    words[f + STATUS] |= translations(packet)
    if (protocol === ipv4.PROTOCOL_TCP) this.tcp.open(flow, packet.transport, packet.end, now)
    else words[f + BEGIN] = now
    if (protocol === ipv4.PROTOCOL_UDP) words[f + STATUS] |= FAST
    packet.flow = flow << 1
    return flow
  }

  /** Counts a packet of `bytes` for a flow << 1 | direction. */
  account(id: number, bytes: number): void {
    const { words, f64 } = this.flows
    const flow = id >> 1
    words[flow * WORDS + PACKETS + (id & 1)]++
    f64[flow * (WORDS / 2) + BYTES + (id & 1)] += bytes
  }

  /** Ends flows that are over, among the next `share`; returns how many. Call it regularly. */
  expire(share: number, now: number): number {
    const { flows } = this
    const { words, high } = flows
    const end = Math.min(share, high)
    let next = flows.next
    for (let i = 0; i < end; i++) {
      if (next > high) next = 1
      const f = next++ * WORDS
      const status = words[f + STATUS]
      // Packets of a flow pass without a look at its age: what has become a stream is seen here.
      if ((status & (0xff | SEEN_REPLY | ASSURED)) === (ipv4.PROTOCOL_UDP | SEEN_REPLY)) this.stream(f)
    }
    return flows.expire(share, now)
  }

  /** A UDP flow whose last packet came long enough after its first is a stream. */
  private stream(f: number): void {
    const { timeouts } = this
    const { words } = this.flows
    const last = (words[f + DEADLINE] - timeouts[UDP]) | 0
    if (((last - words[f + BEGIN]) | 0) <= STREAM_MS) return
    words[f + STATUS] |= ASSURED
    words[f + DEADLINE] = (last + timeouts[UDP_STREAM]) | 0
  }

  /** flow << 1 | direction of a key whose flow has not expired, or -1. */
  private find(packet: Packet, source: number, destination: number, ports: number, now: number): number {
    const { flows } = this
    const id = flows.find(source, destination, ports, packet.protocol | (packet.zone << 8))
    if (id < 0 || ((flows.words[(id >> 1) * WORDS + DEADLINE] - now) | 0) > 0) return id
    flows.remove(id >> 1, TIMEOUT)
    return -1
  }

  /** True if the packet did not come in where its flow's packets of this direction do: it is forged, and changes nothing. The gateway forges nothing. */
  private isAstray(packet: Packet, id: number): boolean {
    if (packet.entry === OWN) return false
    const ports = this.flows.words[(id >> 1) * WORDS + NETWORKS]
    return ((id & 1) === 0 ? ports >>> 16 : ports & 0xffff) !== packet.entry
  }

  /** A packet without a flow: it may begin one, or it is INVALID. */
  private begin(packet: Packet): number {
    const { protocol, transport, end, ports } = packet
    if (protocol === ipv4.PROTOCOL_TCP && !this.tcp.opens(transport, end)) return reason.CONNTRACK_INVALID
    if (protocol === ipv4.PROTOCOL_ICMP && !icmp.isRequest(icmp.type(this.view, transport)))
      return reason.CONNTRACK_INVALID
    packet.state = NEW
    packet.counts = true
    packet.replySource = packet.destination
    packet.replyDestination = packet.source
    packet.replyPorts = inversePorts(protocol, ports)
    return -1
  }

  /** The timeout of a flow of which one packet was seen. */
  private first(protocol: number): number {
    if (protocol === ipv4.PROTOCOL_UDP) return UDP
    if (protocol === ipv4.PROTOCOL_ICMP) return ICMP
    return protocol === PROTOCOL_GRE ? GRE : GENERIC
  }

  /** Puts off the deadline of a flow other than TCP's. */
  private refresh(flow: number, protocol: number, now: number): void {
    const { words } = this.flows
    const f = flow * WORDS
    const isAnswered = (words[f + STATUS] & SEEN_REPLY) !== 0
    let timeout = this.first(protocol)
    if (protocol === ipv4.PROTOCOL_UDP && isAnswered && ((now - words[f + BEGIN]) | 0) > STREAM_MS)
      timeout = UDP_STREAM
    else if (protocol === PROTOCOL_GRE && isAnswered) timeout = GRE_STREAM
    if (timeout === UDP_STREAM || timeout === GRE_STREAM) words[f + STATUS] |= ASSURED
    words[f + DEADLINE] = (now + this.timeouts[timeout]) | 0
  }

  /** The transport header must be whole, and where it decides over the flow its checksum right: -1, or why not. */
  private check(packet: Packet): number {
    const { view } = this
    const { protocol, transport, end } = packet
    if (protocol === ipv4.PROTOCOL_TCP) {
      if (!this.tcp.isValid(transport, end)) return reason.CONNTRACK_INVALID
      if ((header.flags(view, transport) & TCP_EVENTS) === 0) return -1
      return this.isSound(packet) ? -1 : reason.BAD_CHECKSUM
    }
    const room = end - transport
    if (protocol === ipv4.PROTOCOL_UDP) {
      if (room < udp.HEADER_LENGTH) return reason.CONNTRACK_INVALID
      const length = udp.length(view, transport)
      return length < udp.HEADER_LENGTH || length > room ? reason.CONNTRACK_INVALID : -1
    }
    if (protocol !== ipv4.PROTOCOL_ICMP) return -1
    return room < icmp.HEADER_LENGTH || !icmp.isQuery(icmp.type(view, transport))
      ? reason.CONNTRACK_INVALID
      : -1
  }

  /** True if the checksum of a TCP segment or an ICMP message is right, or the sender's host vouches for it. */
  private isSound(packet: Packet): boolean {
    const { protocol, transport, end, source, destination } = packet
    if ((packet.work & VOUCHED) !== 0) return true
    let sum = 0
    if (protocol === ipv4.PROTOCOL_TCP) {
      sum = (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff)
      sum += protocol + end - transport
      sum = (sum & 0xffff) + (sum >>> 16)
      sum = (sum & 0xffff) + (sum >>> 16)
    }
    return checksum(transport, end - transport, sum) === 0xffff
  }

  /**
   * An ICMP error belongs to the flow whose packet it carries: that packet, turned around, travels as the error does. It must go to where
   * that flow's packets of this direction go, so nobody can be told lies about the connections of others.
   */
  private relate(packet: Packet, now: number): number {
    const { view, flows } = this
    const inner = packet.transport + icmp.HEADER_LENGTH
    const { end } = packet
    if (!this.isSound(packet)) return reason.BAD_CHECKSUM
    if (inner + ipv4.HEADER_LENGTH > end || ipv4.version(view, inner) !== 4) return reason.CONNTRACK_INVALID
    const length = ipv4.headerLength(view, inner)
    // RFC 792: eight bytes of the packet follow its header at least.
    if (length < ipv4.HEADER_LENGTH || inner + length + 8 > end) return reason.CONNTRACK_INVALID
    // RFC 5508, REQ-3 a: a quoted header whose checksum is wrong says nothing reliable; the quoted transport's is not looked at.
    if (checksum(inner, length, 0) !== 0xffff) return reason.BAD_CHECKSUM
    if ((ipv4.fragment(view, inner) & 0x1fff) !== 0) return reason.CONNTRACK_INVALID
    const protocol = ipv4.protocol(view, inner)
    const ports = inversePorts(protocol, portsOf(view, inner + length, end, protocol))
    const kind = protocol | (packet.zone << 8)
    const id = flows.find(ipv4.destination(view, inner), ipv4.source(view, inner), ports, kind)
    if (id < 0) return reason.CONNTRACK_INVALID
    if (this.isAstray(packet, id)) return reason.MARTIAN
    const f = (id >> 1) * WORDS
    if (((flows.words[f + DEADLINE] - now) | 0) <= 0) return reason.CONNTRACK_INVALID
    if (flows.words[f + (id & 1) * REPLY + DESTINATION] !== packet.destination)
      return reason.CONNTRACK_INVALID
    packet.flow = id
    packet.state = RELATED
    return -1
  }
}
