/**
 * The works: how a change is carried out. It is whole or not at all: devices that a new configuration needs are opened first, the
 * program is swapped in, and only then are the old ones closed. One change at a time: the switch sees to that.
 */
import * as device from '../port/device.ts'
import type { HostSide } from '../port/uplink.ts'
import type { Lease } from '../service/dhcp/lease.ts'
import { guarded, type Net } from './compile.ts'
import type { Configuration } from './configuration.ts'
import type { Crew } from './crew.ts'
import { Ends } from './end.ts'
import { FlowLog } from './flowlog/log.ts'
import { ending } from './host.ts'
import { type Member, placeOf } from './member.ts'
import { allSites, type Plant } from './plant.ts'
import { PROTOCOLS, stale } from './publish.ts'
import { Refusal } from './refusal.ts'
import { Services } from './services.ts'
import type { Log } from './switch.ts'
import { explain, sharedCards } from './uplink.ts'

/** Flows by their original direction; what is not named, or 0, matches any. */
export interface Which {
  protocol?: number
  source?: number
  destination?: number
  sourcePort?: number
  destinationPort?: number
}

/** What a failed change goes back to. */
interface Before {
  nets: Map<string, Net>
  members: Map<string, Member>
  configuration: Configuration | null
}

export class Works {
  readonly ends: Ends
  readonly services: Services
  readonly flowLog: FlowLog
  private readonly plant: Plant
  private readonly crew: Crew
  private readonly host: HostSide
  private readonly log: Log
  /** what runs now */
  private configuration: Configuration | null = null

  constructor(plant: Plant, crew: Crew, host: HostSide, state: string | null, log: Log) {
    this.plant = plant
    this.crew = crew
    this.host = host
    this.log = log
    this.ends = new Ends(plant, crew.bells)
    this.flowLog = new FlowLog(plant, log)
    this.services = new Services(plant, this.ends, state, log)
    this.services.listen((lease) => void this.heed(lease))
    plant.ground.held = (network, mac) => this.services.held(network, mac)
  }

  swap(): Promise<number> {
    return this.crew.swap(this.plant.program())
  }

