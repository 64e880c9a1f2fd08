/**
 * Swap puts a new program into a running dataplane, between two bursts. Ports and networks that did not change keep their
 * objects, tables and queues; what went is flushed. Cold code: it may allocate.
 */
import type { Plan } from '../chain/plan.ts'
import { type Selection, Setup } from '../gateway/setup.ts'
import type { Arena } from '../memory/arena.ts'
import { BLOCK_LENGTH } from '../memory/block.ts'
import { PORT_COUNT_MAX, rowOf } from '../memory/counters.ts'
import type { Pool } from '../memory/pool.ts'
import { DgramQueue } from '../port/dgram.ts'
import { FULL, LOCAL, MemoryQueue } from '../port/memory.ts'
import { Network } from '../port/network.ts'
import { NicQueue } from '../port/nic.ts'
import { Port } from '../port/port.ts'
import { type Attached, DescriptorQueue, DGRAM, type Queue, STREAM, TUN } from '../port/queue.ts'
import { StreamQueue } from '../port/stream.ts'
import { TunQueue } from '../port/tun.ts'
import { DYNAMIC, GATEWAY, MacTable } from '../table/mac.ts'
import type { FrontProgram } from '../vhost/front.ts'
import { VhostQueue } from '../vhost/queue.ts'
import type { Dataplane } from './dataplane.ts'
import type { Layout } from './layout.ts'
import {
  type CaptureProgram,
  MEMORY,
  type NetworkProgram,
  type PortProgram,
  type Program,
  type QueueProgram,
  VHOST,
} from './program.ts'
import { Watch } from './watch.ts'

export class Swap {
  private readonly arena: Arena
  private readonly pool: Pool
  private readonly layout: Layout
  private readonly dataplane: Dataplane
  private readonly counters: Float64Array
  private readonly worker: number
  private readonly setup: Setup
  private readonly watch: Watch
  /** this worker's queues, by port incarnation */
  private readonly attached = new Map<string, Attached>()

  constructor(
    arena: Arena,
    pool: Pool,
    layout: Layout,
    dataplane: Dataplane,
    counters: Float64Array,
    worker: number,
  ) {
    this.arena = arena
    this.pool = pool
    this.layout = layout
    this.dataplane = dataplane
    this.counters = counters
    this.worker = worker
    const { ports, none, deliver, crossing } = dataplane
    const { outboxAt, pollAt: clockAt } = layout
    this.watch = new Watch(arena, pool, dataplane.capture, ports)
    this.setup = new Setup({ arena, pool, counters, ports, none, deliver, crossing, outboxAt, clockAt })
  }

  /** Applies `program`; returns this worker's queues that are new and those that went. */
  run(program: Program, now: number): { added: Attached[]; removed: Attached[] } {
    const { dataplane } = this
    const networks = new Map(program.networks.map((next) => [next.index, this.network(next)]))
    const before = dataplane.ports.filter((port) => port !== dataplane.none)
    const wanted = new Map(program.ports.map((next) => [next.incarnation, next]))
    for (const port of before) if (!wanted.has(port.incarnation)) this.drop(port)
    for (const next of program.ports) this.port(next, networks.get(next.network)!)
    dataplane.networks.length = 0
    for (const [index, network] of networks) {
      network.members = dataplane.ports.filter(
        (port) => port !== dataplane.none && port.network === network && !port.local,
      )
      network.isolation = network.members.some((port) => port.isolated)
      dataplane.networks.push(network)
      if (network.worker === this.worker)
        this.fix(network, program.networks.find((next) => next.index === index)!, now)
    }
    dataplane.gateway =
      this.worker === 0 ? this.setup.run(program.gateway, program.networks, networks, now) : null
    const queues = this.queues(program)
    this.watch.mark()
    this.setup.announce()
    return queues
  }

