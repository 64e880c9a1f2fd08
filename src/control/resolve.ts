/** From what was written to what is meant: defaults filled in, every value in its own type. The form is checked before. */
import { dirname, join, resolve as resolvePath } from 'node:path'
import * as address from './address.ts'
import type { Configuration, NetworkConfiguration, PortConfiguration } from './configuration.ts'
import { gateway, leadsOutside } from './gateway.ts'
import * as home from './home.ts'
import { misfits } from './mode.ts'
import { type Problem, shown } from './problem.ts'
import { duration, listen, mode, rate } from './quantity.ts'
import type { FileInput, NetworkInput, PortInput } from './schema.ts'
import { hostIfname } from './wiring.ts'

/** Mode of every socket unless another is written. */
const SOCKET_MODE = 0o660
export const HTTP = '127.0.0.1:9477'
const MTU = 1500
const AGEING_MS = 300_000
const MACS = 65_536
const FLOWS = 262_144
/** IFNAMSIZ of Linux less the terminating zero. */
const IFNAME_LENGTH = 15

/** Something a user wrote, and where it comes from. */
export interface Entry<T, O> {
  input: T
  origin: O
}
export type NetworkEntry = Entry<NetworkInput, NetworkConfiguration['origin']>
export type PortEntry = Entry<PortInput, PortConfiguration['origin']>

/** A port published at run time; `port`: the port of the `bridgeport run` that it belongs to, '' otherwise. */
export interface PublishEntry {
  network: string
  publish: string
  port: string
}

/** All that makes a configuration, in the order of precedence: the file, then runtime.yaml, then `run`. */
export interface Parts {
  settings: Pick<FileInput, 'workers' | 'socket' | 'http' | 'state' | 'conntrack' | 'flowLog'>
  networks: Map<string, NetworkEntry>
  ports: Map<string, PortEntry>
  /** ports published at run time */
  publish?: readonly PublishEntry[]
  /** the switch runs inside a program, which may have memory ports */
  embedded?: boolean
}

function network(
  name: string,
  { input, origin }: NetworkEntry,
  added: readonly PublishEntry[],
): NetworkConfiguration {
  const subnet = address.cidr(input.subnet ?? '')
  const published = [
    ...(input.publish ?? []).map((text) => ({ text, origin })),
    ...added
      .filter((each) => each.network === name)
      .map(({ publish, port }) => ({
        text: publish,
        origin: port === '' ? ('runtime' as const) : ('run' as const),
      })),
  ]
  const own = gateway(name, input, subnet, published)
  const hosted = input.mode === 'host-only' || input.host !== undefined
  const owned =
    input.mode === 'host-only' && own.gateway !== null && subnet !== null
      ? `${own.gateway}/${subnet.prefix}`
      : null
  return {
    name,
    mode: input.mode as NetworkConfiguration['mode'],
    subnet,
    ...own,
    mtu: input.mtu ?? MTU,
    isolated: input.isolated ?? false,
    filterBridged: input.filterBridged ?? false,
    host: hosted
      ? { ifname: input.host?.ifname ?? hostIfname(name), address: input.host?.address ?? owned }
      : null,
    macTable: {
      ageingMs: duration(input.macTable?.ageing ?? '') ?? AGEING_MS,
      capacity: input.macTable?.capacity ?? MACS,
    },
    origin,
  }
}

function macOf(name: string, input: PortInput): string | null {
  if (input.mac !== undefined) return address.macText(input.mac)
  return input.type === 'tap' || input.type === 'tun' ? address.derivedMac(input.network, name) : null
}

/** Where a namespace's default route leads: nowhere in a network that leads nowhere. */
function routeOf(of: NetworkConfiguration): string | null {
  return of.mode === 'host-only' || of.uplink.kind !== 'none' ? of.gateway : null
}

/** A nic has its card, another device the name that it was given, else its port's. */
function ifnameOf(name: string, input: PortInput, inside: boolean): string {
  if (input.type === 'nic') return input.device
  if (input.type !== 'tap' && input.type !== 'tun' && input.type !== 'qemu-tap') return ''
  return input.ifname ?? (inside ? 'eth0' : name)
}

type SocketInput = Extract<PortInput, { type: 'vhost-user' | 'stream' | 'dgram' }>

/** True for what a guest plugs into by a socket's file. */
function isSocket(input: PortInput): input is SocketInput {
  return input.type === 'vhost-user' || input.type === 'stream' || input.type === 'dgram'
}

/** The files of a port that is a socket: beside the switch's own unless others are written. */
function socketOf(
  name: string,
  input: PortInput,
  folder: string,
): Pick<PortConfiguration, 'path' | 'peer' | 'role' | 'mode'> {
  if (!isSocket(input)) return { path: '', peer: '', role: 'server', mode: SOCKET_MODE }
  return {
    path: input.path ?? join(folder, `${name}.sock`),
    peer: input.type === 'dgram' ? (input.peer ?? join(folder, `${name}-qemu.sock`)) : '',
    role: (input.type !== 'dgram' && input.role) || 'server',
    mode: mode(input.mode ?? '') ?? SOCKET_MODE,
  }
}

