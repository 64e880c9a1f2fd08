// Hot: what the rules are asked about a packet, hook by hook; they see it as the kernel's would at that hook.
/** Fills the registers from the packet at hand and runs the chains, for the slow path: one packet and one hook after the other. The straight loop asks by trail.ts. */
import type { Engine } from '../chain/engine.ts'
import type { Names } from '../chain/plan.ts'
import * as r from '../chain/registers.ts'
import type { Arena } from '../memory/arena.ts'
import { PORT_COUNT_MAX } from '../memory/counters.ts'
import * as reason from '../pipeline/reason.ts'
import { GENERATION_MASK, RULE_SHIFT } from '../pipeline/record.ts'
import {
  BYTES,
  DESTINATION,
  type FlowTable,
  MARK,
  PACKETS,
  PORTS,
  REPLY,
  SOURCE,
  STATUS,
  WORDS,
} from '../table/flow.ts'
import type { Tally } from '../table/tally.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { Link } from './link.ts'
import { ESTABLISHED, NEW, type Packet, RELATED, UNTRACKED } from './packet.ts'
import type { Standing } from './standing.ts'

const SCTP = 132
const UDP_LITE = 136
const DCCP = 33

/** Ports, and networks with those that lead outside, have indexes below this. */
const PLACES = 4 * PORT_COUNT_MAX

export class Chains {
  readonly engine: Engine
  readonly x: Int32Array
  readonly tally: Tally
  readonly standing: Standing
  private readonly view: DataView
  private readonly flows: FlowTable
  /** numbers of names, by port and by network */
  readonly portNames = new Int32Array(PLACES)
  readonly networkNames = new Int32Array(PLACES)

  constructor(arena: Arena, engine: Engine, tally: Tally, flows: FlowTable, standing: Standing) {
    this.engine = engine
    this.tally = tally
    this.standing = standing
    this.x = engine.x
    this.view = arena.view
    this.flows = flows
  }

  /** True if there is anything to ask. */
  get active(): boolean {
    return this.engine.active
  }

  /** Takes over what bears the names that rules mention. Cold. */
  name(names: Names): void {
    this.portNames.fill(0)
    this.portNames.set(names.ports)
    this.networkNames.fill(0)
    this.networkNames.set(names.networks)
    this.engine.names = names
    this.flows.trails.fill(0)
  }

  /** Another ruleset is in force: what the one before said of flows is forgotten. Cold. */
  turn(): void {
    if (this.engine.names !== null) this.name(this.engine.names)
    this.flows.trails.fill(0)
  }

  /** A packet that has just come in, or that the gateway sends itself: nothing is known of its connection yet. */
  enter(packet: Packet, now: number): void {
    const { x } = this
    x[r.SOURCE] = packet.source
    x[r.DESTINATION] = packet.destination
    x[r.PROTOCOL] = packet.protocol
    x[r.PORTS] = this.portsOf(packet)
    x[r.IN_NETWORK] = this.networkNames[packet.ingress.network.index]
    x[r.IN_PORT] = this.portNames[packet.port.index]
    x[r.IN_INDEX] = packet.port.index + 1
    this.standing.ingress = packet.ingress
    x[r.LENGTH] = packet.end - packet.network
    x[r.AT] = packet.at
    x[r.NETWORK] = packet.network
    x[r.TRANSPORT] = packet.transport
    x[r.END] = packet.end
    x[r.NOW] = now
    x[r.TYPE] = typeOf(
      ethernet.destinationHigh(this.view, packet.at),
      ethernet.destinationLow(this.view, packet.at),
    )
    x[r.MTU] = 0
    this.clear()
  }

  /** Forgets what the last packet left behind. */
  clear(): void {
    const { x } = this
    this.standing.egress = null
    x[r.OUT_NETWORK] = 0
    x[r.OUT_PORT] = 0
    x[r.OUT_INDEX] = 0
    x[r.STATE] = r.STATE_INVALID
    x[r.FLOW] = 0
    x[r.DIRECTION] = 0
    x[r.MARK] = 0
    x[r.FAST] = 0
    x[r.BRIDGED] = 0
    x[r.AGED] = 0
    x[r.MET] = 0
    x[r.VOLATILE] = 0
    x[r.NOTRACK] = 0
    x[r.ZONE] = 0
    x[r.SPOKEN] = 0
    x[r.TRACED] = 0
    x[r.EXPLICIT] = 0
  }

  /** Nothing has come in: the gateway sends the packet itself, by `egress`. */
  leave(egress: Link, port: number): void {
    const { x } = this
    x[r.IN_NETWORK] = 0
    x[r.IN_PORT] = 0
    x[r.IN_INDEX] = 0
    this.standing.ingress = null
    this.out(egress, port)
  }

