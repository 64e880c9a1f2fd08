/**
 * Frames through the whole path with connection tracking and translation, in memory: 64-byte UDP of flows that are under way, in an order
 * that no prefetcher follows, and flows that are new.
 */

import { timeouts } from '../../src/gateway/timeout.ts'
import type { Arena } from '../../src/memory/arena.ts'
import { LENGTHS } from '../../src/memory/block.ts'
import { type Pool, STRIDE } from '../../src/memory/pool.ts'
import {
  ENDPOINT_INDEPENDENT,
  GUESTS,
  type LinkProgram,
  type NetworkProgram,
  NIC_UPLINK,
  type PortProgram,
} from '../../src/pipeline/program.ts'
import type { Queue } from '../../src/port/queue.ts'
import * as binding from '../../src/table/binding.ts'
import * as flow from '../../src/table/flow.ts'
import * as journal from '../../src/table/journal.ts'
import * as mac from '../../src/table/mac.ts'
import * as neighbour from '../../src/table/neighbour.ts'
import * as tally from '../../src/table/tally.ts'
import type { Case } from './case.ts'
import { ground } from './rig.ts'

/** 10.0.2.2 and 10.0.2.15, 192.0.2.10 and its router 192.0.2.1, and the first of 64 hosts outside, 198.18.0.0 */
const GATEWAY = 0x0a000202
const GUEST = 0x0a00020f
const OUTSIDE = 0xc000020a | 0
const ROUTER = 0xc0000201 | 0
const REMOTE = 0xc6120000 | 0
const GATEWAY_MAC = 0x0a00
const LENGTH = 64
/** int32 from the two bytes before the frame to the UDP checksum */
const HEADER_WORDS = 11
/** Endpoints a host has; the other bits of a flow's number are its remote host. */
const ENDPOINT_BITS = 14

/** Gives out UDP frames of `flows` flows, a power of two, and swallows what is sent. */
export class FlowQueue implements Queue {
  readonly fd = -1
  readonly quiet = true
  sent = 0
  first = 0
  private readonly arena: Arena
  private readonly mask: number
  private readonly burst: number
  private readonly template = new Int32Array(HEADER_WORDS)
  private readonly sums: Int32Array
  private next = 0

  constructor(arena: Arena, flows: number, burst: number) {
    this.arena = arena
    this.mask = flows - 1
    this.burst = burst
    const bytes = new DataView(this.template.buffer)
    bytes.setUint16(2, 0x0200)
    bytes.setUint32(4, GATEWAY_MAC)
    bytes.setUint16(8, 0x0200)
    bytes.setUint32(10, 15)
    bytes.setUint16(14, 0x0800)
    bytes.setUint32(16, 0x45000000 | (LENGTH - 14))
    bytes.setUint32(20, 0x00014000)
    bytes.setUint32(24, 0x40110000)
    bytes.setUint32(28, GUEST)
    bytes.setUint32(40, ((LENGTH - 34) << 16) | 0x1234)
    const hosts = Math.max(1, flows >> ENDPOINT_BITS)
    this.sums = Int32Array.from({ length: hosts }, (_, host) => {
      bytes.setUint32(32, REMOTE + host)
      let sum = 0
      for (let at = 16; at < 36; at += 2) sum += bytes.getUint16(at)
      while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
      const check = ~sum & 0xffff
      return ((check & 0xff) << 24) | ((check >> 8) << 16) | 0x1140
    })
  }

  receive(pool: Pool, blockAt: number, capacity: number): number {
    const { i32, view } = this.arena
    const { template, sums } = this
    const mask = this.mask | 0
    const block = blockAt >> 2
    const count = Math.min(capacity, this.burst) | 0
    const top = pool.topAt >> 2
    let next = this.next | 0
    for (let i = 0; i < count; i++) {
      const frame = i32[top - i]
      const start = pool.base + frame * STRIDE
      const at = (start - 2) >> 2
      const number = Math.imul(next++, 0x9e3779b1) & mask
      const host = number >> ENDPOINT_BITS
      i32[at - 2] = 0
      i32[at - 1] = 0
      for (let w = 0; w < HEADER_WORDS; w++) i32[at + w] = template[w]
      i32[at + 6] = sums[host]
      view.setInt32(start + 30, REMOTE + host)
      view.setInt32(start + 34, ((1024 + (number & ((1 << ENDPOINT_BITS) - 1))) << 16) | 7)
      i32[block + i] = frame
      i32[block + LENGTHS + i] = LENGTH
    }
    this.next = next
    pool.took(count)
    return count
  }

  transmit(_blockAt: number, count: number): number {
    this.sent += count
    return count
  }

