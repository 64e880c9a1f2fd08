/**
 * The plant: everything that stands behind a switch's ports and networks: arena, tables, devices. It opens and closes single
 * things; in what order, and what happens when one fails, the switch decides.
 */
import type { Arena } from '../memory/arena.ts'
import { PORT_COUNT_MAX } from '../memory/counters.ts'
import { GUESTS, type Program } from '../pipeline/program.ts'
import * as device from '../port/device.ts'
import * as memory from '../port/memory.ts'
import * as table from '../table/mac.ts'
import * as compile from './compile.ts'
import type { Configuration } from './configuration.ts'
import { isWatched } from './gateway.ts'
import { Ground } from './ground.ts'
import type { Line } from './line.ts'
import {
  deviceKey,
  hostSpec,
  type Member,
  missing,
  mtuOf,
  openDevice,
  portSpec,
  type Spec,
} from './member.ts'
import { explain } from './plug.ts'
import { Refusal } from './refusal.ts'
import * as room from './room.ts'
import { Totaliser } from './rows.ts'
import { Statics } from './statics.ts'
import { hiddenSpecs, type Site, sites } from './wiring.ts'

/** Whether the namespace of a port is there, or its card; what is missing may come later. */
function isThere(spec: Spec): boolean {
  return spec.type === 'nic' ? device.present(spec.ifname) : device.exists(device.namespacePath(spec.netns))
}

/** True for a port whose namespace or card may come: who wants to know has to look. */
export function isAwaited({ state, line, spec }: Member): boolean {
  return state === 'waiting' && line === null && !spec.netns.startsWith('pid:')
}

/** What a change does to the ports. */
export interface Difference {
  wanted: Map<string, Spec>
  fresh: Spec[]
  removed: Member[]
}

/** Every network as the workers have it, hidden ones included. */
export function allSites({ networks }: Configuration): Site[] {
  return [...[...networks.values()].flatMap(sites), ...room.site(networks.values())]
}

export class Plant {
  readonly arena: Arena
  readonly instance: string
  readonly workers: number
  readonly totals: Totaliser
  readonly nets = new Map<string, compile.Net>()
  readonly members = new Map<string, Member>()
  readonly statics: Statics
  readonly ground: Ground
  /** makes the line of a port that is a socket */
  line: (member: Member) => Line | null = () => null
  private numbers = 0

  constructor(arena: Arena, instance: string, workers: number, flowCapacity: number) {
    this.arena = arena
    this.instance = instance
    this.workers = workers
    this.totals = new Totaliser(arena, workers)
    this.statics = new Statics(this.nets, this.members)
    this.ground = new Ground(arena, flowCapacity)
  }

  /** A number that was never used before: ports and tables are told apart by it. */
  number(): number {
    return ++this.numbers
  }

  program(): Program {
    return compile.program(this.nets, this.members, this.statics.list, this.workers, this.ground)
  }

