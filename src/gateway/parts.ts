/** What the gateway is made of, each over its place in the arena. Cold: made once, and again when a capacity changes. */
import type { Arena } from '../memory/arena.ts'
import type { Pool } from '../memory/pool.ts'
import type { Crossing } from '../pipeline/crossing.ts'
import type { Deliver } from '../pipeline/deliver.ts'
import type { GatewayProgram } from '../pipeline/program.ts'
import type { Port } from '../port/port.ts'
import { FlowTable } from '../table/flow.ts'
import { Neighbours } from '../table/neighbour.ts'
import { Ahead } from './ahead.ts'
import { Arp } from './arp.ts'
import { Ask } from './ask.ts'
import { Conntrack } from './conntrack.ts'
import { Departure } from './departure.ts'
import { Forward } from './forward.ts'
import { Fragments } from './fragment.ts'
import { Hold } from './hold.ts'
import { Icmp } from './icmp.ts'
import { Link } from './link.ts'
import { Links } from './links.ts'
import { Nat } from './nat.ts'
import { Opening } from './opening.ts'
import { Outbox } from './outbox.ts'
import { Packet } from './packet.ts'
import { Passage } from './passage.ts'
import { Route } from './route.ts'

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

  constructor(ground: Ground, program: GatewayProgram) {
    const { arena, pool, counters, ports, none, deliver, crossing, outboxAt } = ground
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
    this.forward = new Forward(arena, this.flows, this.conntrack.tcp, this.passage, this.timeouts)
    this.ahead = new Ahead(arena, this.flows, this.nat.bindings)
    this.icmp = new Icmp(arena.u8, view, pool, this.outbox)
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
  }
}
