/**
 * Brings the gateway in line with a program, between two bursts. Links that stay keep their object, so neighbours and flows that
 * nothing changed for go on; flows of a link that went or has another address, and UDP flows of a redirect that went, end here.
 */

import type { Plan } from '../chain/plan.ts'
import {
  type GatewayProgram,
  GUESTS,
  type LinkProgram,
  type NetworkProgram,
  type RedirectProgram,
} from '../pipeline/program.ts'
import type { Network } from '../port/network.ts'
import { DESTINATION, NEIGHBOURS, NETWORKS, PORTS, REPLY, SOURCE, STATUS, WORDS } from '../table/flow.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { Gateway } from './gateway.ts'
import { Link } from './link.ts'
import { type Ground, Parts } from './parts.ts'
import { unresolved } from './passage.ts'

/** Which flows to forget, by the original direction; 0 stands for all. */
export interface Selection {
  protocol: number
  source: number
  destination: number
  sourcePort: number
  destinationPort: number
}

export class Setup {
  gateway: Gateway | null = null
  private readonly ground: Ground
  private parts: Parts | null = null
  private present: GatewayProgram | null = null
  private redirects: RedirectProgram[] = []
  /** address and MAC of each link by its local port's incarnation, and the links that nobody was told of */
  private known = new Map<number, string>()
  private fresh: Link[] = []

  constructor(ground: Ground) {
    this.ground = ground
  }

  /** The gateway that the program wants, or null; `networks` are this worker's, by index. */
  run(
    wanted: GatewayProgram | null,
    programs: NetworkProgram[],
    networks: Map<number, Network>,
    now: number,
  ): Gateway | null {
    const parts = this.build(wanted)
    if (parts === null || wanted === null) {
      for (const network of networks.values()) network.link = null
      return null
    }
    parts.timeouts.set(wanted.timeouts)
    parts.chronicle(wanted.chronicleAt)
    if (wanted.names !== null) parts.chains.name(wanted.names)
    const changed = this.link(parts, programs, networks, now)
    if (changed.size > 0) this.end(parts, (words, f) => this.touches(words, f, changed))
    const gone = this.redirects.filter((redirect) => !wanted.redirects.some((other) => same(redirect, other)))
    if (gone.length > 0) this.end(parts, (words, f) => gone.some((redirect) => leads(words, f, redirect)))
    this.redirects = wanted.redirects
    parts.nat.setRedirects(wanted.redirects, parts.links)
    parts.arp.claim(claims(wanted.redirects, networks))
    // Next hops are looked up anew: a route may lead elsewhere now.
    const { words, high } = parts.flows
    for (let f = 0; f < high * WORDS; f += WORDS) {
      const networks = words[f + NETWORKS]
      words[f + NEIGHBOURS] = unresolved(networks >>> 16, networks & 0xffff)
    }
    this.fresh = parts.links.list.filter(
      (link) => link.address !== 0 && !link.intercept && this.isFresh(link),
    )
    this.known = new Map(parts.links.list.map((link) => [link.port.incarnation, keyOf(link)]))
    return this.gateway
  }

  /** Takes a compiled ruleset; `step` makes it ready and swaps it in. */
  rules(plan: Plan): void {
    this.parts?.chains.engine.prepare(plan)
  }

  /** Goes on preparing a ruleset for about `budgetMs`; true once it is in force, or if there is nothing to prepare for. */
  step(budgetMs: number): boolean {
    if (this.parts === null) return true
    const { chains, icmp, local } = this.parts
    if (!chains.engine.step(budgetMs)) return false
    chains.turn()
    icmp.output = chains.active ? local : null
    return true
  }

  /** Forgets a ruleset that cannot be prepared. */
  abandon(): void {
    this.parts?.chains.engine.abandon()
  }

  /** Tells networks whose gateway is new, or has another address, who it is (RFC 5227 2.3). Ports must have their queues. */
  announce(): void {
    if (this.parts === null) return
    for (const link of this.fresh) this.parts.ask.announce(link, link.address)
    this.fresh = []
    this.parts.outbox.flush()
  }

  private isFresh(link: Link): boolean {
    return this.known.get(link.port.incarnation) !== keyOf(link)
  }

  /** Forgets flows; returns how many. */
  forget(selection: Selection): number {
    return this.parts === null ? 0 : this.end(this.parts, (words, f) => matches(words, f, selection))
  }

  /** Forgets what was learned of a network's neighbours, of all with -1; returns how many. */
  unlearn(network: number): number {
    if (this.parts === null) return 0
    const { neighbours, links } = this.parts
    const indexes = network < 0 ? links.list.map((link) => link.network.index) : [network]
    return indexes.reduce((sum, index) => sum + neighbours.forget(index), 0)
  }

  /** Nobody is behind that port any more. */
  leave(port: number): void {
    this.parts?.neighbours.leave(port)
  }

  private build(wanted: GatewayProgram | null): Parts | null {
    const isSame = wanted !== null && this.present !== null && samePlaces(wanted, this.present)
    if (!isSame) this.gateway?.close()
    if (wanted === null) {
      this.gateway = null
      this.parts = null
    } else if (this.parts === null || !isSame) {
      this.parts = new Parts(this.ground, wanted)
      this.gateway = new Gateway(this.parts)
    }
    this.present = wanted
    return this.parts
  }

