/**
 * What a network's gateway is told to be: its address, what it hands out and answers, the way outside. From what was written to
 * what is meant, with each mode's defaults.
 */
import * as address from './address.ts'
import type { Cidr, NetworkConfiguration, Published } from './configuration.ts'
import { addressRange, duration, portRange, publish } from './quantity.ts'
import type { NetworkInput } from './schema.ts'

const LEASE_MS = 3_600_000
/** The first address that is handed out, counted from the subnet's own: the one that QEMU and VirtualBox begin with. */
const FIRST_LEASE = 15
/** RFC 4787, REQ-3: ports below 1024 are the system's. */
const PORTS = { first: 1024, last: 65535 }

type Gateway = Pick<
  NetworkConfiguration,
  'gateway' | 'domain' | 'dhcp' | 'dns' | 'uplink' | 'nat' | 'hostAccess' | 'publish'
>

/** Modes in which the gateway is ours and the way outside leads over an uplink. */
export function leadsOutside(mode: NetworkInput['mode']): boolean {
  return mode === 'nat' || mode === 'routed'
}

/** The gateway's address: as written, else in host-only mode the host's own, else the first that the host does not have. */
function addressOf(input: NetworkInput, subnet: Cidr | null): string | null {
  if (input.gateway !== undefined) return input.gateway
  if (subnet === null || input.mode === 'bridged') return null
  const host = input.host?.address?.split('/')[0]
  if (input.mode === 'host-only' && host !== undefined) return host
  const first = address.ipv4Text(address.networkOf(subnet) + 1)
  return host === first ? address.ipv4Text(address.networkOf(subnet) + 2) : first
}

/** The subnet from its fifteenth address on; a small one from its second on. */
function rangeOf(subnet: Cidr): { first: number; last: number } {
  const [base, broadcast] = [address.networkOf(subnet), address.broadcastOf(subnet)]
  const skipped = broadcast - base > 2 * FIRST_LEASE ? FIRST_LEASE : 2
  return { first: base + skipped, last: broadcast - 1 }
}

function dhcp(input: NetworkInput, subnet: Cidr | null): NetworkConfiguration['dhcp'] {
  if (input.dhcp === 'off' || subnet === null || input.mode === 'bridged') return null
  const range = input.dhcp?.range === undefined ? null : addressRange(input.dhcp.range)
  return {
    ...(range ?? rangeOf(subnet)),
    leaseMs: duration(input.dhcp?.lease ?? '') ?? LEASE_MS,
    static: new Map(Object.entries(input.dhcp?.static ?? {}).map(([mac, ip]) => [address.macText(mac), ip])),
  }
}

function uplink(input: NetworkInput): NetworkConfiguration['uplink'] {
  const written = input.uplink ?? (leadsOutside(input.mode) ? 'host' : 'none')
  if (written === 'none') return { kind: 'none' }
  const translated = input.mode === 'nat'
  if (written === 'host') return { kind: 'host', link: null, nat: translated }
  if ('host' in written) {
    const { link, nat } = written.host
    return { kind: 'host', link: address.cidr(link ?? ''), nat: nat ?? translated }
  }
  // A card without an address asks the LAN's DHCP server for one; in bridged mode it needs none.
  const own = written.address ?? (input.mode === 'bridged' ? null : 'dhcp')
  return { kind: 'nic', device: written.nic, address: own, gateway: written.gateway ?? null }
}

/** Only a network that leads outside asks outside, unless it is told to: a name is a way out, too. */
function dns(input: NetworkInput, subnet: Cidr | null, leads: boolean): NetworkConfiguration['dns'] {
  if (input.dns === 'off' || subnet === null || input.mode === 'bridged') return null
  return {
    forward: input.dns?.forward ?? (leads ? ['system'] : []),
    names: new Map(Object.entries(input.dns?.names ?? {}).map(([name, ip]) => [name.toLowerCase(), ip])),
  }
}

function nat({ nat }: NetworkInput): NetworkConfiguration['nat'] {
  return {
    mapping: nat?.mapping ?? 'endpoint-independent',
    filtering: nat?.filtering ?? 'address-and-port-dependent',
    ...(nat?.ports === undefined ? PORTS : (portRange(nat.ports) ?? PORTS)),
    hairpin: nat?.hairpin ?? true,
  }
}

/** The gateway's part of a network's configuration. The form of `input` is checked before. */
export function gateway(
  name: string,
  input: NetworkInput,
  subnet: Cidr | null,
  published: readonly { text: string; origin: Published['origin'] }[],
): Gateway {
  const way = uplink(input)
  return {
    gateway: addressOf(input, subnet),
    domain: (input.domain ?? `${name}.internal`).toLowerCase(),
    dhcp: dhcp(input, subnet),
    dns: dns(input, subnet, way.kind !== 'none'),
    uplink: way,
    nat: nat(input),
    hostAccess: input.hostAccess ?? true,
    publish: published.flatMap(({ text, origin }) => {
      const mapping = publish(text)
      return mapping === null ? [] : [{ ...mapping, origin }]
    }),
  }
}

/**
 * True if frames of the network meet the gateway's stage: it has a gateway of ours, or what is bridged passes the rules. Either way it
 * belongs to worker 0.
 */
export function isWatched(network: NetworkConfiguration): boolean {
  return network.filterBridged || hasLink(network)
}

/** True if the network has a gateway of ours, or services of ours beside the host's: it then belongs to worker 0. */
export function hasLink(network: NetworkConfiguration): boolean {
  const { mode, gateway, dhcp, dns, subnet } = network
  if (mode === 'bridged' || subnet === null || gateway === null) return false
  return leadsOutside(mode) || dhcp !== null || dns !== null
}
