/** Leases as listings show them. */
import type { Lease } from '../service/dhcp/lease.ts'
import type { Server } from '../service/dhcp/server.ts'
import type { Leases } from '../service/dhcp/store.ts'
import { ipv4, ipv4Text } from './address.ts'
import { Refusal } from './refusal.ts'

export interface LeaseRow {
  address: string
  mac: string
  network: string
  /** the port that the client is behind, null after a restart until it renews */
  port: string | null
  hostname: string | null
  /** dynamic: of the range; static: pinned to the MAC; port: of a port that the switch configures itself */
  kind: Lease['kind']
  /** client identifier in hexadecimal, null if it has none beside its MAC */
  client: string | null
  /** ISO 8601, null: it lasts as long as the port */
  expires: string | null
}

/** A network's DHCP server in numbers. */
export interface PoolRow {
  network: string
  leases: number
  capacity: number
  messages: Server['counts']
}

/** Every bound lease, by network and address; `portName` knows ports by their index. */
export function rows(leases: Leases, portName: (index: number) => string | undefined): LeaseRow[] {
  const ordered = leases.list().sort((a, b) => compare(a, b))
  return ordered.map(({ address, mac, network, hostname, kind, client, until, ingress }) => ({
    address: ipv4Text(address),
    mac,
    network,
    port: portName(ingress) ?? null,
    hostname: hostname === '' ? null : hostname,
    kind,
    client: client.split('/')[1] ?? null,
    expires: until === Number.POSITIVE_INFINITY ? null : new Date(until).toISOString(),
  }))
}

function compare(a: Lease, b: Lease): number {
  if (a.network !== b.network) return a.network < b.network ? -1 : 1
  return (a.address >>> 0) - (b.address >>> 0)
}

/** Ends a lease; throws a Refusal if there is none, or if it is a port's that needs it. */
export function remove(leases: Leases, network: string, address: string): void {
  const what = `lease ${address}`
  const value = ipv4(address)
  const lease = value === null ? undefined : leases.book(network).bound.get(value)
  if (value === null || lease === undefined)
    throw new Refusal(what, `network ${network} has no such lease`, 'see bridgeport lease ls')
  if (lease.kind === 'port') {
    const holder = lease.hostname === '' ? lease.mac : lease.hostname
    throw new Refusal(
      what,
      `port ${holder} has it as long as it lives`,
      `remove the port (bridgeport port rm ${holder})`,
    )
  }
  leases.remove(network, value)
}
