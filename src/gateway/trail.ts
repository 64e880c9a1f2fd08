// Hot: what the rules say of packets in the straight loop. Cost: see npm run bench.
/**
 * A packet of a flow under way is asked about once. If only such things were asked as are the same for all packets of its flow and direction,
 * and they let it pass, what it met is kept as a trail: the next ones count that. Else each packet is asked about, and where a rule would
 * remember or change something, the slow path is.
 */
import * as r from '../chain/registers.ts'
import { FILTER, FORWARD, MANGLE, POSTROUTING, PREROUTING, RAW } from '../chain/rule.ts'
import type { Arena } from '../memory/arena.ts'
import { DROPS, rowOf } from '../memory/counters.ts'
import { type Burst, dropped } from '../pipeline/burst.ts'
import { SERVICES } from '../pipeline/program.ts'
import * as reason from '../pipeline/reason.ts'
import { type FlowTable, NETWORKS, PORTS, REPLY, SEEN_REPLY, SOURCE, STATUS, WORDS } from '../table/flow.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { Chains } from './chains.ts'
import type { Link } from './link.ts'
import type { Links } from './links.ts'
import type { Passage } from './passage.ts'

/** bytes of Ethernet and IPv4 header in the straight loop */
const HEADERS = 34
/** What the straight loop is told: the packet goes on, the slow path is to look, it ends here. */
export const PASS = 0
export const ODD = 1
export const GONE = 2

export class Trails {
  private readonly chains: Chains
  private readonly x: Int32Array
  private readonly view: DataView
  private readonly flows: FlowTable
  private readonly links: Links
  private readonly passage: Passage
  private readonly counters: Float64Array

  constructor(
    arena: Arena,
    chains: Chains,
    flows: FlowTable,
    links: Links,
    passage: Passage,
    counters: Float64Array,
  ) {
    this.chains = chains
    this.x = chains.x
    this.view = arena.view
    this.flows = flows
    this.links = links
    this.passage = passage
    this.counters = counters
  }

  /** True if rules are in force. */
  get active(): boolean {
    return this.chains.engine.active
  }

  /** What rules say of the packet at position `i` of flow << 1 | direction: PASS, ODD, or GONE; `count` has to follow unless ODD. */
  ask(burst: Burst, i: number, id: number, now: number): number {
    return this.trail(id) !== 0 ? PASS : this.weigh(burst, i, id, now)
  }

  /** Counts the packet that `ask` was about last; false if it ends here. */
  count(burst: Burst, i: number, id: number, total: number, ruled: number): boolean {
    const { tally } = this.chains
    const trail = this.trail(id)
    if (trail !== 0) {
      tally.trailPackets[trail]++
      tally.trailBytes[trail] += total
      return true
    }
    this.note(id, total, ruled === PASS)
    if (ruled === PASS) return true
    this.counters[rowOf(burst.ingress[i]) + DROPS + reason.RULE_DROPPED]++
    burst.verdict[i] = dropped(reason.RULE_DROPPED)
    burst.rule[i] = this.chains.decided
    return false
  }

  /**
   * About the packet at position `i` of a confirmed flow << 1 | direction in the straight loop, whose way is known:
   * PASS, GONE, or ODD if the slow path is to ask. Nothing is changed or counted.
   */
  private weigh(burst: Burst, i: number, id: number, now: number): number {
    const { x, links } = this
    const { words } = this.flows
    const { way } = this.passage
    const ingress = links.at[way.ingress]
    // What our own services hear and say passes other hooks.
    if (ingress === null || ingress.role === SERVICES) return ODD
    this.begin(burst, i, ingress, now)
    // What the raw table drops conntrack must not see.
    if (this.chains.engine.run(RAW, PREROUTING) !== r.ACCEPT) return this.odd()
    this.tracked(id)
    const before = this.chains.engine.run(MANGLE, PREROUTING)
    if (before !== r.ACCEPT) return before === r.DROP ? GONE : this.odd()
    const f = (id >> 1) * WORDS
    const other = f + REPLY - (id & 1) * REPLY
    const egress = links.at[(id & 1) === 0 ? words[f + NETWORKS] & 0xffff : words[f + NETWORKS] >>> 16]
    if (egress === null || egress.role === SERVICES) return this.odd()
    x[r.DESTINATION] = words[other + SOURCE]
    x[r.PORTS] = (x[r.PORTS] & ~0xffff) | (words[other + PORTS] >>> 16)
    x[r.AGED] = 1
    this.chains.out(egress, way.port)
    let verdict = this.chains.engine.run(MANGLE, FORWARD)
    if (verdict === r.ACCEPT) verdict = this.chains.engine.run(FILTER, FORWARD)
    if (verdict === r.ACCEPT) verdict = this.chains.engine.run(MANGLE, POSTROUTING)
    if (verdict === r.ACCEPT) return PASS
    return verdict === r.DROP ? GONE : this.odd()
  }

  /** The trail of flow << 1 | direction, 0 if there is none. */
  private trail(id: number): number {
    return (this.flows.trails[id >> 1] >>> ((id & 1) << 4)) & 0xffff
  }

  private odd(): number {
    this.x[r.MET] = 0
    return ODD
  }

  /** Counts what `weigh` met for a packet of `bytes`, and keeps it as the trail of all such packets if it holds for them and lets them `pass`. */
  private note(id: number, bytes: number, pass: boolean): void {
    const { engine, tally } = this.chains
    const { trails } = this.flows
    const trail = pass && this.x[r.VOLATILE] === 0 ? engine.trail() : 0
    if (trail === 0) {
      engine.settle(bytes)
      return
    }
    const shift = (id & 1) << 4
    trails[id >> 1] = (trails[id >> 1] & ~(0xffff << shift)) | (trail << shift)
    tally.trailPackets[trail]++
    tally.trailBytes[trail] += bytes
  }

  private begin(burst: Burst, i: number, ingress: Link, now: number): void {
    const { x, view } = this
    const at = burst.at[i]
    const network = at + ethernet.HEADER_LENGTH
    const port = burst.ingress[i]
    this.chains.clear()
    x[r.SOURCE] = ipv4.source(view, network)
    x[r.DESTINATION] = ipv4.destination(view, network)
    x[r.PORTS] = view.getInt32(at + HEADERS)
    x[r.PROTOCOL] = ipv4.protocol(view, network)
    x[r.IN_NETWORK] = this.chains.networkNames[ingress.network.index]
    x[r.IN_PORT] = this.chains.portNames[port]
    x[r.IN_INDEX] = port + 1
    this.chains.standing.ingress = ingress
    const length = ipv4.totalLength(view, network)
    x[r.LENGTH] = length
    x[r.AT] = at
    x[r.NETWORK] = network
    x[r.TRANSPORT] = at + HEADERS
    x[r.END] = network + length
    x[r.NOW] = now
    x[r.TYPE] = 0
    x[r.FAST] = 1
  }

  /** From conntrack on it is known what the packet belongs to. */
  private tracked(id: number): void {
    const { x, flows } = this
    const isAnswered = (flows.words[(id >> 1) * WORDS + STATUS] & SEEN_REPLY) !== 0
    x[r.STATE] = isAnswered ? r.STATE_ESTABLISHED : r.STATE_NEW
    x[r.FLOW] = id >> 1
    x[r.DIRECTION] = id & 1
  }
}
