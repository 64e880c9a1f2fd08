/** What the gateway is made of, each over its place in the arena. Cold: made once, and again when a capacity changes. */
import { Engine } from '../chain/engine.ts'
import { COUNT } from '../chain/registers.ts'
import type { Arena } from '../memory/arena.ts'
import type { Pool } from '../memory/pool.ts'
import type { Crossing } from '../pipeline/crossing.ts'
import type { Deliver } from '../pipeline/deliver.ts'
import type { GatewayProgram } from '../pipeline/program.ts'
import type { Port } from '../port/port.ts'
import { Chronicle } from '../table/chronicle.ts'
import { FlowTable } from '../table/flow.ts'
import { Neighbours } from '../table/neighbour.ts'
import { Tally } from '../table/tally.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { Ahead } from './ahead.ts'
import { Arp } from './arp.ts'
import { Ask } from './ask.ts'
import { Bridged } from './bridged.ts'
import { Chains } from './chains.ts'
import { Conntrack } from './conntrack.ts'
import { Departure } from './departure.ts'
import { Forward } from './forward.ts'
import { Fragments } from './fragment.ts'
import { Hold } from './hold.ts'
import { Icmp } from './icmp.ts'
import { Link } from './link.ts'
import { Links } from './links.ts'
import { Local } from './local.ts'
import { Nat } from './nat.ts'
import { Opening } from './opening.ts'
import { Outbox } from './outbox.ts'
import { Packet } from './packet.ts'
import { Passage } from './passage.ts'
import { Range } from './range.ts'
import { Reject } from './reject.ts'
import { Route } from './route.ts'
import { Ruled } from './ruled.ts'
import { Served } from './served.ts'
import { offered } from './service.ts'
import { Standing } from './standing.ts'
import { Trails } from './trail.ts'

/** What every stage of a worker shares. */
export interface Ground {
  arena: Arena
  pool: Pool
  counters: Float64Array
  ports: Port[]
  none: Port
  deliver: Deliver
  crossing: Crossing
  /** a burst block for the gateway's own frames, bytes */
  outboxAt: number
  /** the clock that the worker reads with every wait, bytes */
  clockAt: number
}

export class Parts {
  readonly arena: Arena
  readonly pool: Pool
  readonly counters: Float64Array
  readonly ports: Port[]
  readonly links: Links
  readonly timeouts: Int32Array
  readonly packet: Packet
  readonly outbox: Outbox
  readonly flows: FlowTable
  readonly neighbours: Neighbours
  readonly passage: Passage
  readonly conntrack: Conntrack
  readonly nat: Nat
  readonly route: Route
  readonly forward: Forward
  readonly ahead: Ahead
  readonly icmp: Icmp
  readonly ask: Ask
  readonly arp: Arp
  readonly hold: Hold
  readonly fragments: Fragments
  readonly opening: Opening
  readonly departure: Departure
  readonly chains: Chains
  readonly range: Range
  readonly reject: Reject
  readonly ruled: Ruled
  readonly local: Local
  readonly bridged: Bridged
  readonly served: Served
  private readonly clockAt: number

  constructor(ground: Ground, program: GatewayProgram) {
    const { arena, pool, counters, ports, none, deliver, crossing, outboxAt, clockAt } = ground
    const { view } = arena
    const nowhere = new Link(none.network, none)
    this.arena = arena
    this.pool = pool
    this.counters = counters
    this.ports = ports
    this.links = new Links()
    this.timeouts = Int32Array.from(program.timeouts)
    this.packet = new Packet(none, nowhere)
    this.outbox = new Outbox(arena, pool, deliver, crossing, outboxAt)
    this.flows = new FlowTable(arena, program.flowsAt, program.flowCapacity)
    this.neighbours = new Neighbours(arena, program.neighboursAt, program.neighbourCapacity)
    this.passage = new Passage(this.links, this.neighbours, ports)
    this.conntrack = new Conntrack(view, this.flows, this.timeouts)
    this.nat = new Nat(arena, this.flows, program.bindingsAt, program.bindingCapacity)
    this.flows.holder = this.nat
    this.route = new Route(this.links, nowhere)
    this.ahead = new Ahead(arena, this.flows, this.nat.bindings)
    this.icmp = new Icmp(arena.u8, view, pool, this.outbox, this.links)
    this.ask = new Ask(view, pool, this.outbox)
    this.fragments = new Fragments(arena, pool, counters, ports, this.outbox, this.icmp)
    this.hold = new Hold(
      view,
      pool,
      counters,
      ports,
      this.neighbours,
      this.ask,
      this.icmp,
      this.fragments,
      this.outbox,
    )
    this.arp = new Arp(view, this.neighbours, this.ask, this.hold)
    this.opening = new Opening(this)
    this.departure = new Departure(this)
    const x = new Int32Array(COUNT)
    const { tallyAt, journalAt } = program
    const tally = new Tally(arena, tallyAt)
    const addresses = new Standing(this.links)
    const engine = new Engine({ arena, flows: this.flows, addresses, x, journalAt }, tally)
    this.chains = new Chains(arena, engine, tally, this.flows, addresses)
    const trails = new Trails(arena, this.chains, this.flows, this.links, this.passage, counters)
    this.forward = new Forward(arena, this.flows, this.conntrack.tcp, this.passage, this.timeouts, trails)
    this.range = new Range(this.flows, x)
    this.reject = new Reject(view, pool, this.outbox, this.icmp, x)
    this.ruled = new Ruled(this, nowhere)
    this.local = new Local(this, new Packet(none, nowhere))
    this.bridged = new Bridged(this)
    this.served = new Served(this)
    this.clockAt = clockAt
  }

  /** From now on begins and ends of flows are written to the region at `at`; 0: nowhere. */
  chronicle(at: number): void {
    const { arena, flows, clockAt } = this
    if (at === (flows.chronicle?.at ?? 0)) return
    flows.chronicle = at === 0 ? null : new Chronicle(arena, at, clockAt, flows.words)
  }

  /** The service of the control thread that the packet at hand asks for, as a bit of pipeline/program.ts; 0 for none. */
  service(): number {
    const { packet } = this
    if (packet.protocol !== ipv4.PROTOCOL_UDP) return 0
    const ports = packet.flow < 0 ? packet.replyPorts : this.departure.ports(packet.flow)
    return offered(packet.ingress, packet.replySource, ports >>> 16)
  }
}
