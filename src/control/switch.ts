/**
 * The switch as the control thread sees it: it turns a configuration into devices, tables and a program for the workers.
 * A change is whole or not at all: devices that a new configuration needs are opened first, the program is swapped in, and
 * only then are the old ones closed.
 */
import { createHash } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { Arena, LENGTH_MAX } from '../memory/arena.ts'
import { PORT_COUNT_MAX } from '../memory/counters.ts'
import { native } from '../memory/native.ts'
import { STRIDE } from '../memory/pool.ts'
import * as device from '../port/device.ts'
import * as memory from '../port/memory.ts'
import * as table from '../table/mac.ts'
import * as mac from '../wire/mac.ts'
import { broadcastOf, cidr, ipv4, ipv4Text, networkOf } from './address.ts'
import * as compile from './compile.ts'
import type { Configuration } from './configuration.ts'
import { Crew, framesPerWorker } from './crew.ts'
import {
  deviceKey,
  hostSpec,
  type Member,
  mtuOf,
  openDevice,
  placeOf,
  portSpec,
  type Spec,
} from './member.ts'
import { Refusal } from './refusal.ts'
import { type MacRow, type NetworkRow, type PortRow, Totaliser, type WorkerRow } from './rows.ts'

/** Room in the arena beside the pool: counters, rings and, mostly, tables; untouched pages cost nothing. */
const TABLES_LENGTH = 768 * 2 ** 20
/** How often a port that waits for a namespace looks for it, in milliseconds. */
const RETRY_MS = 1000
const OFFLOAD_NAMES = ['csum', 'tso4', 'tso6', 'ecn', 'uso']
const KINDS: Record<number, MacRow['kind']> = { 1: 'dynamic', 2: 'static', 3: 'host', 4: 'gateway' }

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

/** What a change does to the ports. */
interface Difference {
  wanted: Map<string, Spec>
  fresh: Spec[]
  removed: Member[]
}

export class Switch extends EventEmitter<Events> {
  private readonly arena: Arena
  private readonly crew: Crew
  private readonly log: Log
  private readonly instance: string
  private readonly totals: Totaliser
  private readonly nets = new Map<string, compile.Net>()
  private readonly members = new Map<string, Member>()
  private readonly memories = new Map<string, memory.MemoryPort>()
  private statics: compile.Static[] = []
  private numbers = 0
  private timer: NodeJS.Timeout | null = null
  private turn: Promise<unknown> = Promise.resolve()
  private closed = false

  private constructor(arena: Arena, crew: Crew, log: Log, instance: string) {
    super()
    this.arena = arena
    this.crew = crew
    this.log = log
    this.instance = instance
    this.totals = new Totaliser(arena, crew.size)
    crew.on('failed', (error) => this.emit('failed', error))
    crew.on('lost', (lost) => void this.inTurn(() => this.lose(lost.incarnation)))
  }

  /** Starts a switch; throws a Refusal and leaves nothing behind if the configuration cannot be carried out. */
  static async start(configuration: Configuration, log: Log): Promise<Switch> {
    native.reaperStart()
    const instance = createHash('sha256').update(configuration.socket).digest('hex').slice(0, 8)
    const left = device.reclaim(instance)
    if (left.length > 0) log.warn({ interfaces: left }, 'removed what a killed switch left')
    const pool = configuration.workers * framesPerWorker(configuration.workers) * STRIDE
    const arena = Arena.create(Math.min(LENGTH_MAX, pool + TABLES_LENGTH))
    const crew = await Crew.start(arena, configuration.workers)
    const started = new Switch(arena, crew, log, instance)
    try {
      await started.change(configuration, true)
    } catch (error) {
      await started.close()
      throw error
    }
    return started
  }

