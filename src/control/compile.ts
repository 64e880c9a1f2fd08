/** Compiles what the control thread holds into the program that workers run. */
import {
  type FixedMac,
  MEMORY,
  type NetworkProgram,
  type PortProgram,
  type Program,
} from '../pipeline/program.ts'
import { OFFLOAD_ALL } from '../port/port.ts'
import * as table from '../table/mac.ts'
import * as mac from '../wire/mac.ts'
import { cidr, ipv4 } from './address.ts'
import type { NetworkConfiguration } from './configuration.ts'
import { type Member, mtuOf } from './member.ts'

/** A network and its table in the arena. */
export interface Net {
  configuration: NetworkConfiguration
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
): Program {
  const networks = [...nets.values()].map((net) => network(net, members, statics))
  const ports = [...members.values()].map((member) => port(member, nets.get(member.spec.network)!, workers))
  return { networks, ports, gateway: null }
}

function network(net: Net, members: Map<string, Member>, statics: Static[]): NetworkProgram {
  const { configuration, index, worker, macsAt } = net
  const fixed: FixedMac[] = []
  const add = (text: string, member: Member | undefined, kind: number) => {
    const parsed = mac.parse(text)
    if (parsed && member) fixed.push({ ...parsed, port: member.index, kind })
  }
  for (const member of members.values()) {
    if (member.spec.network === configuration.name && member.spec.type === 'host')
      add(member.spec.mac!, member, table.HOST)
  }
  for (const entry of statics) {
    const member = members.get(entry.port)
    // The port may have moved to another network since; there the entry would be a hole between the two.
    if (entry.network === configuration.name && member?.spec.network === configuration.name)
      add(entry.mac, member, table.STATIC)
  }
  const { capacity, ageingMs } = configuration.macTable
  return { link: null, index, worker, mtu: configuration.mtu, macsAt, macCapacity: capacity, ageingMs, fixed }
}

function port(member: Member, net: Net, workers: number): PortProgram {
  const { spec, index, incarnation, device, memoryAt } = member
  const descriptors = device ? device.fds : []
  const kinds = memoryAt >= 0 ? [-1] : descriptors
  return {
    index,
    incarnation,
    network: net.index,
    mtu: mtuOf(spec),
    offloads: device ? device.offloads : spec.offload ? OFFLOAD_ALL : 0,
    isolated: spec.isolated,
    gateway: spec.holdsGateway,
    local: false,
    guard: guard(member),
    macLimit: spec.macLimit,
    floodLimit: spec.floodLimit,
    queues: kinds.map((fd, q) => ({
      worker: (index + q) % workers,
      kind: device ? device.kind : MEMORY,
      fd,
      memoryAt,
    })),
    station: station(member, net),
  }
}

function guard(member: Member): PortProgram['guard'] {
  const { spec } = member
  if (!spec.guard) return null
  const own = spec.mac ? mac.parse(spec.mac) : null
  const address = spec.address ? cidr(spec.address) : null
  // Without a known MAC nothing is its own: the zero address is dropped as a bad source anyway.
  return { high: own?.high ?? 0, low: own?.low ?? 0, addresses: address ? [address.address] : [] }
}

function station(member: Member, net: Net): PortProgram['station'] {
  const { spec } = member
  if (spec.type !== 'tun') return null
  const own = mac.parse(spec.mac!)!
  const address = cidr(spec.address!)!
  const gateway = net.configuration.gateway === null ? 0 : (ipv4(net.configuration.gateway) ?? 0)
  return { ...own, address: address.address, prefix: address.prefix, gateway }
}