  /** Forgets the dynamic MACs of a network (all: -1) or of one port; returns how many this worker forgot. */
  flush(network: number, port: number): number {
    let removed = 0
    for (const each of this.dataplane.networks) {
      if (each.worker === this.worker && (network < 0 || each.index === network))
        removed += each.macs.flush(port)
    }
    return removed
  }

  /** A capture begins, goes on with other ports, or ends. */
  capture(slot: number, program: CaptureProgram | null): void {
    this.watch.set(slot, program)
  }

  /** The addresses that a guarded port holds now. */
  guard(port: number, addresses: number[]): void {
    this.dataplane.ports[port].guardAddresses = Int32Array.from(addresses)
  }

  /** Takes a compiled ruleset; `prepare` makes it ready. */
  rules(plan: Plan): void {
    this.setup.rules(plan)
  }

  /** Goes on preparing a ruleset for about `budgetMs`; true once it is in force. */
  prepare(budgetMs: number): boolean {
    return this.setup.step(budgetMs)
  }

  /** Forgets a ruleset that cannot be prepared. */
  abandon(): void {
    this.setup.abandon()
  }

  /** Forgets flows of the gateway; returns how many. */
  forget(selection: Selection): number {
    return this.setup.forget(selection)
  }

  /** Forgets neighbours that the gateway learned in a network, in all with -1; returns how many. */
  unlearn(network: number): number {
    return this.setup.unlearn(network)
  }

  private network(next: NetworkProgram): Network {
    const present = this.dataplane.networks.find((network) => network.index === next.index)
    const owned = next.worker === this.worker
    // A table has one writer: a worker that does not bridge the network holds a table of nothing.
    const kept =
      present && present.worker === next.worker && (!owned || present.macs.capacity === next.macCapacity)
    const network = kept ? present : new Network(next.index, next.worker, next.mtu, this.table(next, owned))
    network.mtu = next.mtu
    if (owned) network.macs.ageingMs = next.ageingMs
    return network
  }

  private table(next: NetworkProgram, owned: boolean): MacTable {
    if (!owned) return this.dataplane.none.network.macs
    return new MacTable(this.arena, next.macsAt, next.macCapacity, next.ageingMs, PORT_COUNT_MAX)
  }

  private drop(port: Port): void {
    this.setup.leave(port.index)
    if (port.network.worker === this.worker) port.network.macs.flush(port.index, GATEWAY)
    this.dataplane.ports[port.index] = this.dataplane.none
  }

  private port(next: PortProgram, network: Network): void {
    const { dataplane } = this
    let port = dataplane.ports[next.index]
    if (port === dataplane.none || port.incarnation !== next.incarnation) {
      const blockAt = this.layout.portBlocksAt + next.index * BLOCK_LENGTH
      port = new Port(next.index, next.incarnation, network, rowOf(next.index), blockAt)
      dataplane.ports[next.index] = port
    }
    port.network = network
    port.mtu = next.mtu
    port.offloads = next.offloads
    port.isolated = next.isolated
    port.gateway = next.gateway
    port.local = next.local
    port.guard = next.guard !== null
    port.guardHigh = next.guard?.high ?? 0
    port.guardLow = next.guard?.low ?? 0
    port.guardAddresses = Int32Array.from(next.guard?.addresses ?? [])
    port.macLimit = next.macLimit
    if (port.floodLimit !== next.floodLimit) port.floodTokens = next.floodLimit * 1000
    port.floodLimit = next.floodLimit
    port.worker = next.queues[0]?.worker ?? -1
  }