function port(
  name: string,
  { input, origin }: PortEntry,
  of: NetworkConfiguration | undefined,
  folder: string,
): PortConfiguration {
  const device = input.type === 'tap' || input.type === 'tun' || input.type === 'qemu-tap' ? input : null
  const inside = device !== null && device.type !== 'qemu-tap' && device.netns !== undefined
  const owner = input.type === 'qemu-tap' || isSocket(input) ? input.owner : undefined
  return {
    name,
    network: input.network,
    type: input.type as PortConfiguration['type'],
    ifname: ifnameOf(name, input, inside),
    netns: device?.netns ?? '',
    address: input.address ?? null,
    gateway: inside && input.address !== undefined && of !== undefined ? routeOf(of) : null,
    mac: macOf(name, input),
    mtu: input.mtu ?? 0,
    queues: ('queues' in input && input.queues) || 1,
    isolated: input.isolated ?? false,
    guard: input.guard ?? false,
    macLimit: input.macLimit ?? 0,
    floodLimit: rate(input.floodLimit ?? '') ?? 0,
    owner: owner === undefined ? null : String(owner),
    offload: !('offload' in input) || input.offload !== false,
    macTranslation: input.type === 'nic' && (input.macTranslation ?? false),
    ...socketOf(name, input, folder),
    origin,
  }
}

/** Keys that mean nothing to a client: it connects to a socket that its server made. */
function excess(path: readonly string[], input: SocketInput): Problem[] {
  if (!('role' in input) || input.role !== 'client') return []
  return (['mode', 'owner'] as const).flatMap((key) => {
    const text = `found ${shown(input[key])}, expected no such key: with role client the socket is made by the other end, which gives it its owner and mode`
    return input[key] === undefined ? [] : [{ path: [...path, key], text }]
  })
}

/** What a port must have that only its type or its other keys tell. */
export function incomplete(parts: Parts): Problem[] {
  const result: Problem[] = []
  for (const [name, { input }] of parts.networks) {
    result.push(...misfits(name, input))
    if ((input.mode !== 'host-only' && !leadsOutside(input.mode)) || input.subnet !== undefined) continue
    result.push({
      path: ['networks', name, 'subnet'],
      text: `found nothing, expected a subnet such as 10.0.2.0/24: ${input.mode} needs one`,
    })
  }
  for (const [name, { input }] of parts.ports) {
    const path = ['ports', name]
    if (input.type === 'tun' && input.address === undefined)
      result.push({
        path: [...path, 'address'],
        text: 'found nothing, expected an address such as 10.0.2.15/24: a tun port has no ARP',
      })
    if (input.guard && input.type !== 'tap' && input.type !== 'tun' && input.mac === undefined)
      result.push({
        path: [...path, 'mac'],
        text: 'found nothing, expected the MAC that guard lets it send with',
      })
    if (input.type !== 'tap' && input.type !== 'tun' && input.address !== undefined)
      result.push({
        path: [...path, 'address'],
        text: `found ${shown(input.address)}, expected no such key: what is behind a ${input.type} port has its own stack`,
      })
    if (isSocket(input)) result.push(...excess(path, input))
    if (input.type !== 'tap' && input.type !== 'tun' && input.type !== 'qemu-tap') continue
    const named = input.ifname !== undefined || (input.type !== 'qemu-tap' && input.netns !== undefined)
    if (!named && name.length > IFNAME_LENGTH)
      result.push({
        path: [...path, 'ifname'],
        text: `found nothing, expected an interface name: the port's own has ${name.length} characters, ${IFNAME_LENGTH} may be`,
      })
  }
  return result
}

function conntrack(input: FileInput['conntrack']): Configuration['conntrack'] {
  const written = Object.entries(input?.timeouts ?? {}) as [string, string][]
  const timeouts = Object.fromEntries(written.map(([name, text]) => [name, duration(text) as number]))
  return { capacity: input?.capacity ?? FLOWS, timeouts }
}

function flowLog(input: FileInput['flowLog'], state: string): Configuration['flowLog'] {
  if (input === undefined || input === 'off') return null
  const { file, ipfix, domain } = input
  return {
    file: file === undefined ? null : resolvePath(state, file),
    ipfix: ipfix === undefined ? null : listen(ipfix),
    domain: domain ?? 1,
  }
}

/** The configuration that the parts mean. Call `consistency.check` on it before anybody acts on it. */
export function resolve(parts: Parts): Configuration {
  const { settings, publish = [] } = parts
  const http = settings.http ?? HTTP
  const networks = new Map([...parts.networks].map(([name, entry]) => [name, network(name, entry, publish)]))
  const socket = settings.socket ?? home.socket()
  const state = settings.state ?? home.state()
  const ports = [...parts.ports].map(
    ([name, entry]) => [name, port(name, entry, networks.get(entry.input.network), dirname(socket))] as const,
  )
  return {
    workers: settings.workers ?? 1,
    socket,
    socketMode: SOCKET_MODE,
    http: http === 'off' ? null : listen(http),
    state,
    conntrack: conntrack(settings.conntrack),
    flowLog: flowLog(settings.flowLog, state),
    networks,
    ports: new Map(ports),
    rules: null,
    sets: null,
  }
}
