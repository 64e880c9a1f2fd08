/** The switch as the control thread sees it: it turns a configuration into devices, tables, services and a program for the workers. */
import { createHash } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { Finding } from '../chain/lint.ts'
import { Arena, LENGTH_MAX } from '../memory/arena.ts'
import { STRIDE } from '../memory/pool.ts'
import * as device from '../port/device.ts'
import type { MemoryPort } from '../port/embed.ts'
import * as reaper from '../port/reaper.ts'
import { HostSide } from '../port/uplink.ts'
import { Dock } from './berth.ts'
import { Captures } from './capture/capture.ts'
import type { Configuration } from './configuration.ts'
import type { Excerpt, RuleRow } from './counts.ts'
import { Crew, framesPerWorker } from './crew.ts'
import { Events } from './events.ts'
import type { FlowLog } from './flowlog/log.ts'
import type { FlowQuery, FlowRow } from './flows.ts'
import * as flows from './flows.ts'
import * as ground from './ground.ts'
import type { LeaseRow, PoolRow } from './lease.ts'
import * as lease from './lease.ts'
import * as listing from './listing.ts'
import type { NeighbourRow } from './neighbour.ts'
import * as neighbour from './neighbour.ts'
import { isAwaited, Plant } from './plant.ts'
import { Refusal } from './refusal.ts'
import type { MacRow, NetworkRow, PortRow, PublishRow, WorkerRow } from './rows.ts'
import { type Restoring, Rulebook } from './rules.ts'
import { Sets } from './sets.ts'
import { Works } from './works.ts'

/** Room in the arena beside the pool: counters, rings and, mostly, tables; untouched pages cost nothing. */
const TABLES_LENGTH = 768 * 2 ** 20
/** How often a port that waits for a namespace looks for it, in milliseconds. */
const RETRY_MS = 1000
/** How long a new address of the host may be reached by a network that may not reach the host, in milliseconds. */
const LOOK_MS = 2000
/** How the socket of a switch in a program begins: it has none, and keeps nothing. */
export const EMBEDDED = 'embedded:'

export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

interface Told {
  /** a worker died: the switch must end */
  failed: [Error]
  /** a port of `bridgeport run` whose namespace died was removed */
  gone: [string]
}

export class Switch extends EventEmitter<Told> {
  readonly plant: Plant
  private readonly works: Works
  private readonly looker: NodeJS.Timeout
  readonly events: Events
  readonly rulebook: Rulebook
  readonly sets: Sets
  readonly flowLog: FlowLog
  readonly capture: Captures
  private timer: NodeJS.Timeout | null = null
  private turn: Promise<unknown> = Promise.resolve()
  private closed = false

  private constructor(plant: Plant, crew: Crew, works: Works, log: Log) {
    super()
    this.events = new Events(plant, log)
    this.sets = new Sets(plant.arena, crew, (name) => this.rulebook.uses(name))
    this.rulebook = new Rulebook(plant, crew, this.sets, this.events)
    this.works = works
    this.flowLog = works.flowLog
    this.plant = plant
    this.capture = new Captures(plant, crew, this.events, (act) => this.inTurn(act))
    new Dock(plant, crew, log, (act) => this.inTurn(act))
    crew.on('failed', (error) => this.emit('failed', error))
    crew.on('lost', (lost) => void this.inTurn(() => this.lose(lost.incarnation)))
    crew.on('frames', (index) => works.ends.tell(index))
    works.services.onseat = () => void this.inTurn(() => works.reseat())
    this.looker = setInterval(() => void this.inTurn(() => this.look('look')), LOOK_MS).unref()
  }

  /** Starts a switch; throws a Refusal and leaves nothing behind if the configuration cannot be carried out. */
  static async start(configuration: Configuration, log: Log): Promise<Switch> {
    reaper.start()
    const instance = createHash('sha256').update(configuration.socket).digest('hex').slice(0, 8)
    const left = device.reclaim(instance)
    if (left.length > 0) log.warn({ interfaces: left }, 'removed what a killed switch left')
    const { workers } = configuration
    const { capacity } = configuration.conntrack
    const rest = workers * framesPerWorker(workers) * STRIDE + TABLES_LENGTH
    ground.fit(capacity, rest)
    const arena = Arena.create(Math.min(LENGTH_MAX, rest + ground.lengthOf(capacity)))
    const crew = await Crew.start(arena, workers)
    const host = new HostSide(instance, configuration.state, (text) => log.warn({}, text))
    const plant = new Plant(arena, instance, workers, capacity)
    const state = configuration.socket.startsWith(EMBEDDED) ? null : configuration.state
    const started = new Switch(plant, crew, new Works(plant, crew, host, state, log), log)
    try {
      if (state !== null) host.repair()
      // Ports come last: no frame passes before the rules are in force.
      if (configuration.rules !== null) await started.works.swap()
      const { sets, rulebook, works: all } = started
      // In turn: guests may come as soon as their sockets are there.
      await started.inTurn(() => sets.around(configuration, rulebook, () => all.change(configuration, true)))
      started.watch()
    } catch (error) {
      await started.close()
      throw error
    }
    return started
  }

  /** Makes the switch what `next` says, or throws a Refusal and leaves it as it was. */
  apply(next: Configuration): Promise<void> {
    const { workers, ground } = this.plant
    for (const [key, has, says] of [
      ['workers', workers, next.workers],
      ['conntrack.capacity', ground.memory.flowCapacity, next.conntrack.capacity],
    ] as const) {
      const why = `a running switch keeps its ${has}, the file says ${says}`
      if (has !== says) return Promise.reject(new Refusal(key, why, 'restart the switch'))
    }
    return this.inTurn(async () => {
      await this.sets.around(next, this.rulebook, () => this.works.change(next, false))
      this.watch()
    })
  }

