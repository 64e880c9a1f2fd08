/**
 * The switch as the control thread sees it: it turns a configuration into devices, tables and a program for the workers.
 * A change is whole or not at all: devices that a new configuration needs are opened first, the program is swapped in, and
 * only then are the old ones closed.
 */
import { createHash } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { Arena, LENGTH_MAX } from '../memory/arena.ts'
import { STRIDE } from '../memory/pool.ts'
import * as device from '../port/device.ts'
import { MemoryPort } from '../port/embed.ts'
import * as reaper from '../port/reaper.ts'
import { HostSide } from '../port/uplink.ts'
import type { Net } from './compile.ts'
import type { Configuration } from './configuration.ts'
import { Crew, framesPerWorker } from './crew.ts'
import * as ground from './ground.ts'
import * as listing from './listing.ts'
import { type Member, placeOf } from './member.ts'
import { Plant } from './plant.ts'
import { Refusal } from './refusal.ts'
import type { MacRow, NetworkRow, PortRow, WorkerRow } from './rows.ts'
import { explain } from './uplink.ts'
import { sites } from './wiring.ts'

/** Room in the arena beside the pool: counters, rings and, mostly, tables; untouched pages cost nothing. */
const TABLES_LENGTH = 768 * 2 ** 20
/** How often a port that waits for a namespace looks for it, in milliseconds. */
const RETRY_MS = 1000

export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

interface Events {
  /** a worker died: the switch must end */
  failed: [Error]
  /** a port of `bridgeport run` whose namespace died was removed */
  gone: [string]
}

export class Switch extends EventEmitter<Events> {
  private readonly plant: Plant
  private readonly crew: Crew
  private readonly log: Log
  private readonly host: HostSide
  private readonly memories = new Map<number, MemoryPort>()
  private timer: NodeJS.Timeout | null = null
  private turn: Promise<unknown> = Promise.resolve()
  private closed = false

  private constructor(plant: Plant, crew: Crew, host: HostSide, log: Log) {
    super()
    this.host = host
    this.plant = plant
    this.crew = crew
    this.log = log
    crew.on('failed', (error) => this.emit('failed', error))
    crew.on('lost', (lost) => void this.inTurn(() => this.lose(lost.incarnation)))
    crew.on('frames', (index) => this.memories.get(index)?.onframes?.())
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
    const started = new Switch(new Plant(arena, instance, workers, capacity), crew, host, log)
    try {
      host.repair()
      await started.change(configuration, true)
    } catch (error) {
      await started.close()
      throw error
    }
    return started
  }

  /** Makes the switch what `next` says, or throws a Refusal and leaves it as it was. */
  apply(next: Configuration): Promise<void> {
    if (next.workers !== this.plant.workers) {
      const why = `a running switch keeps its ${this.plant.workers}, the file says ${next.workers}`
      return Promise.reject(new Refusal('workers', why, 'restart the switch'))
    }
    return this.inTurn(() => this.change(next, false))
  }

