/** A port of the switch as the control thread holds it: its settings, its device and why it may have none. */
import * as device from '../port/device.ts'
import { confine } from '../port/host.ts'
import { derivedMac } from './address.ts'
import type { NetworkConfiguration, PortConfiguration } from './configuration.ts'
import type { Line } from './line.ts'
import { Refusal } from './refusal.ts'
import { denied } from './rights.ts'

/** What a port is made of, the host's interface of a network included. */
export interface Spec extends Omit<PortConfiguration, 'type' | 'origin'> {
  /** host: its interface of a network; local: stands for the gateway, served by the control thread */
  type: PortConfiguration['type'] | 'host' | 'local'
  origin: string
  /** it holds the network's gateway address */
  holdsGateway: boolean
  networkMtu: number
  /** part of a gateway: in no listing */
  hidden: boolean
  /** the host must not route what enters by it */
  confined: boolean
}

export interface Member {
  spec: Spec
  index: number
  incarnation: number
  /** what its interface has, CIDR text: the written address, or a leased one */
  address: string | null
  device: device.Device | null
  /** of a port that is a socket: who makes the device when a peer comes */
  line: Line | null
  /** place in the arena: of a memory port, and of a vhost-user port with a peer; -1 for others */
  memoryAt: number
  state: 'up' | 'waiting' | 'down'
  reason: string
}

/** Settings of a port that nobody wrote: every limit off. */
export const RESTING = {
  gateway: null,
  mtu: 0,
  queues: 1,
  isolated: false,
  guard: false,
  macLimit: 0,
  floodLimit: 0,
  owner: null,
  offload: true,
  macTranslation: false,
  path: '',
  peer: '',
  role: 'server',
  mode: 0,
} as const

/** The host's own port of a network, which the configuration keeps under `host:`. */
export function hostSpec(network: NetworkConfiguration): Spec | null {
  if (!network.host) return null
  return {
    ...RESTING,
    name: network.host.ifname,
    network: network.name,
    type: 'host',
    ifname: network.host.ifname,
    netns: '',
    address: network.host.address,
    mac: derivedMac(network.name, network.host.ifname),
    origin: network.origin,
    holdsGateway: network.mode === 'host-only',
    networkMtu: network.mtu,
    hidden: false,
    confined: network.mode !== 'bridged',
  }
}

export function portSpec(port: PortConfiguration, network: NetworkConfiguration): Spec {
  return {
    ...port,
    isolated: port.isolated || network.isolated,
    holdsGateway: false,
    networkMtu: network.mtu,
    hidden: false,
    confined: false,
  }
}

export function mtuOf(spec: Spec): number {
  return spec.mtu === 0 ? spec.networkMtu : Math.min(spec.mtu, spec.networkMtu)
}

/** What makes a port another device: a port that differs in anything else keeps its device, its MACs and its counters. */
export function deviceKey(spec: Spec): string {
  const { name, network, type, ifname, netns, address, gateway, mac, queues, owner, offload } = spec
  const { path, peer, role, mode } = spec
  const device = [ifname, netns, address, gateway, mac, queues, owner, offload, spec.macTranslation]
  return JSON.stringify([name, network, type, ...device, path, peer, role, mode])
}

/** Two ports cannot have an interface of the same name in the same namespace. */
export function placeOf(spec: Spec): string {
  const { type, name, netns, ifname, path } = spec
  if (path !== '') return `socket ${path}`
  return type === 'memory' || type === 'local' ? `memory ${name}` : `${device.namespacePath(netns)} ${ifname}`
}

/** Opens the device of a port; throws a Refusal that says what the kernel did not allow and what to do. */
export function openDevice(spec: Spec, instance: string, address: string | null): device.Device {
  const netns = device.namespacePath(spec.netns)
  try {
    const opened = device.open({
      type: spec.type === 'host' ? 'tap' : (spec.type as device.DeviceSpec['type']),
      ifname: spec.ifname,
      netns,
      mac: spec.mac,
      address,
      gateway: address === null ? null : spec.gateway,
      mtu: mtuOf(spec),
      queues: spec.queues,
      offload: spec.offload,
      owner: device.userId(spec.owner),
      alias: `bridgeport:${instance}:${spec.name}`,
      // The host's end of a link: two stations, and no IPv6 between them.
      ipv6: !(spec.hidden && spec.type === 'tap'),
      macTranslation: spec.macTranslation,
    })
    if (spec.confined) shut(spec, opened)
    return opened
  } catch (error) {
    if (error instanceof Refusal) throw error
    throw explain(spec, error as device.Failure)
  }
}

/** No network leads outside over its interface on the host, also on a host that routes for others. */
function shut(spec: Spec, opened: device.Device): void {
  try {
    confine(spec.ifname)
  } catch (error) {
    device.close(opened)
    const why = `the host would route its packets on: ${(error as Error).message}`
    throw new Refusal(
      `network ${spec.network}`,
      why,
      `make /proc/sys writable or set net.ipv4.ip_forward to 0`,
    )
  }
}

/** A card that is not there. */
export function missing({ name, ifname }: Spec): Refusal {
  return new Refusal(`port ${name}`, `this machine has no card ${ifname}`, 'see ip link for those it has')
}

function explain(spec: Spec, error: device.Failure): Error {
  if (spec.hidden && error.code === 'EEXIST')
    return new Refusal(
      `network ${spec.network.replace(/-uplink$/, '')}`,
      `its link to the host is ${spec.ifname}, and an interface of that name exists`,
      'end the other switch, remove that interface or rename the network',
    )
  const what = `port ${spec.name}`
  const where = spec.netns === '' ? '' : ` in ${spec.netns}`
  switch (error.code) {
    case 'EEXIST':
      return new Refusal(
        what,
        `an interface named ${spec.ifname} exists${where}`,
        'choose another ifname or remove that interface',
      )
    case 'EBUSY':
      return new Refusal(what, `${spec.ifname}${where} is in use by another process`, 'choose another ifname')
    case 'EPERM':
    case 'EACCES':
      return denied(spec, error)
    case 'ENOENT':
    case 'ENODEV':
      if (error.path === '/dev/net/tun') {
        return new Refusal(
          what,
          '/dev/net/tun is missing',
          'load the tun module (modprobe tun) or pass the device to the container',
        )
      }
      if (spec.owner !== null && error.syscall.startsWith('getpw')) {
        return new Refusal(what, `there is no user ${spec.owner}`, 'name an existing user as owner')
      }
      if (spec.type === 'nic') return missing(spec)
      return new Refusal(
        what,
        `there is no namespace ${spec.netns}`,
        `create it first (ip netns add ${spec.netns})`,
      )
    case 'EPFNOSUPPORT':
      return new Refusal(what, `${spec.ifname} is no Ethernet card`, 'name another device')
    case 'EINVAL':
      return new Refusal(what, `the kernel refused ${error.message}`, 'check ifname, mac, mtu and address')
    default:
      return new Refusal(what, error.message, 'see bridgeport doctor')
  }
}
