/** Listings of a running switch: read from the plant, the arena and the kernel; nobody is stopped for them. */
import { GUESTS } from '../pipeline/program.ts'
import * as device from '../port/device.ts'
import { DYNAMIC } from '../table/mac.ts'
import * as snapshot from '../table/snapshot.ts'
import * as mac from '../wire/mac.ts'
import { broadcastOf, cidr, ipv4, ipv4Text, networkOf } from './address.ts'
import type { Net } from './compile.ts'
import type { NetworkConfiguration } from './configuration.ts'
import { type Member, mtuOf, type Spec } from './member.ts'
import type { Plant } from './plant.ts'
import { publishText, rangeText } from './quantity.ts'
import type { MacRow, NetworkRow, PortRow, PublishRow, SocketRow, UplinkRow } from './rows.ts'
import { uplinkIfname, uplinkName } from './wiring.ts'

/** By bit of a device's offloads, and by kind of a table's entry. */
const OFFLOAD_NAMES = ['csum', 'tso4', 'tso6', 'ecn', 'uso']
const KINDS: Record<number, MacRow['kind']> = { 1: 'dynamic', 2: 'static', 3: 'host', 4: 'gateway' }

/** The workers' clock: CLOCK_MONOTONIC in milliseconds, wrapped to int32. */
export function monotonicMs(): number {
  return Number(BigInt.asIntN(32, process.hrtime.bigint() / 1_000_000n))
}

function entries(plant: Plant, net: Net): snapshot.MacEntry[] {
  const { ageingMs } = net.configuration.macTable
  return snapshot.list(plant.arena, net.macsAt, net.macCapacity, monotonicMs(), ageingMs)
}

/** How many MACs a network knows. */
export function macCount({ arena }: Plant, { macsAt, macCapacity, configuration }: Net): number {
  return snapshot.count(arena, macsAt, macCapacity, monotonicMs(), configuration.macTable.ageingMs)
}

export function networks(plant: Plant): NetworkRow[] {
  const members = [...plant.members.values()].filter(({ spec }) => !spec.hidden)
  const nets = [...plant.nets.values()].filter(({ role }) => role === GUESTS)
  return nets.map((net) => {
    const { name, mode, subnet, gateway, mtu, isolated, macTable, host, origin } = net.configuration
    return {
      name,
      mode,
      subnet: subnet?.text ?? null,
      gateway,
      mtu,
      isolated,
      worker: net.worker,
      ports: members.filter((member) => member.spec.network === name).length,
      macs: macCount(plant, net),
      macCapacity: macTable.capacity,
      ...services(net.configuration),
      uplink: uplink(plant, net.configuration),
      host,
      origin,
    }
  })
}

function services({
  dhcp,
  dns,
  domain,
  gateway,
}: NetworkConfiguration): Pick<NetworkRow, 'dhcp' | 'dns' | 'domain'> {
  return {
    domain: dns === null ? null : domain,
    dhcp: dhcp === null ? null : `${ipv4Text(dhcp.first)}-${ipv4Text(dhcp.last)}`,
    dns: dns === null ? null : gateway,
  }
}

function uplink(plant: Plant, configuration: NetworkConfiguration): UplinkRow | null {
  const { name, uplink: way } = configuration
  if (way.kind === 'none') return null
  const seat = plant.ground.seats.get(uplinkName(name))
  const text = (value: number | undefined) => (value ? ipv4Text(value) : null)
  const ifname = way.kind === 'nic' ? way.device : uplinkIfname(configuration)
  const address = seat?.address ? `${ipv4Text(seat.address)}/${seat.prefix}` : null
  const member = plant.members.get(uplinkName(name))
  const state = member === undefined ? { state: 'down' as const, reason: 'it has no port' } : look(member)
  return { type: way.kind, ifname, address, router: text(seat?.router), ...state }
}

/** The user's network that a port belongs to. */
export function siteOf({ hidden, name, network, type }: Spec): string {
  return hidden && type !== 'local' && name === network ? network.replace(/-uplink$/, '') : network
}