  /** One change at a time. */
  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.turn.then(act)
    this.turn = result.catch(() => {})
    return result
  }

  private swap(): Promise<number> {
    return this.crew.swap(this.plant.program())
  }

  private async change(next: Configuration, starting: boolean): Promise<void> {
    const { plant } = this
    const { wanted, fresh, removed } = plant.compare(next)
    plant.checkNamespaces(fresh, starting)
    const before = { nets: new Map(plant.nets), members: new Map(plant.members) }
    const opened: Member[] = []
    const closed: Member[] = []
    try {
      plant.layNetworks(next)
      const places = new Set(fresh.map(placeOf))
      const first = removed.filter((member) => places.has(placeOf(member.spec)))
      for (const member of removed) plant.members.delete(member.spec.name)
      if (first.length > 0) {
        // Another port of the same interface can only come after the old one went.
        await this.swap()
        for (const member of first) closed.push(plant.shut(member))
      }
      for (const spec of fresh) opened.push(plant.admit(spec))
      this.open(next)
    } catch (error) {
      await this.revert(before, opened, closed)
      throw error
    }
    for (const [name, spec] of wanted) plant.adjust(plant.members.get(name)!, spec)
    const names = new Set([...next.networks.values()].flatMap(sites).map(({ name }) => name))
    for (const name of [...plant.nets.keys()]) if (!names.has(name)) plant.nets.delete(name)
    plant.ground.survey(next)
    plant.statics.prune()
    await this.swap()
    for (const member of removed) {
      this.memories.delete(member.index)
      if (!closed.includes(member)) plant.shut(member)
    }
    const kept = new Set([...plant.nets.values()].map((net) => net.index))
    for (const net of before.nets.values()) if (!kept.has(net.index)) plant.freeTable(net)
    this.watch()
  }

  /** Has the host forward and translate for the links into its stack. */
  private open(next: Configuration): void {
    try {
      this.host.set(this.plant.ground.hostLinks(next))
    } catch (error) {
      throw explain(error as Error)
    }
  }

  /** Undoes a change that failed half way: what was opened is closed, what had to go first is opened again. */
  private async revert(
    before: { nets: Map<string, Net>; members: Map<string, Member> },
    opened: Member[],
    closed: Member[],
  ): Promise<void> {
    const { plant } = this
    for (const member of opened) plant.shut(member)
    for (const net of plant.nets.values()) {
      if (before.nets.get(net.name)?.index !== net.index) plant.freeTable(net)
    }
    plant.nets.clear()
    for (const [name, net] of before.nets) plant.nets.set(name, net)
    plant.members.clear()
    for (const [name, member] of before.members) plant.members.set(name, member)
    for (const { spec } of closed) {
      plant.members.delete(spec.name)
      plant.admit(spec)
    }
    if (closed.length > 0) await this.swap()
  }

  /** A device vanished under a worker: usually its namespace died. */
  private async lose(incarnation: number): Promise<void> {
    const { plant } = this
    const member = [...plant.members.values()].find((each) => each.incarnation === incarnation)
    if (!member?.device || this.closed) return
    const { spec, device: gone } = member
    if (device.link(gone)) return // only down: it goes on when it is up again
    plant.suspend(member)
    const isRun = spec.origin === 'run'
    if (isRun) plant.members.delete(spec.name)
    await this.swap()
    device.close(gone)
    this.log.warn({ port: spec.name }, `${member.reason}: the port ${isRun ? 'was removed' : 'waits for it'}`)
    if (isRun) this.emit('gone', spec.name)
    this.watch()
  }

  /** Looks for namespaces of waiting ports while there are any. */
  private watch(): void {
    const members = [...this.plant.members.values()]
    const isWaiting = members.some(({ state, spec }) => state === 'waiting' && !spec.netns.startsWith('pid:'))
    if (isWaiting && !this.timer && !this.closed) {
      this.timer = setInterval(() => void this.inTurn(() => this.resume()), RETRY_MS)
    } else if (!isWaiting && this.timer) {
      clearInterval(this.timer)
      this.timer = null
    }
  }

  private async resume(): Promise<void> {
    let changed = false
    for (const member of this.plant.members.values()) {
      if (member.state !== 'waiting' || !this.plant.resume(member)) continue
      changed = true
      this.log.info({ port: member.spec.name }, 'the port is up again')
    }
    if (changed) await this.swap()
    this.watch()
  }

  /** Ends the workers, then removes every device. */
  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    if (this.timer) clearInterval(this.timer)
    await this.turn
    await this.crew.end()
    this.host.close()
    for (const member of this.plant.members.values()) this.plant.shut(member)
    this.plant.members.clear()
    this.plant.arena.close()
  }

  /** The same without waiting, for exit and crash handlers: workers are told to end, lasting interfaces are removed. */
  closeNow(): void {
    if (this.closed) return
    this.closed = true
    this.crew.stop()
    this.host.close()
    for (const { device: held } of this.plant.members.values()) if (held) device.leave(held)
  }

  networks(): NetworkRow[] {
    return listing.networks(this.plant)
  }

  ports(): PortRow[] {
    return listing.ports(this.plant)
  }

  macs(): MacRow[] {
    return listing.macs(this.plant)
  }

  workers(): WorkerRow[] {
    return this.plant.totals.workers()
  }

  /** Pins a MAC to a port; throws a Refusal for what is no station's address, an unknown port or one of another network. */
  addMac(network: string, mac: string, port: string): Promise<void> {
    return this.inTurn(async () => {
      this.plant.statics.add(network, mac, port)
      await this.swap()
    })
  }

  /** Removes a static entry; throws a Refusal if there is none. */
  removeMac(network: string, mac: string): Promise<void> {
    return this.inTurn(async () => {
      this.plant.statics.remove(network, mac)
      await this.swap()
    })
  }

  /** Forgets learned MACs, of one network or one port if named; returns how many. */
  flushMacs(network?: string, port?: string): Promise<number> {
    const net = network === undefined ? -1 : this.plant.nets.get(network)?.index
    const member = port === undefined ? -1 : this.plant.members.get(port)?.index
    const refuse = (what: string, remedy: string) =>
      Promise.reject(new Refusal('mac flush', `there is no ${what}`, remedy))
    if (net === undefined) return refuse(`network ${network}`, 'see bridgeport network ls')
    if (member === undefined) return refuse(`port ${port}`, 'see bridgeport port ls')
    return this.inTurn(() => this.crew.order({ type: 'flush', network: net, port: member }))
  }

  /** The embedding program's end of a memory port; throws a Refusal if there is none of that name. */
  memory(name: string): MemoryPort {
    const member = this.plant.members.get(name)
    if (!member || member.memoryAt < 0) {
      throw new Refusal(`port ${name}`, 'there is no memory port of that name', 'add it first')
    }
    const present = this.memories.get(member.index)
    if (present) return present
    const bell = this.crew.bells[member.index % this.plant.workers]
    const made = new MemoryPort(this.plant.arena, member.memoryAt, () => bell.wake())
    this.memories.set(member.index, made)
    return made
  }

  /** The next free address of a network's subnet, as CIDR text, or null if it has no subnet or no address left. */
  allocateAddress(network: string): string | null {
    return listing.freeAddress(this.plant, network)
  }
}
