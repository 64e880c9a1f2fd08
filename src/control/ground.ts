/**
 * The ground that gateways stand on: their tables in the arena, the links into the host's stack, addresses outside, and
 * what is led inside. Tables are laid once, for the whole life of the switch.
 */
import type { Names } from '../chain/plan.ts'
import * as timeout from '../gateway/timeout.ts'
import { type Arena, LENGTH_MAX } from '../memory/arena.ts'
import type { GatewayProgram, RedirectProgram } from '../pipeline/program.ts'
import { addresses, interfaceMtu } from '../port/host.ts'
import type { HostLink } from '../port/uplink.ts'
import type { Mapping } from '../service/publish.ts'
import * as binding from '../table/binding.ts'
import * as chronicle from '../table/chronicle.ts'
import * as flow from '../table/flow.ts'
import * as journal from '../table/journal.ts'
import * as neighbour from '../table/neighbour.ts'
import * as tally from '../table/tally.ts'
import * as mac from '../wire/mac.ts'
import { type Cidr, ipv4 } from './address.ts'
import type { Net } from './compile.ts'
import type { Configuration } from './configuration.ts'
import type { Seat } from './link.ts'
import type { Member } from './member.ts'
import type { Leased } from './outlet.ts'
import { hostAccess, openings, Reservations, redirects } from './publish.ts'
import { Refusal } from './refusal.ts'
import * as room from './room.ts'
import { Chamber } from './room.ts'
import { chooseLink, endsOf } from './uplink.ts'
import { cardAddress, sites, uplinkIfname, uplinkMac, uplinkName, wantsLink, written } from './wiring.ts'

/** As many as a subnet of the largest pool has guests; what is not used takes no memory. */
const NEIGHBOURS = neighbour.CAPACITY_MAX

/** Endpoints that are mapped at once: four addresses' worth, or a record for every flow. */
const BINDINGS = 262_144

function bindings(flows: number): number {
  return Math.min(flows, BINDINGS)
}

/** Bytes that the tables of `capacity` flows take. */
export function lengthOf(capacity: number): number {
  const own = flow.lengthOf(capacity) + binding.lengthOf(bindings(capacity))
  return own + neighbour.lengthOf(NEIGHBOURS) + tally.LENGTH
}

/** Throws a Refusal if the tables of so many flows and `rest` bytes do not fit into an arena; it names the number that does. */
export function fit(capacity: number, rest: number): void {
  if (lengthOf(capacity) + rest <= LENGTH_MAX) return
  let most = 2 ** Math.floor(Math.log2(capacity))
  while (lengthOf(most) + rest > LENGTH_MAX) most /= 2
  throw new Refusal(
    'conntrack.capacity',
    `${capacity} flows do not fit into the 2 GiB that the workers share`,
    `write at most ${most}`,
  )
}

export class Ground {
  readonly memory: Omit<GatewayProgram, 'timeouts' | 'redirects' | 'names'>
  /** begins and ends of flows are written down */
  isLogged = false
  timeouts: number[] = timeout.timeouts()
  /** by name of the uplink's network */
  readonly seats = new Map<string, Seat>()
  /** leased addresses of cards, by name of the uplink's network */
  readonly leased = new Map<string, Leased>()
  /** largest packets of cards' LANs, by name of the uplink's network */
  readonly mtus = new Map<string, number>()
  redirects: RedirectProgram[] = []
  host: number[] = []
  /** addresses leased to a MAC of a network */
  held: (network: string, mac: string) => number[] = () => []
  /** numbers of the names that rules mention, null without rules */
  names: (nets: Map<string, Net>, members: Map<string, Member>) => Names | null = () => null
  /** where name servers listen, null until one does */
  private chamber: Chamber | null = null
  readonly reservations = new Reservations()
  private readonly links = new Map<string, Cidr>()

  constructor(arena: Arena, capacity: number) {
    this.memory = {
      flowsAt: arena.allocate('flows', flow.lengthOf(capacity)).at,
      flowCapacity: capacity,
      bindingsAt: arena.allocate('bindings', binding.lengthOf(bindings(capacity))).at,
      bindingCapacity: bindings(capacity),
      neighboursAt: arena.allocate('neighbours', neighbour.lengthOf(NEIGHBOURS)).at,
      neighbourCapacity: NEIGHBOURS,
      tallyAt: arena.allocate('tally', tally.LENGTH).at,
      journalAt: arena.allocate('journal', journal.lengthOf()).at,
      chronicleAt: arena.allocate('chronicle', chronicle.lengthOf()).at,
    }
  }

  /** The private namespace of services, made when it is first needed. */
  room(): Chamber {
    this.chamber ??= new Chamber()
    return this.chamber
  }

  close(): void {
    this.chamber?.close()
  }

