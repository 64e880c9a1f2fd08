/**
 * Devices of the kernel behind ports: made and configured on the control thread, their descriptors served by workers.
 *
 * A `tap` or `tun` ends in the kernel stack of a namespace. A `qemu-tap` is a persistent TAP whose descriptor QEMU opens by name;
 * the switch holds the interface's end, a packet socket, and the host's own stack is kept off it: no ARP, no IPv6, every frame
 * dropped on ingress after the packet socket has seen it. A `nic` is a card that exists: a packet socket on it, and nothing of it is changed.
 */
import { release } from 'node:os'
import { type Link, type NativeError, native, type PacketOptions } from '../memory/native.ts'
import { OFFLOAD_ALL, OFFLOAD_USO } from './port.ts'
import { PACKET, RING, TAP, TUN } from './queue.ts'

/** TUN_F_ bits that the kernel grants (linux/if_tun.h); the lower four are our OFFLOAD_ bits. */
const TUN_F_COMMON = 0x0f
const TUN_F_USO = 0x60

export interface DeviceSpec {
  /** socket: nothing of the kernel's network stands behind it */
  type: 'tap' | 'tun' | 'qemu-tap' | 'nic' | 'socket'
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
  /** false: the host sends nothing of its own IPv6 by it */
  ipv6?: boolean
  /** of a nic: the stations behind it share its MAC */
  macTranslation?: boolean
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
  /** of a nic: what the card has, null for what we made */
  card: { mac: string; mtu: number } | null
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
  if (spec.type === 'nic') return openCard(spec)
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
      card: null,
    }
  } catch (error) {
    for (const fd of fds) native.descriptorClose(fd)
    // EEXIST: the interface of that name is somebody else's.
    if (persist && (error as NativeError).code !== 'EEXIST') native.linkDelete(spec.netns, spec.ifname)
    if (persist) native.reaperForget('interface', spec.ifname)
    throw error
  }
}

/** A unix socket, or several descriptors of one kind, as a device. */
export function socket(kind: number, fds: number[], offloads: number): Device {
  const nothing = { ifname: '', netns: '', mac: null, address: null, gateway: null, mtu: 0, alias: '' }
  const spec = { type: 'socket' as const, ...nothing, queues: fds.length, offload: offloads !== 0, owner: -1 }
  return { spec, kind, fds, ifindex: 0, offloads, card: null }
}

/** Whatever a card cannot do itself the kernel does before it hands a frame to it; UDP segments since Linux 6.2. */
function cardOffloads(): number {
  const [major, minor] = release().split('.').map(Number)
  return major > 6 || (major === 6 && minor >= 2) ? OFFLOAD_ALL : OFFLOAD_ALL & ~OFFLOAD_USO
}

/**
 * A packet socket on a card. Stations have MACs of their own, so it listens to all; what is for the card's own MAC is the host's,
 * unless the stations share it.
 */
function openCard(spec: DeviceSpec): Device {
  const { netns, ifname } = spec
  const shares = spec.macTranslation === true
  const found = native.linkGet(netns, ifname)
  const excluded = shares || found === null ? {} : { excluded: found.mac }
  const options = { netns, ifname, vnetHeader: true, promiscuous: !shares, ...excluded }
  const { fd, kind } = packetSocket(options)
  const { mac = '', mtu = spec.mtu, ifindex = 0 } = found ?? {}
  const offloads = spec.offload ? cardOffloads() : 0
  return { spec, kind, fds: [fd], ifindex, offloads, card: { mac, mtu } }
}

/** With a ring where the kernel has the memory for it. */
function packetSocket(options: PacketOptions): { fd: number; kind: number } {
  try {
    return { fd: native.packetOpen({ ...options, ring: true }), kind: RING }
  } catch (error) {
    if (!['ENOMEM', 'EINVAL'].includes((error as NativeError).code)) throw error
    return { fd: native.packetOpen(options), kind: PACKET }
  }
}

function configure(spec: DeviceSpec): void {
  const common = { netns: spec.netns, ifname: spec.ifname, mtu: spec.mtu, up: true }
  if (spec.type === 'qemu-tap') {
    native.linkSet({ ...common, arp: false, ipv6: false })
    return
  }
  if (spec.ipv6 === false) quieten(spec)
  native.linkSet({
    ...common,
    ...(spec.mac && spec.type === 'tap' ? { mac: spec.mac } : {}),
    ...(spec.address ? { address: spec.address } : {}),
  })
  if (spec.gateway) route(spec, spec.gateway)
}

/** Turns IPv6 off. Where /proc/sys is read-only, as in containers, the interface keeps it: what it then says is dropped by name. */
function quieten({ netns, ifname }: DeviceSpec): void {
  try {
    native.linkSet({ netns, ifname, ipv6: false })
  } catch (error) {
    if ((error as NativeError).code !== 'EROFS') throw error
  }
}

