/** A dataplane in this thread, without workers and kernel: what the microbenchmarks and the allocation test drive. */
import { Arena } from '../../src/memory/arena.ts'
import { LENGTHS } from '../../src/memory/block.ts'
import { block } from '../../src/memory/counters.ts'
import { Pool, STRIDE } from '../../src/memory/pool.ts'
import { Crossing } from '../../src/pipeline/crossing.ts'
import { Dataplane } from '../../src/pipeline/dataplane.ts'
import * as layout from '../../src/pipeline/layout.ts'
import type { NetworkProgram, PortProgram } from '../../src/pipeline/program.ts'
import { Swap } from '../../src/pipeline/swap.ts'
import type { Port } from '../../src/port/port.ts'
import type { Queue } from '../../src/port/queue.ts'
import * as table from '../../src/table/mac.ts'

const FRAMES = 2048

/** A queue that hands out frames of a recorded stream, headers written where they lie, and swallows what is sent. */
export class StreamQueue implements Queue {
  readonly fd = -1
  readonly quiet = true
  sent = 0
  private readonly arena: Arena
  private readonly headers: Int32Array
  private readonly length: number
  private readonly burst: number
  private next = 0

  /**
   * `macs` are pairs of stations (destination, source) as the low 32 bits of 02:00:… addresses; frames of `length` bytes come in
   * bursts of at most `burst`. A header is four stores, so that the generator costs little beside what it measures.
   */
  constructor(arena: Arena, macs: Int32Array, length: number, burst: number) {
    const bytes = new DataView(new ArrayBuffer(16))
    this.arena = arena
    this.headers = new Int32Array(macs.length * 2)
    this.length = length
    this.burst = burst
    for (let m = 0; m < macs.length; m += 2) {
      // two bytes of the vnet header, then the Ethernet header up to the type
      bytes.setUint32(0, 0x0200)
      bytes.setInt32(4, macs[m])
      bytes.setUint32(8, 0x02000000 | (macs[m + 1] >>> 16))
      bytes.setUint32(12, ((macs[m + 1] << 16) | 0x0800) >>> 0)
      for (let w = 0; w < 4; w++) this.headers[2 * m + w] = bytes.getInt32(4 * w, true)
    }
  }

  receive(pool: Pool, blockAt: number, capacity: number): number {
    const { i32 } = this.arena
    const { headers } = this
    const block = blockAt >> 2
    const count = Math.min(capacity, this.burst) | 0
    const top = pool.topAt >> 2
    let next = this.next | 0
    for (let i = 0; i < count; i++) {
      const frame = i32[top - i]
      const at = (pool.base + frame * STRIDE) >> 2
      i32[at - 2] = 0
      i32[at - 1] = 0
      i32[at] = headers[next]
      i32[at + 1] = headers[next + 1]
      i32[at + 2] = headers[next + 2]
      i32[at + 3] = headers[next + 3]
      next = next + 4 < headers.length ? next + 4 : 0
      i32[block + i] = frame
      i32[block + LENGTHS + i] = this.length
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

export interface Rig {
  arena: Arena
  pool: Pool
  dataplane: Dataplane
  ports: Port[]
  counters: Float64Array
  swap: Swap
}

/** A dataplane with nothing plugged in, and the swap that brings it what a program says. */
export function ground() {
  const arena = Arena.create(2 ** 30)
  const poolAt = arena.allocate('pool', FRAMES * STRIDE).at
  const places = layout.worker(arena, 0, FRAMES)
  const counters = block(arena, 0)
  const pool = new Pool(arena, poolAt, places.stackAt, 0, FRAMES)
  const none = { onward: [null], home: [null], arriving: [null], returning: [null] }
  const crossing = new Crossing(arena, pool, FRAMES, none, [])
  const dataplane = new Dataplane(arena, pool, counters, crossing, places, 0)
  const swap = new Swap(arena, pool, places, dataplane, counters, 0)
  return { arena, pool, counters, dataplane, swap }
}

/** A dataplane with `count` ports in one network whose table holds `capacity` MACs. */
export function rig(count: number, capacity: number, change: Partial<PortProgram> = {}): Rig {
  const { arena, pool, counters, dataplane, swap } = ground()
  const macsAt = arena.allocate('mac/1', table.lengthOf(capacity)).at
  const network: NetworkProgram = {
    index: 1,
    worker: 0,
    mtu: 1500,
    macsAt,
    macCapacity: capacity,
    ageingMs: 300_000,
    filterBridged: false,
    link: null,
    fixed: [],
  }
  const ports = Array.from({ length: count }, (_, index) => ({
    index,
    incarnation: index + 1,
    network: 1,
    mtu: 1500,
    offloads: 31,
    isolated: false,
    gateway: false,
    local: false,
    guard: null,
    macLimit: 0,
    floodLimit: 0,
    queues: [],
    station: null,
    ...change,
  }))
  swap.run({ networks: [network], ports, gateway: null }, 0)
  return { arena, pool, dataplane, swap, ports: dataplane.ports.slice(0, count), counters }
}

/** Pairs of stations: `macs` of them behind the egress port talk to as many behind the ingress port, in random order. */
export function stream(macs: number, length: number): Int32Array {
  const pairs = new Int32Array(2 * length)
  let random = 1
  for (let i = 0; i < length; i++) {
    random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff
    const half = Math.max(1, macs >> 1)
    pairs[2 * i] = half + ((random >>> 8) % half)
    pairs[2 * i + 1] = (random >>> 4) % half
  }
  return pairs
}