/** Ports, and with `all` those of gateways too: `<network>`, which stands for it inside, and `<network>-uplink`. */
export function shown(plant: Plant, all: boolean): Member[] {
  const isShown = ({ hidden, name }: Spec) => !hidden || (all && /^[\w.-]+$/.test(name))
  return [...plant.members.values()].filter(({ spec }) => isShown(spec))
}

export function ports(plant: Plant, all = false): PortRow[] {
  return shown(plant, all).map((member) => {
    const { spec, index } = member
    const offloads = OFFLOAD_NAMES.filter((_, bit) => ((member.device?.offloads ?? 0) >> bit) & 1)
    const network = siteOf(spec)
    const { name, type, ifname, netns, mac, queues, isolated, guard, origin } = spec
    const { address } = member
    const settings = { name, network, type, ifname, netns, mac, address, queues, isolated, guard, origin }
    const own = { mtu: mtuOf(spec), offloads, socket: socket(member) }
    return { ...settings, ...own, ...look(member), ...plant.totals.port(index) }
  })
}

/** The file of a port that is one, and who is behind it. */
function socket({ spec, line, device: held }: Member): SocketRow | null {
  const { type, path, peer, role } = spec
  if (path === '') return null
  const told = line?.told?.() ?? { guest: null, faults: {}, fault: '' }
  const isConnected = held !== null || told.guest !== null
  if (type === 'dgram') return { path, peer, role, connected: null, ...told }
  return { path, peer: null, role, connected: isConnected, ...told }
}

/** The state of a port as its interface shows it now. */
export function look(member: Member): { state: Member['state']; reason: string } {
  const { device: held, spec, state, reason } = member
  if (!held || member.line !== null) return { state, reason }
  if (device.isRunning(held)) return { state: 'up', reason: '' }
  const link = device.link(held)
  if (!link) return { state: 'down', reason: `interface ${spec.ifname} is gone` }
  if (!link.up) return { state: 'down', reason: `interface ${spec.ifname} was set down` }
  if (spec.type === 'qemu-tap' && !link.carrier)
    return { state: 'waiting', reason: `no guest has opened ${spec.ifname}` }
  return { state: 'up', reason: '' }
}

export function macs(plant: Plant): MacRow[] {
  const names = new Map([...plant.members.values()].map((member) => [member.index, member.spec.name]))
  const nets = [...plant.nets.values()].filter(({ role }) => role === GUESTS)
  return nets.flatMap((net) =>
    entries(plant, net).map((entry) => ({
      mac: mac.print(entry.high, entry.low),
      network: net.name,
      port: names.get(entry.port) ?? '',
      kind: KINDS[entry.kind],
      ageSeconds: entry.kind === DYNAMIC ? entry.ageMs / 1000 : 0,
    })),
  )
}

/** Published ports and whether they lead inside now. */
export function publish(plant: Plant): PublishRow[] {
  const nets = [...plant.nets.values()].filter(({ role }) => role === GUESTS)
  return nets.flatMap(({ name, configuration }) => {
    const isUp = plant.ground.seats.has(uplinkName(name))
    return configuration.publish.map((mapping) => ({
      network: name,
      publish: publishText(mapping),
      protocol: mapping.protocol,
      host: mapping.host,
      hostPorts: rangeText(mapping.hostPorts),
      guest: mapping.guest,
      guestPorts: rangeText(mapping.guestPorts),
      state: isUp ? ('up' as const) : ('waiting' as const),
      reason: isUp ? '' : 'the uplink has no address yet',
      origin: mapping.origin,
    }))
  })
}

/** The next free address of a network's subnet, as CIDR text, or null if it has no subnet or no address left. */
export function freeAddress(plant: Plant, network: string): string | null {
  const configuration = plant.nets.get(network)?.configuration
  const subnet = configuration?.subnet
  if (!configuration || !subnet) return null
  const taken = new Set<number | null>()
  if (configuration.gateway) taken.add(ipv4(configuration.gateway))
  for (const { address } of plant.members.values()) if (address) taken.add(cidr(address)?.address ?? null)
  for (let address = networkOf(subnet) + 1; address < broadcastOf(subnet); address++) {
    if (!taken.has(address)) return `${ipv4Text(address)}/${subnet.prefix}`
  }
  return null
}