  /** Which ports `next` keeps, adds and removes; throws a Refusal for what cannot be. */
  compare(next: Configuration): Difference {
    const wanted = new Map<string, Spec>()
    this.ground.settle(next)
    for (const network of next.networks.values()) {
      const host = hostSpec(network)
      if (host) wanted.set(host.name, host)
      const link = this.ground.link(network.name)
      for (const spec of hiddenSpecs(network, link)) wanted.set(spec.name, spec)
    }
    if (room.site(next.networks.values()).length > 0)
      for (const spec of this.ground.room().specs()) wanted.set(spec.name, spec)
    for (const port of next.ports.values()) {
      if (wanted.has(port.name)) {
        const why = "the host's interface of a network has that name"
        throw new Refusal(`port ${port.name}`, why, 'choose another name')
      }
      wanted.set(port.name, portSpec(port, next.networks.get(port.network)!))
    }
    if (wanted.size > PORT_COUNT_MAX) {
      throw new Refusal('ports', `${wanted.size} are more than ${PORT_COUNT_MAX}`, 'use several switches')
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

  /** Throws a Refusal if a new port names a namespace that is not there; at the start, only the file's own ports must have theirs. */
  checkNamespaces(fresh: Spec[], starting: boolean): void {
    for (const spec of fresh) {
      // A card may come late, as one on USB does at boot; one that is missing later is rather a slip of the pen.
      if (isThere(spec) || (starting && (spec.origin !== 'file' || spec.type === 'nic'))) continue
      if (spec.type === 'nic') throw missing(spec)
      const isProcess = spec.netns.startsWith('pid:')
      const remedy = isProcess ? 'start that process first' : `create it first (ip netns add ${spec.netns})`
      throw new Refusal(`port ${spec.name}`, `there is no namespace ${spec.netns}`, remedy)
    }
  }

  /** Adds tables of new networks; those that stay keep theirs unless the capacity changed. */
  layNetworks(next: Configuration): void {
    for (const site of allSites(next)) {
      const { name, role, configuration, macCapacity } = site
      const present = this.nets.get(name)
      const isGateway = role !== GUESTS || isWatched(configuration)
      const worker = isGateway ? compile.GATEWAY_WORKER : (present?.worker ?? this.idlest())
      if (present?.macCapacity === macCapacity && present.role === role && present.worker === worker) {
        this.nets.set(name, { ...present, configuration })
        continue
      }
      const index = this.number()
      const macsAt = this.arena.allocate(`mac/${index}`, table.lengthOf(macCapacity)).at
      this.nets.set(name, { ...site, index, worker, macsAt })
    }
  }

  /** The worker with the fewest networks. */
  private idlest(): number {
    const loads = new Array<number>(this.workers).fill(0)
    for (const { worker } of this.nets.values()) loads[worker]++
    return loads.indexOf(Math.min(...loads))
  }

  freeTable(net: compile.Net): void {
    this.arena.free(`mac/${net.index}`)
  }

  /** Opens a port's device and takes the port in; one whose namespace is not there yet waits for it. */
  admit(spec: Spec, address: string | null = null): Member {
    let index = 0
    const taken = new Set([...this.members.values()].map((member) => member.index))
    while (taken.has(index)) index++
    const incarnation = this.number()
    const none = { device: null, line: null, memoryAt: -1, state: 'up' as const, reason: '' }
    const member: Member = { spec, index, incarnation, address, ...none }
    if (spec.type === 'memory' || spec.type === 'local') {
      const { length } = spec.type === 'local' ? memory.LOCAL : memory.FULL
      member.memoryAt = this.arena.allocate(`memory/${incarnation}`, length).at
    } else if (spec.path !== '') {
      this.plug(member)
    } else if (isThere(spec)) {
      member.device = openDevice(spec, this.instance, address)
    } else {
      this.suspend(member)
    }
    this.totals.clear(index)
    this.members.set(spec.name, member)
    return member
  }

  /** Makes a port's socket; throws a Refusal and leaves nothing behind. */
  private plug(member: Member): void {
    member.line = this.line(member)
    try {
      member.device = member.line?.open() ?? null
    } catch (error) {
      member.line?.close()
      throw explain(member.spec, error as device.Failure)
    }
    if (member.device === null) this.suspend(member)
  }

  /** Takes a port's device away: it counts as another port when it comes back, and its MACs are forgotten. */
  suspend(member: Member): void {
    const { netns, ifname, path, type } = member.spec
    member.device = null
    member.incarnation = this.number()
    member.state = 'waiting'
    if (path !== '') member.reason = type === 'vhost-user' ? 'no guest is connected' : 'no peer is connected'
    else member.reason = netns === '' ? `there is no interface ${ifname}` : `namespace ${netns} is gone`
  }

  /** Opens the device of a waiting port if its namespace is there; true if it is up now. A pid may be another process by now. */
  resume(member: Member): boolean {
    if (member.line !== null || member.spec.netns.startsWith('pid:') || !isThere(member.spec)) return false
    try {
      member.device = openDevice(member.spec, this.instance, member.address)
    } catch (error) {
      member.reason = (error as Error).message
      return false
    }
    member.state = 'up'
    member.reason = ''
    return true
  }

  /** Closes what a port holds; only after every worker has let go of it. */
  shut(member: Member): Member {
    member.line?.close()
    if (member.device) device.close(member.device)
    member.device = null
    this.release(member, member.incarnation)
    return member
  }

  /** The same for many, whose devices go at once. */
  shutAll(members: Member[]): void {
    device.unplug(members.flatMap((member) => member.device ?? []))
    for (const member of members) this.shut(member)
  }

  /** Gives back a port's place in the arena. */
  release(member: Member, incarnation: number): void {
    if (member.memoryAt < 0) return
    this.arena.free(`${member.line === null ? 'memory' : 'front'}/${incarnation}`)
    member.memoryAt = -1
  }

  /** Takes over what a port can change without another device. */
  adjust(member: Member, spec: Spec): void {
    const isOtherMtu = mtuOf(member.spec) !== mtuOf(spec)
    member.spec = spec
    if (isOtherMtu && member.device) device.resize(member.device, mtuOf(spec))
  }
}
