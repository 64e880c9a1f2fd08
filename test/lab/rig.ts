/**
 * A dataplane in the test's own thread, without workers and kernel. Its queues are fed frames and keep what was transmitted, vnet
 * headers included; every slot is full of 0xa5 (or what the test says) before a frame is written into it.
 */
import { Arena } from '../../src/memory/arena.ts'
import { LENGTHS } from '../../src/memory/block.ts'
import { block, DROPS, RX_FRAMES, rowOf, TX_FRAMES, UNLEARNED } from '../../src/memory/counters.ts'
import { native } from '../../src/memory/native.ts'
import { DATA_AT, Pool, STRIDE } from '../../src/memory/pool.ts'
import { Crossing } from '../../src/pipeline/crossing.ts'
import { Dataplane } from '../../src/pipeline/dataplane.ts'
import * as layout from '../../src/pipeline/layout.ts'
import type { GatewayProgram, NetworkProgram, PortProgram } from '../../src/pipeline/program.ts'
import { REASONS } from '../../src/pipeline/reason.ts'
import { Swap } from '../../src/pipeline/swap.ts'
import type { Port } from '../../src/port/port.ts'
import type { Queue } from '../../src/port/queue.ts'
import { lengthOf, type MacTable } from '../../src/table/mac.ts'

/** Enough for a burst and the segments of one super-frame; the pool is then 9 MiB. */
const FRAMES = 136
const EAGAIN = 11

export interface Fed {
  frame: Uint8Array
  vnet?: Uint8Array
  /** what native says of a frame that was longer than a slot: -1 */
  length?: number
}

/** What went out of a port. */
export interface Sent {
  frame: Uint8Array
  vnet: Uint8Array
}

export class Feed implements Queue {
  readonly fd = -1
  readonly fed: Fed[] = []
  sent: Sent[] = []
  /** frames that it takes before it says `errno` */
  room = Number.POSITIVE_INFINITY
  errno = EAGAIN
  filler = 0xa5
  private readonly arena: Arena
  private readonly pool: Pool

  constructor(arena: Arena, pool: Pool) {
    this.arena = arena
    this.pool = pool
  }

  get quiet(): boolean {
    return this.fed.length === 0
  }

  receive(pool: Pool, blockAt: number, capacity: number): number {
    const { u8, i32 } = this.arena
    const taken = this.fed.splice(0, capacity)
    taken.forEach(({ frame, vnet, length }, i) => {
      const slot = pool.take()
      const at = pool.frameAt(slot)
      u8.fill(this.filler, pool.notesAt(slot), at + Math.max(256, frame.length + 256))
      u8.fill(0, at - 10, at)
      if (vnet) u8.set(vnet, at - 10)
      u8.set(frame, at)
      i32[(blockAt >> 2) + i] = slot
      i32[(blockAt >> 2) + LENGTHS + i] = length ?? frame.length
    })
    return taken.length
  }

  transmit(blockAt: number, count: number): number {
    const { u8, i32 } = this.arena
    const base = blockAt >> 2
    let taken = 0
    for (let i = 0; i < count; i++) {
      const accepts = this.sent.length < this.room
      i32[base + 2 * LENGTHS + i] = accepts ? 0 : this.errno
      if (!accepts) continue
      const at = this.pool.frameAt(i32[base + i])
      this.sent.push({
        frame: u8.slice(at, at + i32[base + LENGTHS + i]),
        vnet: u8.slice(at - 10, at),
      })
      taken++
    }
    return taken
  }

  close(): void {}
}

export interface Options {
  networks?: Partial<NetworkProgram>[]
  ports: Partial<PortProgram>[]
  frames?: number
}

export class Rig {
  readonly arena: Arena
  readonly pool: Pool
  readonly counters: Float64Array
  readonly dataplane: Dataplane
  readonly swap: Swap
  networks: NetworkProgram[]
  programs: PortProgram[]
  gateway: GatewayProgram | null = null
  private readonly feeds = new Map<number, Feed>()
  private now = 1000