  /** Makes the table's configured entries those of the program. */
  private fix(network: Network, next: NetworkProgram, now: number): void {
    const macs = network.macs
    const keep = new Set<number>()
    for (const wanted of next.fixed) {
      const present = macs.find(wanted.high, wanted.low)
      if (present >= 0 && macs.kind(present) === wanted.kind && macs.port(present) === wanted.port) {
        keep.add(present)
        continue
      }
      if (present >= 0) macs.remove(present)
      let made = macs.insert(wanted.high, wanted.low, wanted.port, wanted.kind, now)
      if (made < 0 && macs.flush(-1) > 0) {
        // Stations that were learned make room for what is configured: they are learned again in no time.
        made = macs.insert(wanted.high, wanted.low, wanted.port, wanted.kind, now)
      }
      if (made >= 0) keep.add(made)
    }
    macs.each((entry, kind) => {
      if (kind !== DYNAMIC && !keep.has(entry)) macs.remove(entry)
    })
  }

  private queues(program: Program): { added: Attached[]; removed: Attached[] } {
    const added: Attached[] = []
    const wanted = new Set<string>()
    for (const next of program.ports) {
      const port = this.dataplane.ports[next.index]
      next.queues.forEach((queue, number) => {
        if (queue.worker !== this.worker) return
        const key = `${next.incarnation}/${number}`
        wanted.add(key)
        if (this.attached.has(key)) return
        const attached = { port, queue: this.open(queue, next, port) }
        this.attached.set(key, attached)
        added.push(attached)
        if (port.queue === null) port.queue = attached.queue
        if (queue.kind === VHOST) this.elect(port)
      })
    }
    const removed: Attached[] = []
    for (const [key, attached] of this.attached) {
      if (wanted.has(key)) continue
      this.attached.delete(key)
      removed.push(attached)
    }
    return { added, removed }
  }

  /** The pairs of rings of a port that this worker serves, by their number. */
  pairs(port: number, incarnation: number): Map<number, Attached> {
    const found = new Map<number, Attached>()
    for (const [key, attached] of this.attached) {
      const [of, number] = key.split('/').map(Number)
      const isPair = attached.queue instanceof VhostQueue
      if (of === incarnation && attached.port.index === port && isPair) found.set(number, attached)
    }
    return found
  }

  /** Serves what a port's front-end lends from now on; throws a NativeError, and then nothing of it is served. */
  seat(pairs: Map<number, Attached>, front: FrontProgram | null): void {
    const all = [...pairs].map(([number, { port, queue }]) => ({ number, port, queue: queue as VhostQueue }))
    try {
      for (const { number, queue } of all) queue.seat(front, number)
    } catch (error) {
      for (const { number, queue } of all) queue.seat(null, number)
      throw error
    } finally {
      if (all.length > 0) this.elect(all[0].port)
    }
  }

  /** Chooses which queue frames for a port with several pairs of rings go to, and over which pairs it spreads them. */
  private elect(port: Port): void {
    const all = [...this.pairs(port.index, port.incarnation).values()].map(({ queue }) => queue as VhostQueue)
    const active = all.filter((queue) => queue.active)
    // With none here, the worker of the first pair gets the frames; that one always has a queue, which drops by name while no guest is there.
    const first = active[0] ?? (port.worker === this.worker ? all[0] : undefined) ?? null
    if (first !== null) first.siblings = active.length > 0 ? active : [first]
    port.queue = first
  }

  private open(queue: QueueProgram, next: PortProgram, port: Port): Queue {
    if (queue.kind === VHOST)
      return new VhostQueue(this.arena, this.pool, queue.memoryAt, this.layout.vringAt)
    if (queue.kind === MEMORY) {
      return new MemoryQueue(this.arena, queue.memoryAt, this.pool.at, next.local ? LOCAL : FULL)
    }
    if (queue.kind === TUN && next.station) {
      return new TunQueue(this.arena, this.pool, this.counters, port.row, queue.fd, next.station)
    }
    const { kind, fd } = queue
    if (kind === STREAM) return new StreamQueue(fd)
    if (kind === DGRAM) return new DgramQueue(this.arena, this.counters, port.row, fd, next.peer ?? '')
    if (next.card) return new NicQueue(this.arena, this.pool, this.counters, port.row, kind, fd, next.card)
    return new DescriptorQueue(kind, fd)
  }
}
