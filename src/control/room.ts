/**
 * A private namespace for services that need the kernel's TCP: name servers listen there, behind a TAP, and every network's gateway
 * leads its guests to the port that is for them. Nothing else is in it, and it has no name that anybody could find.
 */

import type { RedirectProgram } from '../pipeline/program.ts'
import { SERVICES } from '../pipeline/program.ts'
import { Room } from '../port/socket.ts'
import { type Cidr, cidr, derivedMac, ipv4 } from './address.ts'
import type { NetworkConfiguration } from './configuration.ts'
import type { Seat } from './link.ts'
import type { Spec } from './member.ts'
import { confinement } from './rights.ts'
import { plain, type Site } from './wiring.ts'

/** No user's network has this name. */
export const NAME = '#services'
/** RFC 7335: never routed, never a LAN's. */
const SUBNET = cidr('192.0.0.0/29') as Cidr
const GATEWAY = '192.0.0.1'
export const ADDRESS = '192.0.0.2'
const IFNAME = 'services'
const MTU = 1500
/** the first of the ports that name servers listen at; those below are left to the kernel */
const PORT_FIRST = 10_000
const PORT_LAST = 30_000
export const DOMAIN = 53
const TCP = 6

const configuration: NetworkConfiguration = {
  name: NAME,
  mode: 'internal',
  subnet: SUBNET,
  gateway: GATEWAY,
  mtu: MTU,
  domain: '',
  dhcp: null,
  dns: null,
  uplink: { kind: 'none' },
  nat: {
    mapping: 'endpoint-independent',
    filtering: 'endpoint-independent',
    first: 1024,
    last: 65535,
    hairpin: false,
  },
  hostAccess: false,
  publish: [],
  isolated: false,
  filterBridged: false,
  host: null,
  macTable: { ageingMs: 300_000, capacity: 16 },
  origin: 'file',
}

/** The way of the gateways into the room. */
export const seat: Seat = {
  address: ipv4(GATEWAY) as number,
  prefix: SUBNET.prefix,
  router: 0,
  routerMac: null,
}

/** True if guests of the network reach its name server by TCP through the room; in host-only mode the host's kernel is there. */
export function isServed({ dns, mode }: NetworkConfiguration): boolean {
  return dns !== null && mode !== 'host-only'
}

/** The room as a network, if a network needs it and this process may make one. */
export function site(networks: Iterable<NetworkConfiguration>): Site[] {
  if (![...networks].some(isServed) || confinement() !== '') return []
  return [{ name: NAME, role: SERVICES, configuration, macCapacity: configuration.macTable.capacity }]
}

/** Throws an Error that says why there is no room. */
export function check(): void {
  const why = confinement()
  if (why !== '') throw new Error(why)
}

/** Leads TCP for a gateway's port 53 to where its name server listens. */
export function redirect(network: number, gateway: number, port: number): RedirectProgram {
  const here = { network, protocol: TCP, address: gateway, first: DOMAIN, last: DOMAIN }
  return { ...here, to: ipv4(ADDRESS) as number, toFirst: port, masquerade: true, mutual: false }
}

export class Chamber {
  private readonly room = new Room()
  private readonly ports = new Map<string, number>()
  private last = PORT_FIRST

  /** The hidden ports: the gateways' and the kernel's. */
  specs(): Spec[] {
    const local = plain(`${NAME} gateway`, NAME, configuration)
    const address = `${ADDRESS}/${SUBNET.prefix}`
    const inside = { type: 'tap' as const, ifname: IFNAME, netns: this.room.path, address }
    return [local, { ...local, name: NAME, ...inside, mac: derivedMac(NAME, IFNAME), holdsGateway: false }]
  }

  get path(): string {
    return this.room.path
  }

  /** A port for a network's name server; a new one each time, the last one may not be free yet. */
  renew(network: string): number {
    const taken = new Set(this.ports.values())
    do this.last = this.last < PORT_LAST ? this.last + 1 : PORT_FIRST
    while (taken.has(this.last))
    this.ports.set(network, this.last)
    return this.last
  }

  port(network: string): number | null {
    return this.ports.get(network) ?? null
  }

  forget(network: string): void {
    this.ports.delete(network)
  }

  close(): void {
    this.room.close()
  }
}