  constructor({ networks = [{}], ports, frames = FRAMES }: Options) {
    const arena = Arena.create(frames * STRIDE + 32 * 2 ** 20)
    this.arena = arena
    const poolAt = arena.allocate('pool', frames * STRIDE).at
    const places = layout.worker(arena, 0, frames)
    this.counters = block(arena, 0)
    this.pool = new Pool(arena, poolAt, places.stackAt, 0, frames)
    const alone = { onward: [null], home: [null], arriving: [null], returning: [null] }
    const crossing = new Crossing(arena, this.pool, frames, alone, [])
    this.dataplane = new Dataplane(arena, this.pool, this.counters, crossing, places, 0)
    this.swap = new Swap(arena, this.pool, places, this.dataplane, this.counters, 0)
    this.networks = networks.map((given, n) => this.network(given, n + 1))
    this.programs = ports.map(portProgram)
    this.apply()
  }

  private network(given: Partial<NetworkProgram>, index: number): NetworkProgram {
    const macCapacity = given.macCapacity ?? 1024
    const macsAt = this.arena.allocate(`mac/${index}`, lengthOf(macCapacity)).at
    const rest = {
      link: null,
      worker: 0,
      mtu: 1500,
      ageingMs: 300_000,
      filterBridged: false,
      fixed: [],
    }
    return { ...rest, index, macsAt, macCapacity, ...given }
  }

  /** Swaps in what `networks` and `programs` say now; ports without a queue get one. */
  apply(): void {
    this.swap.run({ networks: this.networks, ports: this.programs, gateway: this.gateway }, this.now)
    for (const { index, incarnation } of this.programs) {
      const feed = this.feeds.get(incarnation) ?? new Feed(this.arena, this.pool)
      this.feeds.set(incarnation, feed)
      this.port(index).queue = feed
    }
    this.dataplane.tick(this.now)
  }

  port(index: number): Port {
    return this.dataplane.ports[index]
  }

  feed(index: number): Feed {
    return this.feeds.get(this.programs.find((port) => port.index === index)!.incarnation)!
  }

  macs(network = 1): MacTable {
    return this.dataplane.networks.find(({ index }) => index === network)!.macs
  }

  get time(): number {
    return this.now
  }

  set time(now: number) {
    this.now = now
    this.dataplane.tick(now)
  }

  /** Feeds frames to a port and serves it until nothing waits. */
  send(index: number, ...frames: (Uint8Array | Fed)[]): void {
    // The addon knows one arena a thread: this rig's, from here on.
    native.arenaBind(this.arena.u8, this.pool.at, STRIDE, DATA_AT)
    const feed = this.feed(index)
    feed.fed.push(...frames.map((frame) => (frame instanceof Uint8Array ? { frame } : frame)))
    while (!feed.quiet) {
      if (this.dataplane.service(this.port(index), feed) === 0)
        throw new Error('the pool ran dry: frames were lost')
    }
  }

  /** What a port was given since the last call. */
  taken(index: number): Sent[] {
    const feed = this.feed(index)
    const { sent } = feed
    feed.sent = []
    return sent
  }

  /** Frames per port since the last call: the whole answer to what was sent. */
  outcome(): Record<number, Uint8Array[]> {
    const entries = this.programs.map(
      ({ index }) => [index, this.taken(index).map(({ frame }) => frame)] as const,
    )
    return Object.fromEntries(entries.filter(([, frames]) => frames.length > 0))
  }

  /** A port's drops by reason, those that are not zero. */
  drops(index: number): Record<string, number> {
    const row = rowOf(index) + DROPS
    const entries = REASONS.map(({ name }, number) => [name, this.counters[row + number]] as const)
    return Object.fromEntries(entries.filter(([, count]) => count !== 0))
  }

  received(index: number): number {
    return this.counters[rowOf(index) + RX_FRAMES]
  }

  transmitted(index: number): number {
    return this.counters[rowOf(index) + TX_FRAMES]
  }

  unlearned(index: number): number {
    return this.counters[rowOf(index) + UNLEARNED]
  }

  /** Drops of all ports together. */
  dropped(): number {
    const each = (index: number) => Object.values(this.drops(index)).reduce((a, b) => a + b, 0)
    return this.programs.reduce((total, { index }) => total + each(index), 0)
  }

  close(): void {
    this.arena.close()
  }
}

/** A port with every setting off and every offload, unless said otherwise. */
export function portProgram(given: Partial<PortProgram>, index: number): PortProgram {
  const limits = { guard: null, macLimit: 0, floodLimit: 0, isolated: false, gateway: false, local: false }
  const device = { mtu: 1500, offloads: 31, queues: [], station: null }
  return { index, incarnation: index + 1, network: 1, ...limits, ...device, ...given }
}
