/**
 * A program: everything a worker must know of networks and ports, complete, as plain values that can be posted. The control
 * thread makes one for every change; a worker swaps it in between two bursts, so no frame sees half of it.
 */

/** A forwarding entry that is configured: a static one, the host's or the gateway's. */
export interface FixedMac {
  high: number
  low: number
  port: number
  /** STATIC, HOST or GATEWAY of table/mac.ts */
  kind: number
}

export interface NetworkProgram {
  index: number
  worker: number
  mtu: number
  /** the forwarding table in the arena, bytes */
  macsAt: number
  macCapacity: number
  ageingMs: number
  fixed: FixedMac[]
}

export interface QueueProgram {
  worker: number
  /** TAP, TUN or PACKET of port/queue.ts with its descriptor; MEMORY with its place in the arena */
  kind: number
  fd: number
  memoryAt: number
}

export const MEMORY = 3

export interface PortProgram {
  index: number
  incarnation: number
  network: number
  mtu: number
  offloads: number
  isolated: boolean
  gateway: boolean
  guard: { high: number; low: number; addresses: number[] } | null
  macLimit: number
  floodLimit: number
  queues: QueueProgram[]
  /** a tun port's own station in the network, null for every other type */
  station: { high: number; low: number; address: number; gateway: number; prefix: number } | null
}

export interface Program {
  networks: NetworkProgram[]
  ports: PortProgram[]
}

/** What a worker is told, in order. */
export type Order =
  | { type: 'program'; number: number; program: Program }
  | { type: 'flush'; number: number; network: number; port: number }

/** What a worker answers. */
export type Answer =
  | { type: 'ready' }
  | { type: 'done'; number: number; result: number }
  | { type: 'lost'; port: number; incarnation: number; errno: number }
  | { type: 'frames'; port: number }

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