  /** Makes the links those of the program; returns the local ports of links that went or whose address changed. */
  private link(
    parts: Parts,
    programs: NetworkProgram[],
    networks: Map<number, Network>,
    now: number,
  ): Set<number> {
    const before = new Map(parts.links.list.map((link) => [link.port.index, link]))
    const changed = new Set(before.keys())
    const made = new Map<number, Link>()
    for (const { index, link: wanted, filterBridged } of programs) {
      const network = networks.get(index)
      if (network === undefined) continue
      network.link = null
      if (wanted === null) continue
      const port = this.ground.ports[wanted.port]
      const present = before.get(wanted.port)
      const link =
        present !== undefined && present.network === network && present.port === port
          ? present
          : new Link(network, port)
      if (link === present && link.address === wanted.address) changed.delete(wanted.port)
      fill(link, wanted)
      link.filterBridged = filterBridged
      network.link = link
      made.set(index, link)
    }
    for (const { index, link: wanted } of programs) {
      const link = made.get(index)
      if (link === undefined || wanted === null) continue
      link.uplink = made.get(wanted.uplink) ?? null
      if (wanted.routerMac !== null) {
        const { high, low } = wanted.routerMac
        parts.neighbours.permanent(index, wanted.router, high, low, now)
      }
    }
    for (const link of parts.links.list)
      if (!made.has(link.network.index)) parts.neighbours.forget(link.network.index, true)
    parts.links.at.fill(null)
    parts.links.list = [...made.values()]
    for (const link of parts.links.list) parts.links.at[link.port.index] = link
    const { links } = parts.ask
    links.length = 0
    for (const link of parts.links.list) {
      while (links.length < link.network.index) links.push(null)
      links[link.network.index] = link
    }
    return changed
  }

  private touches(words: Int32Array, f: number, ports: Set<number>): boolean {
    const networks = words[f + NETWORKS]
    return ports.has(networks >>> 16) || ports.has(networks & 0xffff)
  }

  /** Ends every flow that `wanted` says yes to. */
  private end(parts: Parts, wanted: (words: Int32Array, f: number) => boolean): number {
    const { flows } = parts
    let count = 0
    for (let flow = 1; flow <= flows.high; flow++) {
      if (!flows.isLive(flow) || !wanted(flows.words, flow * WORDS)) continue
      flows.remove(flow)
      count++
    }
    return count
  }
}

function samePlaces(a: GatewayProgram, b: GatewayProgram): boolean {
  return (
    a.flowsAt === b.flowsAt &&
    a.flowCapacity === b.flowCapacity &&
    a.bindingsAt === b.bindingsAt &&
    a.bindingCapacity === b.bindingCapacity &&
    a.neighboursAt === b.neighboursAt &&
    a.neighbourCapacity === b.neighbourCapacity &&
    a.tallyAt === b.tallyAt &&
    a.journalAt === b.journalAt
  )
}

/** Addresses of redirects that no link has itself, by network: the gateway answers ARP for them. */
function claims(redirects: RedirectProgram[], networks: Map<number, Network>): Int32Array {
  const foreign = redirects.filter(({ network, address }) => {
    const link = networks.get(network)?.link
    return link?.holds(address) === true && link.address !== address
  })
  return Int32Array.from(foreign.flatMap(({ network, address }) => [network, address]))
}

function keyOf(link: Link): string {
  return `${link.address} ${link.high} ${link.low}`
}

function same(a: RedirectProgram, b: RedirectProgram): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function fill(link: Link, wanted: LinkProgram): void {
  const { translation } = wanted
  link.role = wanted.role
  link.high = wanted.high
  link.low = wanted.low
  link.address = wanted.address
  link.mask = wanted.prefix === 0 ? 0 : -1 << (32 - wanted.prefix)
  // What leads outside is one port, and a card may be narrower than its network was written.
  const outward = wanted.role === GUESTS ? [] : link.network.members.map((port) => port.mtu)
  link.mtu = Math.min(link.network.mtu, ...outward)
  link.router = wanted.router
  link.routed = wanted.routed
  link.isolated = wanted.isolated
  link.translated = translation !== null
  link.mapping = translation?.mapping ?? 0
  link.filtering = translation?.filtering ?? 0
  link.first = translation?.first ?? 0
  link.last = translation?.last ?? 0
  link.hairpin = translation?.hairpin ?? false
  link.refused = Int32Array.from(wanted.refused)
  link.services = wanted.services
  link.intercept = wanted.intercept
}

/** True for a UDP flow that came by a redirect: nothing tells its sender that it is gone, so the flow must not go on. */
function leads(words: Int32Array, f: number, redirect: RedirectProgram): boolean {
  if ((words[f + STATUS] & 0xff) !== ipv4.PROTOCOL_UDP) return false
  const port = words[f + PORTS] & 0xffff
  const isThere =
    words[f + DESTINATION] === redirect.address && port >= redirect.first && port <= redirect.last
  return isThere && words[f + REPLY + SOURCE] === redirect.to
}

function matches(words: Int32Array, f: number, selection: Selection): boolean {
  const { protocol, source, destination, sourcePort, destinationPort } = selection
  const ports = words[f + PORTS]
  return (
    (protocol === 0 || (words[f + STATUS] & 0xff) === protocol) &&
    (source === 0 || words[f + SOURCE] === source) &&
    (destination === 0 || words[f + DESTINATION] === destination) &&
    (sourcePort === 0 || ports >>> 16 === sourcePort) &&
    (destinationPort === 0 || (ports & 0xffff) === destinationPort)
  )
}
