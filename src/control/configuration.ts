/** What a switch is told to be: the resolved configuration, every default filled in and every value in its own type. */
import type { Cidr } from './address.ts'

export type { Cidr } from './address.ts'

export interface Configuration {
  workers: number
  socket: string
  socketMode: number
  http: { host: string; port: number } | null
  state: string
  networks: Map<string, NetworkConfiguration>
  ports: Map<string, PortConfiguration>
}

export interface NetworkConfiguration {
  name: string
  mode: 'host-only' | 'internal'
  subnet: Cidr | null
  /** dotted quad; in host-only mode the host's interface owns it */
  gateway: string | null
  mtu: number
  /** ports of an isolated network reach the gateway and the host only */
  isolated: boolean
  /** the network's interface on the host; `address` is CIDR text */
  host: { ifname: string; address: string | null } | null
  macTable: { ageingMs: number; capacity: number }
  origin: 'file' | 'runtime'
}

export interface PortConfiguration {
  name: string
  network: string
  type: 'tap' | 'tun' | 'qemu-tap' | 'memory'
  /** '' for a memory port */
  ifname: string
  /** '' for the daemon's own namespace, otherwise as written: a name, a path or pid:N */
  netns: string
  /** CIDR text */
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
  /** user name or uid that may open a qemu-tap */
  owner: string | null
  /** false: no vnet offloads on this port, the switch segments and sums for it */
  offload: boolean
  origin: 'file' | 'runtime' | 'run'
}