  close(): void {}
}

function link(role: number, port: number, address: number, prefix: number, low: number): LinkProgram {
  return {
    role,
    port,
    high: 0x0200,
    low,
    address,
    prefix,
    uplink: -1,
    router: 0,
    routerMac: null,
    routed: false,
    isolated: false,
    translation: null,
    refused: [],
    services: 0,
    intercept: false,
  }
}

function portProgram(index: number, network: number, local: boolean): PortProgram {
  const limits = { guard: null, macLimit: 0, floodLimit: 0, isolated: false, gateway: local, local }
  return {
    index,
    incarnation: index + 1,
    network,
    mtu: 1500,
    offloads: 31,
    ...limits,
    queues: [],
    station: null,
  }
}

/** Mappings that there is room for: what control gives a network of a million flows. */
export const BINDINGS = 262_144

/** A guest's port, an uplink's port, and the gateway between them with room for `capacity` flows. */
export function gateway(capacity: number) {
  const { arena, pool, counters, dataplane, swap } = ground()
  const network = (index: number, own: LinkProgram): NetworkProgram => ({
    index,
    worker: 0,
    mtu: 1500,
    macsAt: arena.allocate(`mac/${index}`, mac.lengthOf(1024)).at,
    macCapacity: 1024,
    ageingMs: 300_000,
    filterBridged: false,
    fixed: [
      { high: own.high, low: own.low, port: own.port, kind: mac.GATEWAY },
      { high: 0x0200, low: 15, port: 0, kind: mac.STATIC },
    ].slice(0, own.role === GUESTS ? 2 : 1),
    link: own,
  })
  const translation = {
    mapping: ENDPOINT_INDEPENDENT,
    filtering: 2,
    first: 1024,
    last: 65_535,
    hairpin: true,
  }
  const inside = { ...link(GUESTS, 2, GATEWAY, 24, GATEWAY_MAC), uplink: 2, translation }
  const outside = {
    ...link(NIC_UPLINK, 3, OUTSIDE, 24, 0x0b00),
    router: ROUTER,
    routerMac: { high: 0x0200, low: 1 },
  }
  const programs = [
    portProgram(0, 1, false),
    portProgram(1, 2, false),
    portProgram(2, 1, true),
    portProgram(3, 2, true),
  ]
  swap.run(
    {
      networks: [network(1, inside), network(2, outside)],
      ports: programs,
      gateway: {
        flowsAt: arena.allocate('flows', flow.lengthOf(capacity)).at,
        flowCapacity: capacity,
        bindingsAt: arena.allocate('bindings', binding.lengthOf(BINDINGS)).at,
        bindingCapacity: BINDINGS,
        neighboursAt: arena.allocate('neighbours', neighbour.lengthOf(1024)).at,
        neighbourCapacity: 1024,
        timeouts: timeouts(),
        redirects: [],
        tallyAt: arena.allocate('tally', tally.LENGTH).at,
        journalAt: arena.allocate('journal', journal.lengthOf()).at,
        chronicleAt: 0,
        names: null,
      },
    },
    0,
  )
  dataplane.tick(0)
  const [guest, uplink] = dataplane.ports
  const sink = new FlowQueue(arena, 1, 64)
  uplink.queue = sink
  uplink.network.macs.insert(0x0200, 1, 1, mac.DYNAMIC, 0)
  return { arena, pool, dataplane, guest, sink, counters, swap }
}

/** Frames that one timed call moves. */
export const CALL = 4096

/** Flows under way, all of them made before anything is timed. */
export function translated(counts: number[] = [1024, 65_536, 1_048_576]): Case[] {
  return counts.map((flows) => {
    const { arena, dataplane, guest, sink } = gateway(flows)
    const queue = new FlowQueue(arena, flows, 64)
    const moved = (frames: number) => {
      for (let done = 0; done < frames; done += 64) dataplane.service(guest, queue)
    }
    moved(2 * flows)
    if (sink.sent !== 2 * flows) throw new Error(`${sink.sent} of ${2 * flows} frames came through`)
    return { name: `conntrack and SNAT, ${flows} flows, burst 64`, frames: CALL, run: () => moved(CALL) }
  })
}

/** What the stream of frames costs by itself. */
export function generated(flows: number): Case {
  const { arena, pool } = gateway(1024)
  const queue = new FlowQueue(arena, flows, 64)
  const blockAt = arena.allocate('bench/block', 4096).at
  const run = () => {
    for (let done = 0; done < CALL; done += 64) {
      const count = queue.receive(pool, blockAt, 64)
      pool.free += count
    }
  }
  return { name: `stream of ${flows} flows alone, burst 64`, frames: CALL, run }
}
