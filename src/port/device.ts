/**
 * Devices of the kernel behind ports: made and configured on the control thread, their descriptors served by workers.
 *
 * A `tap` or `tun` ends in the kernel stack of a namespace. A `qemu-tap` is a persistent TAP whose descriptor QEMU opens by name;
 * the switch holds the interface's end, a packet socket, and the host's own stack is kept off it: no ARP, no IPv6, every frame
 * dropped on ingress after the packet socket has seen it.
 */
import { type Link, type NativeError, native } from '../memory/native.ts'
import { OFFLOAD_USO } from './port.ts'
import { PACKET, TAP, TUN } from './queue.ts'

/** TUN_F_ bits that the kernel grants (linux/if_tun.h); the lower four are our OFFLOAD_ bits. */
const TUN_F_COMMON = 0x0f
const TUN_F_USO = 0x60

export interface DeviceSpec {
  type: 'tap' | 'tun' | 'qemu-tap'
  ifname: string
  /** a namespace file, '' for the daemon's own */
  netns: string
  mac: string | null
  /** CIDR text */
  address: string | null
  gateway: string | null
  mtu: number
  queues: number
  offload: boolean
  /** uid, -1 for root only */
  owner: number
  alias: string
}

/** What the kernel said when it refused: `code`, `syscall`, and the `path` or `interface` it was about. */
export type Failure = NativeError

/** An open device: descriptors to serve, by queue. */
export interface Device {
  spec: DeviceSpec
  kind: number
  fds: number[]
  ifindex: number
  /** OFFLOAD_ bits that it takes on egress */
  offloads: number
}

/** The namespace file that a configuration's `netns` names: a name under /run/netns, a path, or pid:N. */
export function namespacePath(netns: string): string {
  if (netns === '' || netns.startsWith('/')) return netns
  const pid = /^pid:(\d+)$/.exec(netns)
  return pid ? `/proc/${pid[1]}/ns/net` : `/run/netns/${netns}`
}

function offloadsOf(granted: number): number {
  return (granted & TUN_F_COMMON) | ((granted & TUN_F_USO) === TUN_F_USO ? OFFLOAD_USO : 0)
}

/** Opens and configures a device; throws a NativeError and leaves nothing behind. */
export function open(spec: DeviceSpec): Device {
  const persist = spec.type === 'qemu-tap'
  const kind = spec.type === 'tun' ? 'tun' : 'tap'
  if (persist) native.reaperWatch('interface', spec.ifname, spec.alias)
  let fds: number[] = []
  try {
    const { ifname, netns, queues, offload, owner, alias } = spec
    const made = native.deviceOpen({ kind, ifname, netns, queues, offload, persist, owner, alias })
    fds = made.fds
    configure(spec)
    if (persist) {
      native.linkDropIngress(netns, ifname)
      fds = [native.packetOpen({ netns, ifname, vnetHeader: true, promiscuous: true })]
    }
    const number = persist ? PACKET : spec.type === 'tun' ? TUN : TAP
    return {
      spec,
      kind: number,
      fds,
      ifindex: made.ifindex,
      offloads: spec.offload ? offloadsOf(made.offloads) : 0,
    }
  } catch (error) {
    for (const fd of fds) native.descriptorClose(fd)
    // EEXIST: the interface of that name is somebody else's.
    if (persist && (error as NativeError).code !== 'EEXIST') native.linkDelete(spec.netns, spec.ifname)
    if (persist) native.reaperForget('interface', spec.ifname)
    throw error
  }
}

function configure(spec: DeviceSpec): void {
  const common = { netns: spec.netns, ifname: spec.ifname, mtu: spec.mtu, up: true }
  if (spec.type === 'qemu-tap') {
    native.linkSet({ ...common, arp: false, ipv6: false })
    return
  }
  native.linkSet({
    ...common,
    ...(spec.mac && spec.type === 'tap' ? { mac: spec.mac } : {}),
    ...(spec.address ? { address: spec.address } : {}),
  })
  if (spec.gateway) route(spec, spec.gateway)
}

/** The default route, unless the namespace has one already over another interface. */
function route(spec: DeviceSpec, gateway: string): void {
  try {
    native.linkSet({ netns: spec.netns, ifname: spec.ifname, gateway })
  } catch (error) {
    if ((error as NativeError).code !== 'EEXIST') throw error
  }
}

/** Sets another MTU on a device that stays open. */
export function resize(device: Device, mtu: number): void {
  device.spec.mtu = mtu
  native.linkSet({ netns: device.spec.netns, ifname: device.spec.ifname, mtu })
}

/** On the way out in a hurry: removes what would outlive the process. */
export function leave(device: Device): void {
  if (device.spec.type === 'qemu-tap') remove(device.spec)
}

/** Closes a device; its interface goes with it. Only after every worker has let go of the descriptors. */
export function close(device: Device): void {
  for (const fd of device.fds) native.descriptorClose(fd)
  device.fds = []
  leave(device)
}

/** Removes the interface of a qemu-tap, and the reaper's note of it. */
export function remove(spec: DeviceSpec): void {
  try {
    native.linkDelete(spec.netns, spec.ifname)
  } catch (error) {
    if (exists(spec.netns)) throw error // the interface went with its namespace otherwise
  }
  native.reaperForget('interface', spec.ifname)
}

/** The link behind a device as the kernel sees it now, or null if it or its namespace is gone. */
export function link(device: Device): Link | null {
  try {
    return native.linkGet(device.spec.netns, device.spec.ifname)
  } catch {
    return null // the namespace is gone, and the link with it
  }
}

/** True if the namespace file is there. */
export function exists(netns: string): boolean {
  return netns === '' || native.namespaceExists(netns)
}

/** Removes interfaces that a killed switch of the same instance left; returns their names. */
export function reclaim(instance: string): string[] {
  const left = native.linkList('').filter((each) => each.alias.startsWith(`bridgeport:${instance}:`))
  for (const each of left) native.linkDelete('', each.ifname)
  return left.map((each) => each.ifname)
}

/** The uid of a user name or number; throws a NativeError for an unknown one, -1 for null. */
export function userId(owner: string | null): number {
  if (owner === null) return -1
  return /^\d+$/.test(owner) ? Number(owner) : native.userId(owner)
}