  /** The link of a network whose uplink is the host's stack, null for others. */
  link(network: string): Cidr | null {
    return this.links.get(network) ?? null
  }

  /** Gives every network with the uplink `host` its link: the written one, the one it has, or a free one. Throws a Refusal. */
  settle({ networks }: Configuration): void {
    const all = [...networks.values()]
    const taken = all.flatMap((each) => [each.subnet ?? [], written(each) ?? []].flat())
    for (const each of all) {
      const own = written(each)
      const kept = this.links.get(each.name)
      if (own !== null) this.links.set(each.name, own)
      else if (!wantsLink(each)) this.links.delete(each.name)
      else if (kept !== undefined) taken.push(kept)
    }
    for (const each of all) {
      if (!wantsLink(each) || this.links.has(each.name)) continue
      const link = chooseLink(taken)
      taken.push(link)
      this.links.set(each.name, link)
    }
    for (const each of all) this.reservations.settle(each.name, this.links.has(each.name) ? each.publish : [])
  }

  /** Takes over what a configuration says of ways outside: seats, timeouts, the host's addresses. */
  survey({ networks, conntrack, flowLog }: Configuration): void {
    this.isLogged = flowLog !== null
    this.timeouts = timeout.timeouts(conntrack.timeouts)
    this.seats.clear()
    this.mtus.clear()
    if (this.chamber !== null) this.seats.set(room.NAME, room.seat)
    for (const each of networks.values()) {
      if (sites(each).length < 2) continue
      const name = uplinkName(each.name)
      const link = this.link(each.name)
      if (link !== null) {
        const { host, own } = endsOf(link)
        const routerMac = mac.parse(uplinkMac(each))
        this.seats.set(name, { address: own, prefix: link.prefix, router: host, routerMac })
        continue
      }
      if (each.uplink.kind === 'nic') this.mtus.set(name, this.mtuOf(each.uplink.device, name, each.mtu))
      const card = cardAddress(each) ?? this.leased.get(name)?.address
      const router = each.uplink.kind === 'nic' ? ipv4(each.uplink.gateway ?? '') : null
      if (card === undefined) continue
      const { address, prefix } = card
      this.seats.set(name, {
        address,
        prefix,
        router: router ?? this.leased.get(name)?.router ?? 0,
        routerMac: null,
      })
    }
    for (const name of this.links.keys()) if (!networks.has(name)) this.links.delete(name)
    this.look()
  }

  /** What a card's LAN takes: what the card says, and what the LAN's DHCP server says, but no more than the guests send. */
  private mtuOf(card: string, name: string, most: number): number {
    const told = this.leased.get(name)?.mtu || most
    return Math.min(most, told, interfaceMtu(card) ?? most)
  }

  /** What is led inside, in the order of precedence: published ports, then the host for guests that ask their gateway. */
  lead({ networks }: Configuration, nets: ReadonlyMap<string, { index: number }>): void {
    this.redirects = [...networks.values()].flatMap((each) => {
      const name = uplinkName(each.name)
      const [guests, uplink, seat] = [nets.get(each.name), nets.get(name), this.seats.get(name)]
      const gateway = ipv4(each.gateway ?? '')
      if (guests === undefined || gateway === null) return []
      const port = room.isServed(each) ? (this.chamber?.port(each.name) ?? null) : null
      const names = port === null ? [] : [room.redirect(guests.index, gateway, port)]
      if (uplink === undefined || seat === undefined) return names
      const isHost = each.uplink.kind === 'host'
      return [
        ...names,
        ...redirects(each, seat, uplink.index, isHost ? this.reservations : null),
        ...(isHost && each.hostAccess ? hostAccess(guests.index, gateway, seat.router) : []),
      ]
    })
  }

  /** Reads the host's own addresses; true if they changed. */
  look(): boolean {
    const now = addresses().flatMap(({ address }) => ipv4(address) ?? [])
    const same = now.length === this.host.length && now.every((each, n) => each === this.host[n])
    this.host = now
    return !same
  }

  /** The sockets on the host that published ports need. */
  openings({ networks }: Configuration): Mapping[] {
    return [...networks.values()].flatMap((each) => {
      const link = this.link(each.name)
      return link === null ? [] : openings(each, link, this.reservations)
    })
  }

  /** What the host has to do for the links into its stack. */
  hostLinks({ networks }: Configuration): HostLink[] {
    return [...networks.values()].flatMap((each) => {
      const link = this.link(each.name)
      const { uplink, subnet, mode } = each
      if (link === null || uplink.kind !== 'host' || subnet === null) return []
      const { own } = endsOf(link)
      const source = mode === 'routed' ? subnet : { address: own, prefix: 32 }
      return [
        {
          ifname: uplinkIfname(each),
          sources: uplink.nat ? [source] : [],
          routes: mode === 'routed' ? [{ subnet, via: own }] : [],
        },
      ]
    })
  }
}
