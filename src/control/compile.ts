/** Compiles what the control thread holds into the program that workers run. */
import {
  type FixedMac,
  GUESTS,
  MEMORY,
  type NetworkProgram,
  type PortProgram,
  type Program,
  VHOST,
} from '../pipeline/program.ts'
import { OFFLOAD_ALL } from '../port/port.ts'
import * as table from '../table/mac.ts'
import { LINE } from '../vhost/front.ts'
import * as mac from '../wire/mac.ts'
import { cidr, ipv4 } from './address.ts'
import type { Ground } from './ground.ts'
import { link } from './link.ts'
import { type Member, mtuOf } from './member.ts'
import type { Site } from './wiring.ts'

/** Gateways and everything that they serve belong to one worker: every table has one writer. */
export const GATEWAY_WORKER = 0

/** A network and its table in the arena. */
export interface Net extends Site {
  index: number
  worker: number
  macsAt: number
}

/** A static entry that a user made. */
export interface Static {
  network: string
  mac: string
  port: string
}

export function program(
  nets: Map<string, Net>,
  members: Map<string, Member>,
  statics: Static[],
  workers: number,
  ground: Ground,
): Program {
  const networks = [...nets.values()].map((net) => ({
    ...network(net, members, statics, ground),
    link: link(net, nets, members, ground),
  }))
  const ports = [...members.values()].map((member) =>
    port(member, nets.get(member.spec.network)!, workers, ground),
  )
  const { memory, timeouts, redirects } = ground
  const chronicleAt = ground.isLogged ? memory.chronicleAt : 0
  const names = ground.names(nets, members)
  return { networks, ports, gateway: { ...memory, timeouts, redirects, chronicleAt, names } }
}

function network(
  net: Net,
  members: Map<string, Member>,
  statics: Static[],
  ground: Ground,
): Omit<NetworkProgram, 'link'> {
  const { configuration, index, worker, macsAt, macCapacity, name, role } = net
  const fixed: FixedMac[] = []
  const add = (text: string, member: Member | undefined, kind: number) => {
    const parsed = mac.parse(text)
    if (parsed && member) fixed.push({ ...parsed, port: member.index, kind })
  }
  for (const member of members.values()) {
    const { spec, device } = member
    if (spec.network !== name) continue
    // What is for the host's own MAC on a card is none of the network's, and nobody else may have it.
    if (device?.card) add(device.card.mac, member, table.HOST)
    if (spec.mac === null) continue
    if (spec.type === 'local') add(spec.mac, member, table.GATEWAY)
    else if (spec.type === 'host' || spec.hidden) add(spec.mac, member, table.HOST)
  }
  for (const entry of statics) {
    const member = members.get(entry.port)
    // The port may have moved to another network since; there the entry would be a hole between the two.
    if (entry.network === name && member?.spec.network === name) add(entry.mac, member, table.STATIC)
  }
  const { ageingMs } = configuration.macTable
  return {
    index,
    worker,
    mtu: ground.mtus.get(name) ?? configuration.mtu,
    macsAt,
    macCapacity,
    ageingMs,
    fixed,
    filterBridged: role === GUESTS && configuration.filterBridged,
  }
}

function port(member: Member, net: Net, workers: number, ground: Ground): PortProgram {
  const { spec, index, incarnation, device, memoryAt } = member
  const alone = memoryAt >= 0 && member.line === null ? [-1] : []
  const descriptors = device ? device.fds : alone
  return {
    index,
    incarnation,
    network: net.index,
    mtu: Math.min(mtuOf(spec), device?.card?.mtu ?? Number.POSITIVE_INFINITY),
    offloads: device ? device.offloads : spec.type === 'memory' && spec.offload ? OFFLOAD_ALL : 0,
    isolated: spec.isolated,
    gateway: spec.holdsGateway,
    local: spec.type === 'local',
    guard: guard(member, ground),
    macLimit: spec.macLimit,
    floodLimit: spec.floodLimit,
    queues: descriptors.map((fd, q) => ({
      worker: spec.hidden ? GATEWAY_WORKER : (index + q) % workers,
      kind: device ? device.kind : MEMORY,
      fd,
      // A pair of a guest's rings has a line of its own there.
      memoryAt: device?.kind === VHOST ? memoryAt + q * LINE * 4 : memoryAt,
    })),
    station: station(member, net),
    ...(spec.type === 'dgram' ? { peer: spec.peer } : {}),
    card: spec.macTranslation && device?.card ? mac.parse(device.card.mac) : null,
  }
}

/** The addresses that a guarded port may send with: its own and what is leased to its MAC. */
export function guarded({ spec, address }: Member, ground: Ground): number[] {
  const own = cidr(address ?? '')?.address
  const held = spec.mac === null ? [] : ground.held(spec.network, spec.mac)
  return [...new Set(own === undefined ? held : [own, ...held])]
}

function guard(member: Member, ground: Ground): PortProgram['guard'] {
  const { spec } = member
  if (!spec.guard) return null
  const own = spec.mac ? mac.parse(spec.mac) : null
  // Without a known MAC nothing is its own: the zero address is dropped as a bad source anyway.
  return { high: own?.high ?? 0, low: own?.low ?? 0, addresses: guarded(member, ground) }
}

function station(member: Member, net: Net): PortProgram['station'] {
  const { spec } = member
  if (spec.type !== 'tun') return null
  const own = mac.parse(spec.mac!)!
  const address = cidr(member.address ?? '')
  const gateway = net.configuration.gateway === null ? 0 : (ipv4(net.configuration.gateway) ?? 0)
  return { ...own, address: address?.address ?? 0, prefix: address?.prefix ?? 0, gateway }
}