  /** Makes the switch what `next` says, or throws a Refusal and leaves it as it was. */
  async change(next: Configuration, starting: boolean): Promise<void> {
    const { plant } = this
    const { wanted, fresh, removed } = plant.compare(next)
    plant.checkNamespaces(fresh, starting)
    const { configuration } = this
    const before = { nets: new Map(plant.nets), members: new Map(plant.members), configuration }
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
      // The gateways' ports first: addresses of others are leased over them.
      for (const spec of fresh) if (spec.type === 'local') opened.push(plant.admit(spec))
      this.services.update(next)
      for (const spec of fresh)
        if (spec.type !== 'local') opened.push(plant.admit(spec, this.services.address(spec)))
      this.services.answer()
      this.flowLog.open(next.flowLog, next.state)
      this.open(next)
    } catch (error) {
      await this.revert(before, opened, closed)
      throw error
    }
    for (const { spec, line, state, reason } of opened)
      if (state === 'waiting' && line === null)
        this.log.warn({ port: spec.name }, `${reason}: the port waits for it`)
    for (const [name, spec] of wanted) plant.adjust(plant.members.get(name)!, spec)
    const names = new Set(allSites(next).map(({ name }) => name))
    for (const name of [...plant.nets.keys()]) if (!names.has(name)) plant.nets.delete(name)
    const led = plant.ground.redirects
    plant.ground.survey(next)
    plant.ground.lead(next, plant.nets)
    plant.statics.prune()
    await this.swap()
    await this.flowLog.settle(next.flowLog)
    for (const member of removed) this.ends.drop(member)
    plant.shutAll(removed.filter((member) => !closed.includes(member)))
    const kept = new Set([...plant.nets.values()].map((net) => net.index))
    for (const net of before.nets.values()) if (!kept.has(net.index)) plant.freeTable(net)
    for (const each of stale(led, plant.ground.redirects))
      await this.forget({ ...each, protocol: PROTOCOLS.udp })
    this.configuration = next
  }

  /** Forgets flows that match; returns how many. What is not named matches any. */
  forget(which: Which): Promise<number> {
    const any = { protocol: 0, source: 0, destination: 0, sourcePort: 0, destinationPort: 0 }
    return this.crew.order({ type: 'flows', ...any, ...which })
  }

  /** Forgets learned MACs, of one network or one port if named; returns how many. Throws a Refusal for one that there is not. */
  async flushMacs(network?: string, port?: string): Promise<number> {
    const member = port === undefined ? -1 : this.plant.members.get(port)?.index
    const place = this.networkIndex('mac flush', network)
    if (member === undefined)
      throw new Refusal('mac flush', `there is no port ${port}`, 'see bridgeport port ls')
    return await this.crew.order({ type: 'flush', network: place, port: member })
  }

  /** Forgets neighbours that the gateways learned, of one network if named; returns how many. */
  async flushNeighbours(network?: string): Promise<number> {
    return await this.crew.order({ type: 'neighbours', network: this.networkIndex('neigh flush', network) })
  }

  /** -1 for all. */
  private networkIndex(what: string, network: string | undefined): number {
    const index = network === undefined ? -1 : this.plant.nets.get(network)?.index
    if (index !== undefined) return index
    throw new Refusal(what, `there is no network ${network}`, 'see bridgeport network ls')
  }

  /** Has the host forward and translate for the links into its stack, and opens what is published there. */
  private open(next: Configuration): void {
    try {
      this.host.set(this.plant.ground.hostLinks(next), sharedCards(next), ending(next))
    } catch (error) {
      throw explain(error as Error)
    }
    this.services.publish(this.plant.ground.openings(next))
  }

  /** Undoes a change that failed half way: what was opened is closed, what had to go first is opened again. */
  private async revert(before: Before, opened: Member[], closed: Member[]): Promise<void> {
    const { plant } = this
    plant.shutAll(opened)
    for (const net of plant.nets.values()) {
      if (before.nets.get(net.name)?.index !== net.index) plant.freeTable(net)
    }
    plant.nets.clear()
    for (const [name, net] of before.nets) plant.nets.set(name, net)
    plant.members.clear()
    for (const [name, member] of before.members) plant.members.set(name, member)
    for (const { spec, address } of closed) {
      plant.members.delete(spec.name)
      plant.admit(spec, address)
    }
    const { configuration } = before
    if (configuration !== null) {
      this.services.update(configuration)
      this.flowLog.open(configuration.flowLog, configuration.state)
    }
    await this.flowLog.settle(configuration?.flowLog ?? null)
    if (closed.length > 0) await this.swap()
  }

  /** A device vanished under a worker, usually because its namespace died; its port, or null if it is only down. */
  async lose(incarnation: number): Promise<Member | null> {
    const { plant } = this
    const member = [...plant.members.values()].find((each) => each.incarnation === incarnation)
    if (!member?.device || member.line !== null) return null
    const { spec, device: gone } = member
    if (device.link(gone)) return null // it goes on when it is up again
    plant.suspend(member)
    const isRun = spec.origin === 'run'
    if (isRun) plant.members.delete(spec.name)
    await this.swap()
    device.close(gone)
    this.log.warn({ port: spec.name }, `${member.reason}: the port ${isRun ? 'was removed' : 'waits for it'}`)
    return member
  }

  /** Opens what has waited for a namespace or a card that is there now. */
  async resume(): Promise<void> {
    let changed = false
    for (const member of this.plant.members.values()) {
      if (member.state !== 'waiting' || !this.plant.resume(member)) continue
      changed = true
      this.services.restart(member.spec.network)
      this.log.info({ port: member.spec.name }, 'the port is up again')
    }
    if (changed) await this.reseat()
  }

  /** Guarded ports may send with what is leased to their MAC, from now on and until it ends. */
  private async heed({ network, mac }: Lease): Promise<void> {
    for (const member of this.plant.members.values()) {
      const { spec, index: port } = member
      if (!spec.guard || spec.network !== network || spec.mac !== mac) continue
      const addresses = guarded(member, this.plant.ground)
      await this.crew.order({ type: 'guard', port, addresses })
    }
  }

  /** An uplink got another address, or lost it. */
  async reseat(): Promise<void> {
    if (this.configuration === null) return
    this.plant.ground.survey(this.configuration)
    this.plant.ground.lead(this.configuration, this.plant.nets)
    await this.swap()
  }

  /** Opens cards again that have another MAC or MTU by now. */
  private async renew(): Promise<void> {
    for (const member of this.plant.members.values()) {
      const { spec, device: held } = member
      if (held === null || !device.isOther(held)) continue
      this.plant.suspend(member)
      await this.swap()
      device.close(held)
      this.log.info({ port: spec.name }, `card ${spec.ifname} has another MAC or MTU: it is opened again`)
      await this.resume()
    }
  }

  /** Looks at cards, and at the host's addresses if a network may not reach them. */
  async look(): Promise<void> {
    await this.renew()
    const networks = [...(this.configuration?.networks.values() ?? [])]
    const isClosed = networks.some(({ uplink, hostAccess }) => uplink.kind === 'host' && !hostAccess)
    if (isClosed && this.plant.ground.look()) await this.swap()
  }

  /** Ends the services, then the workers, then removes every device. */
  async close(): Promise<void> {
    // Services first: what they say last, a leased address given back, has to leave.
    await this.services.close()
    // Connections end with the switch: whoever was told of their begin is told.
    if (this.flowLog.isOn) await this.forget({})
    await this.crew.end()
    await this.flowLog.settle(null)
    this.host.close()
    this.plant.shutAll([...this.plant.members.values()])
    this.plant.members.clear()
    this.plant.ground.close()
    this.plant.arena.close()
  }

  /** The same without waiting, for exit and crash handlers: workers are told to end, lasting interfaces are removed. */
  closeNow(): void {
    this.crew.stop()
    this.host.close()
    const members = [...this.plant.members.values()]
    device.sweep(members.flatMap(({ device: held }) => held ?? []))
    for (const { device: held, line } of members) {
      line?.leave()
      if (held) device.leave(held)
    }
  }
}