  /** One change at a time. */
  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.turn.then(act)
    this.turn = result.catch(() => {})
    return result
  }

  /** A device vanished under a worker. */
  private async lose(incarnation: number): Promise<void> {
    const lost = this.closed ? null : await this.works.lose(incarnation)
    if (lost?.spec.origin === 'run') this.emit('gone', lost.spec.name)
    this.watch()
  }

  /** Looks for namespaces and cards of waiting ports while there are any. */
  private watch(): void {
    const isWaiting = [...this.plant.members.values()].some(isAwaited)
    if (isWaiting && !this.timer && !this.closed) {
      this.timer = setInterval(() => void this.inTurn(() => this.look('resume')), RETRY_MS)
    } else if (!isWaiting && this.timer) {
      clearInterval(this.timer)
      this.timer = null
    }
  }

  /** Looks at what may have changed outside, then for what waits. */
  private async look(act: 'look' | 'resume'): Promise<void> {
    await this.works[act]()
    this.watch()
  }

  /** Ends the workers, then removes every device. */
  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    for (const timer of [this.timer, this.looker]) if (timer) clearInterval(timer)
    for (const each of [this.events, this.sets]) each.close()
    await this.turn
    // Their readers get the end of what was recorded.
    await this.capture.close()
    await this.works.close()
  }

  /** The same without waiting, for exit and crash handlers: workers are told to end, lasting interfaces are removed. */
  closeNow(): void {
    if (this.closed) return
    this.closed = true
    this.works.closeNow()
  }

  networks(): NetworkRow[] {
    return listing.networks(this.plant)
  }

  /** Ports; with `all` those of gateways too, which listings leave out and metrics do not. */
  ports(all = false): PortRow[] {
    return listing.ports(this.plant, all)
  }

  macs(): MacRow[] {
    return listing.macs(this.plant)
  }

  neighbours(): NeighbourRow[] {
    return neighbour.rows(this.plant)
  }

  publish(): PublishRow[] {
    return listing.publish(this.plant)
  }

  /** The connections that match. */
  flows(query: FlowQuery = {}): FlowRow[] {
    return flows.rows(flows.source(this.plant), query)
  }

  /** Forgets connections that match; returns how many. */
  flushFlows(query: FlowQuery): Promise<number> {
    return this.inTurn(() => this.works.forget(flows.selection(query)))
  }

  leases(): LeaseRow[] {
    const names = new Map([...this.plant.members.values()].map(({ index, spec }) => [index, spec.name]))
    return lease.rows(this.works.services.leases, (index) => names.get(index))
  }

  pools(): PoolRow[] {
    return this.works.services.pools()
  }

  /** Ends a lease; throws a Refusal if there is none. */
  removeLease(network: string, address: string): void {
    lease.remove(this.works.services.leases, network, address)
  }

  /** Captures in numbers: those under way, and the frames that all there were have written and lost. */
  captures(): { active: number; frames: number; lost: number } {
    return this.capture.counts()
  }

  workers(): WorkerRow[] {
    return this.plant.totals.workers()
  }

  /** Pins a MAC to a port; throws a Refusal for what is no station's address, an unknown port or one of another network. */
  addMac(network: string, mac: string, port: string): Promise<void> {
    return this.inTurn(async () => {
      this.plant.statics.add(network, mac, port)
      await this.works.swap()
    })
  }

  /** Removes a static entry; throws a Refusal if there is none. */
  removeMac(network: string, mac: string): Promise<void> {
    return this.inTurn(async () => {
      this.plant.statics.remove(network, mac)
      await this.works.swap()
    })
  }

  /** Forgets learned MACs, of one network or one port if named; returns how many. */
  flushMacs(network?: string, port?: string): Promise<number> {
    return this.inTurn(() => this.works.flushMacs(network, port))
  }

  /** Forgets neighbours that the gateways learned, of one network if named; returns how many. */
  flushNeighbours(network?: string): Promise<number> {
    return this.inTurn(() => this.works.flushNeighbours(network))
  }

  /** The rules in force with their counters, policies included; those alone that are wanted. */
  rules(excerpt?: Excerpt): RuleRow[] {
    return this.rulebook.rows(excerpt)
  }

  /** The rules in force as iptables-save prints them. */
  saveRules(withCounters = false): string {
    return this.rulebook.save(withCounters)
  }

  /** Findings about a text that would be accepted; throws a Refusal for one that would not. */
  checkRules(text: string): Finding[] {
    return this.rulebook.examine(text)
  }

  /**
   * Puts a text in iptables-save's format in force, as iptables-restore does; resolves to the whole text that is in force then. Throws a
   * Refusal with the place of the first mistake, and then nothing has changed.
   */
  restoreRules(text: string, how: Restoring = {}): Promise<string> {
    return this.inTurn(async () => {
      await this.rulebook.enforce(this.rulebook.restore(text, how))
      return this.rulebook.text
    })
  }

  /** The embedding program's end of a memory port; throws a Refusal if there is none of that name. */
  memory(name: string): MemoryPort {
    const member = this.plant.members.get(name)
    if (member?.spec.type !== 'memory') {
      throw new Refusal(`port ${name}`, 'there is no memory port of that name', 'add it first')
    }
    return this.works.ends.of(member)
  }

  /** The next free address of a network's subnet, as CIDR text, or null if it has no subnet or no address left. */
  allocateAddress(network: string): string | null {
    return listing.freeAddress(this.plant, network)
  }
}
