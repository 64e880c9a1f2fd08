/**
 * A program: everything a worker must know of networks and ports, complete, as plain values that can be posted. The control
 * thread makes one for every change; a worker swaps it in between two bursts, so no frame sees half of it.
 */

import type { Names, Plan } from '../chain/plan.ts'
import type { FrontProgram } from '../vhost/front.ts'

/** A forwarding entry that is configured: a static one, the host's or the gateway's. */
export interface FixedMac {
  high: number
  low: number
  port: number
  /** STATIC, HOST or GATEWAY of table/mac.ts */
  kind: number
}

/** What a link of the gateway is for. */
export const GUESTS = 0
export const HOST_UPLINK = 1
export const NIC_UPLINK = 2
/** leads to listening sockets of the daemon in a namespace of their own */
export const SERVICES = 3

/** services that the control thread answers for a network; bits of LinkProgram.services */
export const DHCP = 1
export const DNS = 2

/** RFC 4787 4.1 and 5 */
export const ENDPOINT_INDEPENDENT = 0
export const ADDRESS_DEPENDENT = 1
export const ADDRESS_AND_PORT_DEPENDENT = 2

/** The mode's own translation of what leaves by the uplink: to the uplink's address and a port from `first` to `last`. */
export interface TranslationProgram {
  mapping: number
  filtering: number
  first: number
  last: number
  hairpin: boolean
}

/** The gateway's interface on a network. Addresses are int32. */
export interface LinkProgram {
  role: number
  /** index of the port that stands for the gateway in this network; its other end is the control thread */
  port: number
  high: number
  low: number
  /** 0 while it has none */
  address: number
  prefix: number
  /** index of the network that leads outside, -1 if none does */
  uplink: number
  /** on an uplink: the router, 0 if there is none, and its MAC where that is known beforehand */
  router: number
  routerMac: { high: number; low: number } | null
  /** what is outside may open connections, and nothing is translated */
  routed: boolean
  /** two ports of this network never meet, not through the gateway either */
  isolated: boolean
  translation: TranslationProgram | null
  /** destinations outside that are refused: the host's own addresses without `hostAccess` */
  refused: number[]
  services: number
  /** the kernel behind the network's host port owns `address`: only services are taken, nothing is routed */
  intercept: boolean
}

/**
 * New connections that come in by a network for `address` and ports `first` to `last` go to `to` and ports from `toFirst` on:
 * published ports, and services behind the gateway's own address.
 */
export interface RedirectProgram {
  network: number
  /** 6 or 17; 0 for every protocol, ports then stay */
  protocol: number
  address: number
  first: number
  last: number
  to: number
  toFirst: number
  /** the destination sees the gateway's address in its own network as the source */
  masquerade: boolean
  /** connections that `to` opens outside by `network` have `address` as their source: 1:1 */
  mutual: boolean
}

export interface GatewayProgram {
  flowsAt: number
  flowCapacity: number
  bindingsAt: number
  bindingCapacity: number
  neighboursAt: number
  neighbourCapacity: number
  /** milliseconds, in the order of gateway/timeout.ts */
  timeouts: number[]
  redirects: RedirectProgram[]
  /** counters of rules, and records of what rules tell of; bytes in the arena */
  tallyAt: number
  journalAt: number
  /** where begins and ends of flows are written, 0 while nobody wants to know */
  chronicleAt: number
  /** what bears the names that rules mention, null without rules */
  names: Names | null
}

export interface NetworkProgram {
  /** the gateway's interface, null where the network has none */
  link: LinkProgram | null
  index: number
  worker: number
  mtu: number
  /** the forwarding table in the arena, bytes */
  macsAt: number
  macCapacity: number
  ageingMs: number
  fixed: FixedMac[]
  /** IPv4 that is bridged inside the network passes FORWARD, too */
  filterBridged: boolean
}

export interface QueueProgram {
  worker: number
  /** TAP, TUN, PACKET, RING, STREAM or DGRAM of port/queue.ts with its descriptor; MEMORY and VHOST with their place in the arena */
  kind: number
  fd: number
  memoryAt: number
}

export const MEMORY = 3
/** a pair of virtqueues, whose rings a front-end lends while it is connected */
export const VHOST = 7

export interface PortProgram {
  index: number
  incarnation: number
  network: number
  mtu: number
  offloads: number
  isolated: boolean
  gateway: boolean
  /** its other end is the control thread: it stands for the gateway and is no target of floods */
  local: boolean
  guard: { high: number; low: number; addresses: number[] } | null
  macLimit: number
  floodLimit: number
  queues: QueueProgram[]
  /** a tun port's own station in the network, null for every other type */
  station: { high: number; low: number; address: number; gateway: number; prefix: number } | null
  /** the MAC of a card that the stations behind it share; null or absent where everybody has his own */
  card?: { high: number; low: number } | null
  /** the path of a dgram port's other end; absent for every other type */
  peer?: string
}

export interface Program {
  networks: NetworkProgram[]
  ports: PortProgram[]
  gateway: GatewayProgram | null
}

/** What a capture takes, and where its frames go. */
export interface CaptureProgram {
  /** the ring in the arena, bytes, and how many words it has: see record.ts */
  at: number
  words: number
  /** bytes of a frame that are kept */
  snap: number
  /** INBOUND, OUTBOUND of record.ts, or both */
  directions: number
  /** only frames that are dropped */
  drops: boolean
  /** classic BPF as filter.ts takes it, null for every frame */
  filter: Int32Array | null
  /** the ports that it watches: index and incarnation */
  ports: [number, number][]
}

/** What a worker is told, in order. */
export type Order =
  /** a capture begins, goes on with other ports (same `at`), or ends with null; answered once its ring is out of use */
  | { type: 'capture'; number: number; slot: number; capture: CaptureProgram | null }
  | { type: 'program'; number: number; program: Program }
  | { type: 'flush'; number: number; network: number; port: number }
  /** a compiled ruleset: prepared in pieces between bursts, then swapped in; answered once it is in force */
  | { type: 'rules'; number: number; plan: Plan }
  /** changes of sets, as table/change.ts has them; for the gateway's worker alone */
  | { type: 'sets'; number: number; changes: Int32Array }
  /** what a vhost-user port's front-end lends from now on, null for nothing any more; answered once what it lent before is out of use */
  | { type: 'front'; number: number; port: number; incarnation: number; front: FrontProgram | null }
  /** the addresses that a guarded port holds now, leased ones included */
  | { type: 'guard'; number: number; port: number; addresses: number[] }
  /** forgets the gateway's learned neighbours of a network, all with -1 */
  | { type: 'neighbours'; number: number; network: number }
  /** forgets flows that match: 0 stands for any address, port and protocol; `source` and `destination` are of the original direction */
  | {
      type: 'flows'
      number: number
      protocol: number
      source: number
      destination: number
      sourcePort: number
      destinationPort: number
    }

/** What a worker answers. */
export type Answer =
  | { type: 'ready' }
  | { type: 'done'; number: number; result: number }
  /** an order that could not be carried out */
  | { type: 'refused'; number: number; why: string }
  | { type: 'lost'; port: number; incarnation: number; errno: number }
  | { type: 'frames'; port: number }
  /** a front-end broke the rules of its rings: `why` is a number of vhost/fault.ts, and nothing it lent is in use any more */
  | { type: 'broken'; port: number; incarnation: number; why: number }

/** Where everything lies that a worker maps at its start; offsets in bytes. */
export interface Start {
  arena: { fd: number; length: number }
  worker: number
  workers: number
  poolAt: number
  framesPerWorker: number
  /** one line each worker */
  doorbellsAt: number
  doorbells: number[]
}
