/**
 * How gateways are wired in. A network with a gateway has a hidden port that stands for it; the way outside is a hidden network of its
 * own, `<network>-uplink`, with the gateway's port there and one port that leads out: a TAP into the host's stack, or a card.
 */
import { createHash } from 'node:crypto'
import { GUESTS, HOST_UPLINK, NIC_UPLINK } from '../pipeline/program.ts'
import { type Cidr, cidr, derivedMac, ipv4Text } from './address.ts'
import type { NetworkConfiguration } from './configuration.ts'
import { hasLink, isWatched } from './gateway.ts'
import { RESTING, type Spec } from './member.ts'
import { endsOf } from './uplink.ts'

/** IFNAMSIZ of Linux less the terminating zero. */
const IFNAME_LENGTH = 15
/** A point-to-point link has two stations; the LAN's are learned, so that frames between others need no flood. */
const LINK_MACS = 16
const LAN_MACS = 4096

/** A network as the workers have it: one that a user named, or the hidden one behind its uplink. */
export interface Site {
  name: string
  role: number
  configuration: NetworkConfiguration
  macCapacity: number
}

/** `bp-<name>`; a long name keeps its beginning and four digits of its hash, so that two long names differ. */
export function hostIfname(name: string): string {
  const plain = `bp-${name}`
  if (plain.length <= IFNAME_LENGTH) return plain
  return `bp-${name.slice(0, 8)}${createHash('sha256').update(name).digest('hex').slice(0, 4)}`
}

export function uplinkName(network: string): string {
  return `${network}-uplink`
}

/** The host's end of a network's uplink; the network's own interface on the host may have the plain name already. */
export function uplinkIfname({ name, host }: NetworkConfiguration): string {
  const plain = hostIfname(name)
  return host?.ifname === plain ? hostIfname(uplinkName(name)) : plain
}

/** The MAC of the host's end. */
export function uplinkMac(configuration: NetworkConfiguration): string {
  return derivedMac(uplinkName(configuration.name), uplinkIfname(configuration))
}

/** The name of the port that stands for the gateway in a network: the network's own, as in rules. */
export function localName(site: string, role: number): string {
  return role === GUESTS ? site : `${site} gateway`
}

/** The hidden uplink counts as a network of its own only where a gateway of ours translates or routes into it. */
function hasUplink({ mode, uplink }: NetworkConfiguration): boolean {
  return (mode === 'nat' || mode === 'routed') && uplink.kind !== 'none'
}

/** True if an interface of the host is the other end of the network's uplink. */
export function hasHostLink(configuration: NetworkConfiguration): boolean {
  return hasUplink(configuration) && configuration.uplink.kind === 'host'
}

export function sites(configuration: NetworkConfiguration): Site[] {
  const { name, uplink, macTable } = configuration
  const own = { name, role: GUESTS, configuration, macCapacity: macTable.capacity }
  if (!hasUplink(configuration)) return [own]
  const isHost = uplink.kind === 'host'
  const role = isHost ? HOST_UPLINK : NIC_UPLINK
  return [own, { name: uplinkName(name), role, configuration, macCapacity: isHost ? LINK_MACS : LAN_MACS }]
}

/** A hidden port with every setting at rest: the gateway's own until it is said otherwise. */
export function plain(name: string, network: string, configuration: NetworkConfiguration): Spec {
  return {
    ...RESTING,
    name,
    network,
    type: 'local',
    ifname: '',
    netns: '',
    address: null,
    mac: derivedMac(network, ''),
    origin: configuration.origin,
    holdsGateway: true,
    networkMtu: configuration.mtu,
    hidden: true,
    confined: false,
  }
}

/** The ports of a network's gateway; `link` is the subnet between a host uplink's two ends. */
export function hiddenSpecs(configuration: NetworkConfiguration, link: Cidr | null): Spec[] {
  const { name, uplink, mode } = configuration
  // Where only the rules look at what is bridged, nobody sends to that port, and it is no gateway that isolated ports may reach.
  const local = {
    ...plain(localName(name, GUESTS), name, configuration),
    holdsGateway: hasLink(configuration),
  }
  const own = isWatched(configuration) ? [local] : []
  if (mode === 'bridged' && uplink.kind === 'nic') {
    const lan = { ...plain(uplinkName(name), name, configuration), ...card(uplink.device), hidden: false }
    return [...own, lan]
  }
  if (!hasLink(configuration)) return own
  if (!hasUplink(configuration)) return [local]
  const site = uplinkName(name)
  const inner = plain(localName(site, HOST_UPLINK), site, configuration)
  const outer = { ...plain(site, site, configuration), holdsGateway: false }
  if (uplink.kind === 'nic') return [local, inner, { ...outer, ...card(uplink.device) }]
  const ifname = uplinkIfname(configuration)
  const address = link === null ? null : `${ipv4Text(endsOf(link).host)}/${link.prefix}`
  return [local, inner, { ...outer, type: 'tap', ifname, address, mac: uplinkMac(configuration) }]
}

function card(ifname: string): Pick<Spec, 'type' | 'ifname' | 'mac'> {
  return { type: 'nic', ifname, mac: null }
}

/** The subnet of a written link, null where the switch chooses one or there is none. */
export function written({ uplink }: NetworkConfiguration): Cidr | null {
  return uplink.kind === 'host' ? uplink.link : null
}

/** True if a link has to be chosen for the network. */
export function wantsLink(configuration: NetworkConfiguration): boolean {
  return hasHostLink(configuration) && written(configuration) === null
}

/** The address of a card as written; null while it has none. */
export function cardAddress({ uplink }: NetworkConfiguration): Cidr | null {
  if (uplink.kind !== 'nic' || uplink.address === null || uplink.address === 'dhcp') return null
  return cidr(uplink.address)
}
