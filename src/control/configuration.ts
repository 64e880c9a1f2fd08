/** What a switch is told to be: the resolved configuration, every default filled in and every value in its own type. */
import type { Cidr } from './address.ts'
import type { Publish } from './quantity.ts'
import type { Written } from './written.ts'

export type { Cidr } from './address.ts'

export interface Configuration {
  workers: number
  socket: string
  socketMode: number
  http: { host: string; port: number } | null
  state: string
  /** flows that are tracked at once; timeouts in milliseconds by the kernel's names, those that were written */
  conntrack: { capacity: number; timeouts: Record<string, number> }
  flowLog: FlowLogConfiguration | null
  networks: Map<string, NetworkConfiguration>
  ports: Map<string, PortConfiguration>
  /** what is in force in iptables-save's and ipset-save's format, null for nothing */
  rules: Written | null
  sets: Written | null
}

/** Where begins and ends of connections are told: a file of JSON lines, an IPFIX collector, or both. */
export interface FlowLogConfiguration {
  /** absolute */
  file: string | null
  ipfix: { host: string; port: number } | null
  /** observation domain of IPFIX */
  domain: number
}

/** Addresses that the DHCP server hands out; `first` and `last` are int32. */
export interface DhcpConfiguration {
  first: number
  last: number
  leaseMs: number
  /** MAC in lower case → dotted quad */
  static: Map<string, string>
}

export interface DnsConfiguration {
  /** `system`, or an address with an optional port; empty: names of the network only */
  forward: string[]
  /** host name → dotted quad */
  names: Map<string, string>
}

/**
 * The way outside: the host's own stack, a card of ours, or none. Addresses are CIDR text and dotted quads; without a `link` the
 * switch chooses a free one.
 */
export type UplinkConfiguration =
  | { kind: 'host'; link: Cidr | null; nat: boolean }
  | { kind: 'nic'; device: string; address: 'dhcp' | string | null; gateway: string | null }
  | { kind: 'none' }

/** A published port and where it comes from; one of a `bridgeport run` lives as long as its port. */
export interface Published extends Publish {
  origin: 'file' | 'runtime' | 'run'
}

export type Behaviour = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent'

export interface NatConfiguration {
  mapping: Behaviour
  filtering: Behaviour
  first: number
  last: number
  hairpin: boolean
}

export interface NetworkConfiguration {
  name: string
  mode: 'nat' | 'host-only' | 'internal' | 'bridged' | 'routed'
  subnet: Cidr | null
  /** dotted quad; in host-only mode the host's interface owns it */
  gateway: string | null
  mtu: number
  domain: string
  dhcp: DhcpConfiguration | null
  dns: DnsConfiguration | null
  uplink: UplinkConfiguration
  nat: NatConfiguration
  /** guests may reach the host itself through the host uplink */
  hostAccess: boolean
  publish: Published[]
  /** ports of an isolated network reach the gateway and the host only */
  isolated: boolean
  /** what is bridged inside the network passes the chain FORWARD, too */
  filterBridged: boolean
  /** the network's interface on the host; `address` is CIDR text */
  host: { ifname: string; address: string | null } | null
  macTable: { ageingMs: number; capacity: number }
  origin: 'file' | 'runtime'
}

export interface PortConfiguration {
  name: string
  network: string
  type: 'tap' | 'tun' | 'qemu-tap' | 'nic' | 'vhost-user' | 'stream' | 'dgram' | 'memory'
  /** '' for a memory port and for one that is a socket */
  ifname: string
  /** '' for the daemon's own namespace, otherwise as written: a name, a path or pid:N */
  netns: string
  /** CIDR text, or dhcp: the switch leases one for it */
  address: string | null
  /** dotted quad of the default route to set in the namespace */
  gateway: string | null
  /** lower case; always set for tap and tun, null when the guest chooses its own */
  mac: string | null
  /** 0 is the network's */
  mtu: number
  queues: number
  isolated: boolean
  guard: boolean
  /** 0 is no limit */
  macLimit: number
  /** frames per second, 0 is no limit */
  floodLimit: number
  /** user name or uid that may open a qemu-tap, or that a socket is given to */
  owner: string | null
  /** false: no vnet offloads on this port, the switch segments and sums for it */
  offload: boolean
  /** of a nic: guests share the card's own MAC on the air */
  macTranslation: boolean
  /** of vhost-user, stream and dgram: the socket, which the switch makes unless it is the client; '' for others */
  path: string
  /** of dgram: the other end's socket; '' for others */
  peer: string
  role: 'server' | 'client'
  /** of the socket's file */
  mode: number
  origin: 'file' | 'runtime' | 'run'
}
