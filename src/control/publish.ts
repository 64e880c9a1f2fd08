/**
 * Published ports as the gateway gets them: redirects. Behind a card the uplink's address is what people outside see; behind the
 * host's stack the daemon has the sockets, connects over the link to a port that is reserved for the mapping, and the redirect
 * leads from there to the guest, which sees its own gateway.
 */
import type { RedirectProgram } from '../pipeline/program.ts'
import type { Mapping } from '../service/publish.ts'
import { type Cidr, ipv4, ipv4Text } from './address.ts'
import type { NetworkConfiguration, Published } from './configuration.ts'
import type { Seat } from './link.ts'
import { publishText } from './quantity.ts'
import { Refusal } from './refusal.ts'
import { endsOf } from './uplink.ts'

export const PROTOCOLS = { tcp: 6, udp: 17 } as const
/** Ports that the translation of guests does not use by default; more mappings than that take theirs from the top. */
const LOW = 1023
const HIGH = 65_535

function countOf({ hostPorts }: Published): number {
  return hostPorts.last - hostPorts.first + 1
}

/** What tells mappings apart: the network and the text. */
export function keyOf(network: string, mapping: Published): string {
  return `${network} ${publishText(mapping)}`
}

/** The ports of a link that mappings have for themselves. */
export class Reservations {
  /** first port by key of the mapping */
  private readonly ports = new Map<string, { network: string; first: number; last: number }>()

  /** Keeps what the mappings of a network have, gives new ones a range, and forgets the others'. Throws a Refusal if none is left. */
  settle(network: string, mappings: Published[]): void {
    const wanted = new Map(mappings.map((mapping) => [keyOf(network, mapping), countOf(mapping)]))
    for (const [key, held] of this.ports)
      if (held.network === network && !wanted.has(key)) this.ports.delete(key)
    for (const [key, count] of wanted) {
      if (this.ports.has(key)) continue
      const first = this.gap(network, count)
      if (first < 0)
        throw new Refusal(`network ${network}`, 'no port of its link is left to publish by', 'publish less')
      this.ports.set(key, { network, first, last: first + count - 1 })
    }
  }

  first(network: string, mapping: Published): number {
    return this.ports.get(keyOf(network, mapping))?.first ?? 0
  }

  private gap(network: string, count: number): number {
    const held = [...this.ports.values()].filter((each) => each.network === network)
    const isFree = (first: number) =>
      held.every((each) => first > each.last || first + count - 1 < each.first)
    const candidates = [1, ...held.map((each) => each.last + 1)].sort((a, b) => a - b)
    const low = candidates.find((first) => first + count - 1 <= LOW && isFree(first))
    if (low !== undefined) return low
    const tops = [HIGH, ...held.map((each) => each.first - 1)].sort((a, b) => b - a)
    const top = tops.find((last) => last - count + 1 > LOW && isFree(last - count + 1))
    return top === undefined ? -1 : top - count + 1
  }
}

/** The redirects of a network's published ports; none while the uplink has no address. */
export function redirects(
  { name, publish }: NetworkConfiguration,
  seat: Seat,
  uplink: number,
  reservations: Reservations | null,
): RedirectProgram[] {
  if (seat.address === 0) return []
  return publish.map((mapping) => {
    const first = reservations?.first(name, mapping) ?? mapping.hostPorts.first
    return {
      network: uplink,
      protocol: PROTOCOLS[mapping.protocol],
      address: seat.address,
      first,
      last: first + countOf(mapping) - 1,
      to: ipv4(mapping.guest) ?? 0,
      toFirst: mapping.guestPorts.first,
      masquerade: reservations !== null,
      mutual: false,
    }
  })
}

/** The sockets on the host that a network's published ports need, and where on its link they lead. */
export function openings(configuration: NetworkConfiguration, link: Cidr, held: Reservations): Mapping[] {
  const { name, publish, isolated, subnet } = configuration
  const isClosed = isolated && subnet !== null
  const closed = isClosed ? { network: subnet.address, mask: -1 << (32 - subnet.prefix) } : undefined
  return publish.map((mapping) => ({
    ...(closed && { closed }),
    protocol: mapping.protocol,
    address: mapping.host,
    ...mapping.hostPorts,
    to: ipv4Text(endsOf(link).own),
    toFirst: held.first(name, mapping),
  }))
}

/** Everything that a guest sends to the gateway and that no service takes goes to the host's end of the link. */
export function hostAccess(guests: number, gateway: number, host: number): RedirectProgram[] {
  const every = { network: guests, address: gateway, first: 1, last: HIGH, to: host, toFirst: 1 }
  return Object.values(PROTOCOLS).map((protocol) => ({
    ...every,
    protocol,
    masquerade: false,
    mutual: false,
  }))
}

/** More ports of one mapping than this are forgotten at once, with those of others: their next packets make them anew. */
const SINGLE_MAX = 16

/** The UDP flows to forget when redirects went: without a connection, a guest that is gone would be talked to for ever. */
export function stale(
  before: RedirectProgram[],
  after: RedirectProgram[],
): { destination: number; destinationPort: number }[] {
  const kept = new Set(after.map((each) => JSON.stringify(each)))
  const gone = before.filter((each) => each.protocol === PROTOCOLS.udp && !kept.has(JSON.stringify(each)))
  return gone.flatMap(({ address: destination, first, last }) =>
    last - first >= SINGLE_MAX
      ? [{ destination, destinationPort: 0 }]
      : Array.from({ length: last - first + 1 }, (_, n) => ({ destination, destinationPort: first + n })),
  )
}