  /** Makes the switch what `next` says, or throws a Refusal and leaves it as it was. */
  apply(next: Configuration): Promise<void> {
    if (next.workers !== this.crew.size) {
      const why = `a running switch keeps its ${this.crew.size}, the file says ${next.workers}`
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
    return this.crew.swap(compile.program(this.nets, this.members, this.statics, this.crew.size))
  }

  private async change(next: Configuration, starting: boolean): Promise<void> {
    const difference = this.compare(next)
    this.check(difference, starting)
    const before = { nets: new Map(this.nets), members: new Map(this.members) }
    const opened: Member[] = []
    const closed: Member[] = []
    try {
      this.layNetworks(next)
      const places = new Set(difference.fresh.map(placeOf))
      const first = difference.removed.filter((member) => places.has(placeOf(member.spec)))
      if (first.length > 0) {
        // Another port of the same interface can only come after the old one went.
        for (const member of first) this.members.delete(member.spec.name)
        await this.swap()
        for (const member of first) closed.push(this.closeMember(member))
      }
      for (const member of difference.removed) this.members.delete(member.spec.name)
      for (const spec of difference.fresh) opened.push(this.admit(spec))
    } catch (error) {
      await this.revert(before, opened, closed)
      throw error
    }
    for (const [name, spec] of difference.wanted) this.adjust(this.members.get(name)!, spec)
    for (const name of [...this.nets.keys()]) if (!next.networks.has(name)) this.nets.delete(name)
    await this.swap()
    for (const member of difference.removed) if (!closed.includes(member)) this.closeMember(member)
    const kept = new Set([...this.nets.values()].map((net) => net.index))
    for (const net of before.nets.values()) if (!kept.has(net.index)) this.arena.free(`mac/${net.index}`)
    this.statics = this.statics.filter((entry) => this.nets.has(entry.network))
    this.watch()
  }

  private compare(next: Configuration): Difference {
    const wanted = new Map<string, Spec>()
    for (const network of next.networks.values()) {
      const host = hostSpec(network)
      if (host) wanted.set(host.name, host)
    }
    for (const port of next.ports.values()) {
      if (wanted.has(port.name))
        throw new Refusal(
          `port ${port.name}`,
          `the host's interface of a network has that name`,
          'choose another name',
        )
      wanted.set(port.name, portSpec(port, next.networks.get(port.network)!))
    }
    const isSame = (member: Member, spec?: Spec) =>
      spec !== undefined && deviceKey(spec) === deviceKey(member.spec)
    const removed = [...this.members.values()].filter(
      (member) => !isSame(member, wanted.get(member.spec.name)),
    )
    const going = new Set(removed)
    const fresh = [...wanted.values()].filter((spec) => {
      const present = this.members.get(spec.name)
      return !present || going.has(present)
    })
    return { wanted, fresh, removed }
  }

  private check({ wanted, fresh }: Difference, starting: boolean): void {
    if (wanted.size > PORT_COUNT_MAX) {
      throw new Refusal('ports', `${wanted.size} are more than ${PORT_COUNT_MAX}`, 'use several switches')
    }
    for (const spec of fresh) {
      if (spec.netns === '' || device.exists(device.namespacePath(spec.netns))) continue
      if (starting && spec.origin !== 'file') continue
      const remedy = spec.netns.startsWith('pid:')
        ? 'start that process first'
        : `create it first (ip netns add ${spec.netns})`
      throw new Refusal(`port ${spec.name}`, `there is no namespace ${spec.netns}`, remedy)
    }
  }

  /** Adds tables of new networks; those that stay keep theirs unless the capacity changed. */
  private layNetworks(next: Configuration): void {
    for (const configuration of next.networks.values()) {
      const present = this.nets.get(configuration.name)
      const { capacity } = configuration.macTable
      if (present && present.configuration.macTable.capacity === capacity) {
        this.nets.set(configuration.name, { ...present, configuration })
        continue
      }
      const index = ++this.numbers
      const macsAt = this.arena.allocate(`mac/${index}`, table.lengthOf(capacity)).at
      this.nets.set(configuration.name, { configuration, index, worker: index % this.crew.size, macsAt })
    }
  }

  /** Opens a port's device and takes the port in; one whose namespace is not there yet waits for it. */
  private admit(spec: Spec): Member {
    let index = 0
    const taken = new Set([...this.members.values()].map((member) => member.index))
    while (taken.has(index)) index++
    const member: Member = {
      spec,
      index,
      incarnation: ++this.numbers,
      device: null,
      memoryAt: -1,
      state: 'up',
      reason: '',
    }
    if (spec.type === 'memory') {
      member.memoryAt = this.arena.allocate(`memory/${member.incarnation}`, memory.LENGTH).at
    } else if (device.exists(device.namespacePath(spec.netns))) {
      member.device = openDevice(spec, this.instance)
    } else {
      this.suspend(member)
    }
    this.totals.clear(index)
    this.members.set(spec.name, member)
    return member
  }

  private suspend(member: Member): void {
    member.state = 'waiting'
    member.reason =
      member.spec.netns === ''
        ? `interface ${member.spec.ifname} is gone`
        : `namespace ${member.spec.netns} is gone`
  }

  private closeMember(member: Member): Member {
    if (member.device) device.close(member.device)
    member.device = null
    if (member.memoryAt >= 0) this.arena.free(`memory/${member.incarnation}`)
    this.memories.delete(member.spec.name)
    return member
  }

  /** Takes over what a port can change without another device. */
  private adjust(member: Member, spec: Spec): void {
    const isOtherMtu = mtuOf(member.spec) !== mtuOf(spec)
    member.spec = spec
    if (isOtherMtu && member.device) device.resize(member.device, mtuOf(spec))
  }

  /** Undoes a change that failed half way: what was opened is closed, what had to go first is opened again. */
  private async revert(
    before: { nets: Map<string, compile.Net>; members: Map<string, Member> },
    opened: Member[],
    closed: Member[],
  ): Promise<void> {
    for (const member of opened) this.closeMember(member)
    for (const net of this.nets.values()) {
      if (before.nets.get(net.configuration.name)?.index !== net.index) this.arena.free(`mac/${net.index}`)
    }
    this.nets.clear()
    for (const [name, net] of before.nets) this.nets.set(name, net)
    this.members.clear()
    for (const [name, member] of before.members) this.members.set(name, member)
    for (const member of closed) {
      this.members.delete(member.spec.name)
      this.admit(member.spec)
    }
    if (closed.length > 0) await this.swap()
  }

  /** A device vanished under a worker: usually its namespace died. */
  private async lose(incarnation: number): Promise<void> {
    const member = [...this.members.values()].find((each) => each.incarnation === incarnation)
    if (!member?.device || this.closed) return
    const { spec } = member
    const gone = member.device
    member.device = null
    member.incarnation = ++this.numbers
    this.suspend(member)
    if (spec.origin === 'run') this.members.delete(spec.name)
    await this.swap()
    device.close(gone)
    this.log.warn(
      { port: spec.name },
      `${member.reason}: the port ${spec.origin === 'run' ? 'was removed' : 'waits for it'}`,
    )
    if (spec.origin === 'run') this.emit('gone', spec.name)
    this.watch()
  }

  /** Looks for namespaces of waiting ports while there are any. */
  private watch(): void {
    const isWaiting = [...this.members.values()].some((member) => member.state === 'waiting')
    if (isWaiting && !this.timer && !this.closed) {
      this.timer = setInterval(() => void this.inTurn(() => this.resume()), RETRY_MS)
    } else if (!isWaiting && this.timer) {
      clearInterval(this.timer)
      this.timer = null
    }
  }

  private async resume(): Promise<void> {
    let changed = false
    for (const member of this.members.values()) {
      if (member.state !== 'waiting' || !device.exists(device.namespacePath(member.spec.netns))) continue
      try {
        member.device = openDevice(member.spec, this.instance)
        member.state = 'up'
        member.reason = ''
        changed = true
        this.log.info({ port: member.spec.name }, 'the port is up again')
      } catch (error) {
        member.reason = (error as Error).message
      }
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
    for (const member of this.members.values()) this.closeMember(member)
    this.members.clear()
    native.descriptorClose(this.arena.fd)
  }

  /** The same without waiting, for exit and crash handlers: workers are told to end, lasting interfaces are removed. */
  closeNow(): void {
    if (this.closed) return
    this.closed = true
    this.crew.stop()
    for (const member of this.members.values()) {
      if (member.device?.spec.type === 'qemu-tap') device.remove(member.device.spec)
    }
  }

  networks(): NetworkRow[] {
    return [...this.nets.values()].map(({ configuration, worker, ...net }) => ({
      name: configuration.name,
      mode: configuration.mode,
      subnet: configuration.subnet?.text ?? null,
      gateway: configuration.gateway,
      mtu: configuration.mtu,
      isolated: configuration.isolated,
      worker,
      ports: [...this.members.values()].filter((member) => member.spec.network === configuration.name).length,
      macs: this.entries({ configuration, worker, ...net }).length,
      macCapacity: configuration.macTable.capacity,
      host: configuration.host,
      origin: configuration.origin,
    }))
  }

  ports(): PortRow[] {
    return [...this.members.values()].map((member) => {
      const { spec, index, memoryAt } = member
      const offloads = OFFLOAD_NAMES.filter((_, bit) => ((member.device?.offloads ?? 0) >> bit) & 1)
      const { name, network, type, ifname, netns, mac, address, queues, isolated, guard, origin } = spec
      const settings = { name, network, type, ifname, netns, mac, address, queues, isolated, guard, origin }
      const seen = memoryAt >= 0 ? { state: member.state, reason: '' } : this.look(member)
      return { ...settings, mtu: mtuOf(spec), ...seen, offloads, ...this.totals.port(index) }
    })
  }

  /** The state of a port as its interface shows it now. */
  private look(member: Member): { state: Member['state']; reason: string } {
    const { device: held, spec, state, reason } = member
    if (!held) return { state, reason }
    const link = device.link(held)
    if (!link) return { state: 'down', reason: `interface ${spec.ifname} is gone` }
    if (!link.up) return { state: 'down', reason: `interface ${spec.ifname} was set down` }
    if (spec.type === 'qemu-tap' && !link.carrier)
      return { state: 'waiting', reason: `no guest has opened ${spec.ifname}` }
    return { state: 'up', reason: '' }
  }

  private entries(net: compile.Net): table.MacEntry[] {
    const { capacity, ageingMs } = net.configuration.macTable
    return table.list(this.arena, net.macsAt, capacity, monotonicMs(), ageingMs)
  }

  macs(): MacRow[] {
    const names = new Map([...this.members.values()].map((member) => [member.index, member.spec.name]))
    return [...this.nets.values()].flatMap((net) =>
      this.entries(net).map((entry) => ({
        mac: mac.print(entry.high, entry.low),
        network: net.configuration.name,
        port: names.get(entry.port) ?? '',
        kind: KINDS[entry.kind],
        ageSeconds: entry.kind === table.DYNAMIC ? entry.ageMs / 1000 : 0,
      })),
    )
  }

  /** Pins a MAC to a port; throws a Refusal for what is no station's address, an unknown port or one of another network. */
  addMac(network: string, text: string, port: string): Promise<void> {
    return this.inTurn(async () => {
      const what = `mac ${text}`
      const parsed = mac.parse(text)
      const member = this.members.get(port)
      const bare = text.toLowerCase()
      if (!parsed || parsed.high & 0x0100 || (parsed.high | parsed.low) === 0) {
        throw new Refusal(
          what,
          'not the MAC of a station',
          'write six bytes like 52:54:00:12:34:56, the first one even',
        )
      }
      if (!this.nets.has(network))
        throw new Refusal(what, `there is no network ${network}`, 'see bridgeport network ls')
      if (member?.spec.network !== network) {
        throw new Refusal(what, `network ${network} has no port ${port}`, 'see bridgeport port ls')
      }
      const isHost = [...this.members.values()].some(
        (each) => each.spec.type === 'host' && each.spec.mac === bare,
      )
      if (isHost) throw new Refusal(what, `it is the host's own in a network`, 'choose another MAC')
      this.statics = this.statics.filter((entry) => entry.network !== network || entry.mac !== bare)
      this.statics.push({ network, mac: bare, port })
      await this.swap()
    })
  }

  /** Removes a static entry, or a learned one; throws a Refusal if there is none. */
  removeMac(network: string, text: string): Promise<void> {
    return this.inTurn(async () => {
      const bare = text.toLowerCase()
      const kept = this.statics.filter((entry) => entry.network !== network || entry.mac !== bare)
      if (kept.length === this.statics.length) {
        throw new Refusal(
          `mac ${text}`,
          `network ${network} has no such static entry`,
          'see bridgeport mac ls',
        )
      }
      this.statics = kept
      await this.swap()
    })
  }

  /** Forgets learned MACs, of one network or one port if named; returns how many. */
  flushMacs(network?: string, port?: string): Promise<number> {
    const net = network === undefined ? -1 : (this.nets.get(network)?.index ?? -2)
    const member = port === undefined ? -1 : (this.members.get(port)?.index ?? -2)
    if (net === -2)
      return Promise.reject(
        new Refusal('mac flush', `there is no network ${network}`, 'see bridgeport network ls'),
      )
    if (member === -2)
      return Promise.reject(new Refusal('mac flush', `there is no port ${port}`, 'see bridgeport port ls'))
    return this.inTurn(() => this.crew.order({ type: 'flush', network: net, port: member }))
  }

  workers(): WorkerRow[] {
    return this.totals.workers()
  }

  /** The embedding program's end of a memory port; throws a Refusal if there is none of that name. */
  memory(name: string): memory.MemoryPort {
    const member = this.members.get(name)
    if (!member || member.memoryAt < 0)
      throw new Refusal(`port ${name}`, 'there is no memory port of that name', 'add it first')
    const present = this.memories.get(name)
    if (present) return present
    const bell = this.crew.bells[member.index % this.crew.size]
    const made = new memory.MemoryPort(this.arena, member.memoryAt, () => bell.wake())
    this.crew.on('frames', (index) => {
      if (index === member.index) made.onframes?.()
    })
    this.memories.set(name, made)
    return made
  }

  /** The next free address of a network's subnet, as CIDR text, or null if it has no subnet or no address left. */
  allocateAddress(network: string): string | null {
    const configuration = this.nets.get(network)?.configuration
    const subnet = configuration?.subnet
    if (!configuration || !subnet) return null
    const taken = new Set<number | null>()
    if (configuration.gateway) taken.add(ipv4(configuration.gateway))
    for (const { spec } of this.members.values())
      if (spec.address) taken.add(cidr(spec.address)?.address ?? null)
    for (let address = networkOf(subnet) + 1; address < broadcastOf(subnet); address++) {
      if (!taken.has(address)) return `${ipv4Text(address)}/${subnet.prefix}`
    }
    return null
  }
}

/** The workers' clock: CLOCK_MONOTONIC in milliseconds, wrapped to int32. */
function monotonicMs(): number {
  return Number(BigInt.asIntN(32, process.hrtime.bigint() / 1_000_000n))
}