  /** Conntrack has looked at the packet. */
  tracked(packet: Packet): void {
    const { x } = this
    const { state, flow } = packet
    x[r.STATE] =
      state === NEW
        ? r.STATE_NEW
        : state === ESTABLISHED
          ? r.STATE_ESTABLISHED
          : state === RELATED
            ? r.STATE_RELATED
            : state === UNTRACKED
              ? r.STATE_UNTRACKED
              : r.STATE_INVALID
    x[r.FLOW] = flow < 0 ? 0 : flow >> 1
    x[r.DIRECTION] = flow < 0 ? 0 : flow & 1
    if (flow < 0 && state === NEW) this.tentative(packet)
  }

  /** Writes the flow that a first packet would make into the words of flow 0, which is nobody's. */
  private tentative(packet: Packet): void {
    const { words } = this.flows
    words.fill(0, 0, WORDS)
    words[SOURCE] = packet.source
    words[DESTINATION] = packet.destination
    words[PORTS] = packet.ports
    words[STATUS] = packet.protocol | (packet.zone << 8)
    words[PACKETS] = 1
    this.flows.f64[BYTES] = packet.end - packet.network
    this.answer(packet)
  }

  /** The tentative flow's reply tuple, as translated so far. */
  private answer(packet: Packet): void {
    const { words } = this.flows
    words[REPLY + SOURCE] = packet.replySource
    words[REPLY + DESTINATION] = packet.replyDestination
    words[REPLY + PORTS] = packet.replyPorts
  }

  /** The mark that a first packet's rules gave to the flow. */
  get mark(): number {
    return this.flows.words[MARK]
  }

  /** From here on the packet goes to `destination`, its `ports` (source << 16 | destination) are these, and its tentative flow's bits `status` too. */
  redirect(packet: Packet, destination: number, port: number, status: number): void {
    const { x } = this
    x[r.DESTINATION] = destination
    if (packet.protocol !== ipv4.PROTOCOL_ICMP && port >= 0) x[r.PORTS] = (x[r.PORTS] & ~0xffff) | port
    if (packet.flow >= 0 || packet.state !== NEW) return
    this.answer(packet)
    this.flows.words[STATUS] |= status
  }

  /** The packet leaves by `egress`, by the port of index `port` if that is known (-1: not yet). */
  out(egress: Link, port: number): void {
    const { x } = this
    this.standing.egress = egress
    x[r.OUT_NETWORK] = this.networkNames[egress.network.index]
    x[r.OUT_PORT] = port < 0 ? 0 : this.portNames[port]
    x[r.OUT_INDEX] = (port < 0 ? egress.port.index : port) + 1
  }

  /** Runs one base chain: a verdict of registers.ts. What was met counts once `settle` is called. */
  ask(table: number, hook: number): number {
    return this.engine.run(table, hook)
  }

  /** Counts what the packet met. */
  settle(bytes: number): void {
    this.engine.settle(bytes)
  }

  /** The rule or policy that was met last when something was counted, as captures tell of it: see RULE_SHIFT in record.ts. */
  get decided(): number {
    return ((this.engine.last + 1) << RULE_SHIFT) | (this.engine.edition & GENERATION_MASK)
  }

  /** The packet will be looked at again, from the beginning: what it met does not count. */
  forget(): void {
    this.x[r.MET] = 0
  }

  /** As `ask`, for hooks that only let pass or not: -1, or the reason to drop the packet. */
  permits(table: number, hook: number): number {
    const verdict = this.engine.run(table, hook)
    if (verdict === r.DROP) return reason.RULE_DROPPED
    return verdict === r.REJECTED ? reason.RULE_REJECTED : -1
  }

  /** What the register PORTS holds for a packet. */
  private portsOf(packet: Packet): number {
    const { view } = this
    const { protocol, transport, end } = packet
    if (protocol === ipv4.PROTOCOL_TCP || protocol === ipv4.PROTOCOL_UDP) return packet.ports
    if (transport + 4 > end) return 0
    if (protocol === ipv4.PROTOCOL_ICMP) return (icmp.type(view, transport) << 8) | icmp.code(view, transport)
    return protocol === SCTP || protocol === UDP_LITE || protocol === DCCP ? view.getInt32(transport) : 0
  }
}

/** PACKET_HOST, PACKET_BROADCAST or PACKET_MULTICAST of a frame that the gateway got. */
function typeOf(high: number, low: number): number {
  if ((high & ethernet.GROUP) === 0) return 0
  return high === 0xffff && low === -1 ? 1 : 2
}