/** The default route, unless the namespace has one already over another interface. */
function route(spec: DeviceSpec, gateway: string): void {
  try {
    native.linkSet({ netns: spec.netns, ifname: spec.ifname, gateway })
  } catch (error) {
    if ((error as NativeError).code !== 'EEXIST') throw error
  }
}

/** Sets another MTU on a device that stays open; a card keeps its own. */
export function resize(device: Device, mtu: number): void {
  device.spec.mtu = mtu
  if (device.card || device.spec.type === 'socket') return
  native.linkSet({ netns: device.spec.netns, ifname: device.spec.ifname, mtu })
}

/** On the way out in a hurry: removes what would outlive the process. */
export function leave(device: Device): void {
  if (device.spec.type === 'qemu-tap') remove(device.spec)
}

/** Closes a device; its interface goes with it. Only after every worker has let go of the descriptors. */
export function close(device: Device): void {
  for (const fd of device.fds) if (fd >= 0) native.descriptorClose(fd)
  device.fds = []
  leave(device)
}

/** Removes the links of a namespace that `goes` knows by their alias, all at once: one by one each takes 20 ms. Returns their names. */
function removeAll(netns: string, goes: (alias: string) => boolean): string[] {
  const going = native.linkList(netns).filter(({ alias }) => goes(alias))
  const indexes = going.map(({ ifindex }) => ifindex)
  if (going.length > 0) native.linkSweep(netns, indexes)
  return going.map(({ ifname }) => ifname)
}

/** Removes the interfaces of several devices whose descriptors are closed next, here or by the end of the process. */
export function sweep(devices: Iterable<Device>): void {
  const places = new Map<string, Set<string>>()
  for (const { spec, card } of devices) {
    if (card !== null || spec.type === 'socket') continue
    const aliases = places.get(spec.netns) ?? new Set()
    places.set(spec.netns, aliases.add(spec.alias))
  }
  for (const [netns, aliases] of places) {
    try {
      if (aliases.size > 1) removeAll(netns, (alias) => aliases.has(alias))
    } catch {
      // The namespace is gone, and the interfaces with it; else each goes when it is closed.
    }
  }
}

/** Lets go of several devices' interfaces and descriptors before each is closed: the kernel takes its time for each, or once for all. */
export function unplug(devices: Device[]): void {
  sweep(devices)
  const held = devices.filter(({ spec }) => spec.type !== 'socket').flatMap(({ fds }) => fds.splice(0))
  native.descriptorsClose(held.filter((fd) => fd >= 0))
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

/** True if a TUN or TAP is known to be up without a question to its namespace, which takes a thread. */
export function isRunning({ kind, fds }: Device): boolean {
  return (kind === TAP || kind === TUN) && native.descriptorTakes(fds[0])
}

/** The link behind a device as the kernel sees it now, or null if it or its namespace is gone; another card of that name is not it. */
export function link(device: Device): Link | null {
  try {
    const found = native.linkGet(device.spec.netns, device.spec.ifname)
    return device.card && found?.ifindex !== device.ifindex ? null : found
  } catch {
    return null // the namespace is gone, and the link with it
  }
}

/** True if a card has another MAC or MTU than when it was opened: Wi-Fi may choose a new MAC for every network that it joins. */
export function isOther({ card, spec, ifindex }: Device): boolean {
  const found = card === null ? null : native.linkGet(spec.netns, spec.ifname)
  if (card === null || found?.ifindex !== ifindex) return false
  return found.mac !== card.mac || found.mtu !== card.mtu
}

/** True if the namespace file is there. */
export function exists(netns: string): boolean {
  return netns === '' || native.namespaceExists(netns)
}

/** What a card is to us: carrier means that a cable or a network is there. */
export function cardState(ifname: string): 'up' | 'down' | 'unplugged' | 'absent' {
  const found = native.linkGet('', ifname)
  if (found === null) return 'absent'
  return !found.up ? 'down' : found.carrier ? 'up' : 'unplugged'
}

/** True if the daemon's namespace has an interface of that name. */
export function present(ifname: string): boolean {
  return native.linkGet('', ifname) !== null
}

/** Removes interfaces that a killed switch of the same instance left; returns their names. */
export function reclaim(instance: string): string[] {
  return removeAll('', (alias) => alias.startsWith(`bridgeport:${instance}:`))
}

/** The uid of a user name or number; throws a NativeError for an unknown one, -1 for null. */
export function userId(owner: string | null): number {
  if (owner === null) return -1
  return /^\d+$/.test(owner) ? Number(owner) : native.userId(owner)
}
