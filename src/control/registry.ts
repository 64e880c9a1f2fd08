/**
 * Everything that makes up the configuration of a running switch, and the one way to change it: the file, what was added at
 * run time, and the ports of `bridgeport run`. A change is resolved and checked as a whole, applied to the switch, and then
 * written down; when any of these fails the others are as before.
 */
import * as namespace from '../port/namespace.ts'
import * as address from './address.ts'
import type { Configuration } from './configuration.ts'
import { check } from './file.ts'
import { vacate } from './host.ts'
import { keepRules, keepSets } from './keep.ts'
import { combine, type Loaded, lasting, load, type Overrides, processOf } from './load.ts'
import { entryOf, type PublishInput, persistent, removable } from './mapping.ts'
import { unavailable } from './pending.ts'
import { pathText } from './problem.ts'
import { Absent, Refusal } from './refusal.ts'
import type { MacRow, NetworkRow, PortRow, PublishRow } from './rows.ts'
import type { Restoring } from './rules.ts'
import * as runtime from './runtime.ts'
import type { NetworkInput, PortInput } from './schema.ts'
import type { Sets, Turn } from './sets.ts'
import type { Switch } from './switch.ts'
import { addressFor, type Guests, Tenants } from './tenant.ts'
import * as written from './written.ts'

export class Registry {
  private loaded: Loaded
  private readonly tenants = new Tenants((name) => void this.removePort(name).catch(() => {}))
  private readonly fabric: Switch
  private readonly overrides: Overrides
  private turn: Promise<unknown> = Promise.resolve()

  constructor(loaded: Loaded, fabric: Switch, overrides: Overrides) {
    this.loaded = loaded
    this.fabric = fabric
    this.overrides = overrides
    this.settle()
    fabric.on('gone', (name) => {
      this.loaded.configuration.ports.delete(name)
      const left = this.tenants.without(name)
      if (left.published.length === this.tenants.guests.published.length) this.tenants.guests = left
      else void this.inTurn(() => this.change(this.loaded.added, left)).catch(() => {})
    })
  }

  get configuration(): Configuration {
    return this.loaded.configuration
  }

  /** '' when the default configuration runs. */
  get path(): string {
    return this.loaded.source.path
  }

  private get runtimePath(): string {
    return runtime.pathIn(this.loaded.configuration.state)
  }

  /** One change at a time: each reads what the one before wrote. */
  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.turn.then(act)
    this.turn = result.catch(() => {})
    return result
  }

  /** Gives the switch the static MACs of runtime.yaml that it lacks. Returns why some were left out: their port is gone. */
  async replay(): Promise<string[]> {
    const present = new Set(
      this.fabric
        .macs()
        .flatMap((row) => (row.kind === 'static' ? [`${row.network} ${row.mac} ${row.port}`] : [])),
    )
    const lost: string[] = []
    for (const { network, mac, port } of this.loaded.added.macs) {
      if (present.has(`${network} ${mac} ${port}`)) continue
      await this.fabric.addMac(network, mac, port).catch((error: Error) => lost.push(error.message))
    }
    return lost
  }

  /** Reads the file again and applies the difference. Throws a Refusal, and then everything is as it was. */
  reload(path: string | null): Promise<void> {
    return this.inTurn(async () => {
      const { ports, published } = this.tenants.guests
      const next = load(path, this.overrides, ports, published)
      const { configuration: now } = this.loaded
      lasting(next.configuration, now, path ?? '')
      vacate(next.configuration, now)
      await this.fabric.apply(next.configuration)
      this.loaded = next
      this.settle()
      // A network that went and came back has none of them.
      await this.replay()
    })
  }

  /** Resolves, checks, applies and writes down a change of what was added. */
  private async change(added: runtime.Contents, guests: Guests): Promise<void> {
    const { source, configuration: now } = this.loaded
    const wrong = unavailable({
      networks: added.networks,
      ports: { ...added.ports, ...Object.fromEntries(guests.ports) },
    })
    if (wrong.length > 0) throw Refusal.of(wrong.map((each) => `${pathText(each.path)}: ${each.text}`))
    const checked = check(combine(source, added, guests.ports, this.runtimePath, guests.published))
    const configuration = { ...checked, rules: now.rules, sets: now.sets }
    vacate(configuration, now)
    await this.fabric.apply(configuration)
    try {
      if (added !== this.loaded.added) runtime.write(this.runtimePath, added)
    } catch (error) {
      await this.fabric.apply(now)
      throw error
    }
    this.loaded = { ...this.loaded, added, configuration, lost: [] }
    this.tenants.guests = guests
    this.tenants.watch()
  }

  /** Forgets what was restored in the place of a file that is another now. */
  private settle(): void {
    for (const kind of ['rules', 'sets'] as const)
      if (this.loaded[kind].outdated) written.forget(kind, this.configuration.state)
  }

  /** Puts rules in force until their file changes. Throws a Refusal, and then the others go on. */
  restoreRules(text: string, how: Restoring): Promise<void> {
    return this.inTurn(() => keepRules(this.fabric, this.loaded, text, how))
  }

  /** Changes sets; all of them are kept as they are then until their file changes. */
  changeSets(act: (sets: Sets) => Promise<Turn>): Promise<void> {
    return this.inTurn(() => keepSets(this.fabric.sets, this.loaded, act))
  }

  addNetwork(name: string, input: NetworkInput): Promise<NetworkRow> {
    return this.inTurn(async () => {
      this.vacant(name)
      const { added } = this.loaded
      await this.change({ ...added, networks: { ...added.networks, [name]: input } }, this.tenants.guests)
      return this.fabric.networks().find((row) => row.name === name) as NetworkRow
    })
  }

  /** Adds a port; a `run` port lives as long as its process and gets an address of the subnet when it names none. */
  addPort(name: string, input: PortInput, origin: 'runtime' | 'run'): Promise<PortRow> {
    return this.inTurn(async () => {
      this.vacant(name)
      const { added } = this.loaded
      if (origin === 'runtime')
        await this.change(
          { ...added, ports: { ...added.ports, [name]: input }, ...this.born(name, input) },
          this.tenants.guests,
        )
      else await this.plug(name, input)
      return this.fabric.ports().find((row) => row.name === name) as PortRow
    })
  }

  /** Notes which process a port's pid:N means, for the next start. */
  private born(name: string, input: PortInput): { processes?: Record<string, string> } {
    const pid = processOf(input)
    const birth = pid === null ? null : namespace.birth(pid)
    return birth === null ? {} : { processes: { ...this.loaded.added.processes, [name]: birth } }
  }

  private async plug(name: string, input: PortInput): Promise<void> {
    const guests = this.tenants.with(name, {
      ...input,
      ...addressFor(input, this.configuration, this.fabric),
    } as PortInput)
    const pid = processOf(input)
    const place = pid === null ? null : namespace.identity(pid)
    await this.change(this.loaded.added, guests)
    this.tenants.settle(name, place)
    const row = this.fabric.ports().find((each) => each.name === name)
    if (row?.address !== null || guests.ports.get(name)?.address !== 'dhcp') return
    await this.change(this.loaded.added, this.tenants.without(name))
    throw new Refusal(`network ${input.network}`, 'all its addresses are leased', 'widen dhcp.range')
  }

  private vacant(name: string): void {
    const { networks, ports } = this.loaded.configuration
    const other = networks.get(name) ?? ports.get(name)
    if (other === undefined) return
    const kind = networks.has(name) ? 'network' : 'port'
    throw new Refusal(name, `there is a ${kind} of that name (${other.origin})`, 'choose another name')
  }

  /** What the file defines is the file's. */
  private removable(kind: 'network' | 'port', name: string): 'runtime' | 'run' {
    const { networks, ports } = this.loaded.configuration
    const thing = kind === 'network' ? networks.get(name) : ports.get(name)
    if (thing === undefined)
      throw new Absent(`${kind} ${name}`, 'there is none of that name', `see bridgeport ${kind} ls`)
    if (thing.origin !== 'file') return thing.origin
    const remedy =
      this.path === ''
        ? 'write a bridgeport.yaml without it and restart'
        : `edit the file and run bridgeport reload`
    throw new Refusal(
      `${kind} ${name}`,
      this.path === '' ? 'the default configuration defines it' : `${this.path} defines it`,
      remedy,
    )
  }

  removeNetwork(name: string): Promise<void> {
    return this.inTurn(async () => {
      this.removable('network', name)
      const user = [...this.loaded.configuration.ports.values()].find((port) => port.network === name)
      if (user !== undefined)
        throw new Refusal(
          `network ${name}`,
          `port ${user.name} is plugged into it`,
          `remove that port first (bridgeport port rm ${user.name})`,
        )
      const { [name]: _, ...networks } = this.loaded.added.networks
      const macs = this.loaded.added.macs.filter((entry) => entry.network !== name)
      const publish = this.loaded.added.publish.filter((entry) => entry.network !== name)
      await this.change({ ...this.loaded.added, networks, macs, publish }, this.tenants.guests)
    })
  }

  removePort(name: string): Promise<void> {
    return this.inTurn(async () => {
      const origin = this.removable('port', name)
      for (const entry of this.loaded.added.macs.filter((each) => each.port === name))
        await this.fabric.removeMac(entry.network, entry.mac).catch(() => {})
      const { [name]: _port, ...ports } = this.loaded.added.ports
      const { [name]: _process, ...processes } = this.loaded.added.processes
      const macs = this.loaded.added.macs.filter((entry) => entry.port !== name)
      const isPinned = macs.length < this.loaded.added.macs.length
      await this.change(
        origin === 'runtime' || isPinned
          ? { ...this.loaded.added, ports, processes, macs }
          : this.loaded.added,
        this.tenants.without(name),
      )
    })
  }

  addMac(network: string, mac: string, port: string): Promise<MacRow> {
    return this.inTurn(async () => {
      const bare = address.macText(mac)
      await this.fabric.addMac(network, bare, port)
      const others = this.loaded.added.macs.filter((entry) => entry.network !== network || entry.mac !== bare)
      const added = { ...this.loaded.added, macs: [...others, { network, mac: bare, port }] }
      runtime.write(this.runtimePath, added)
      this.loaded = { ...this.loaded, added }
      return { mac: bare, network, port, kind: 'static', ageSeconds: 0 }
    })
  }

  removeMac(network: string, mac: string): Promise<void> {
    return this.inTurn(async () => {
      const bare = address.macText(mac)
      await this.fabric.removeMac(network, bare)
      const macs = this.loaded.added.macs.filter((entry) => entry.network !== network || entry.mac !== bare)
      const added = { ...this.loaded.added, macs }
      runtime.write(this.runtimePath, added)
      this.loaded = { ...this.loaded, added }
    })
  }

  /** Publishes a port until it is removed, or as long as the `run` port lives that it is for. */
  addPublish(input: PublishInput): Promise<PublishRow> {
    return this.inTurn(async () => {
      const { added } = this.loaded
      const { guests } = this.tenants
      const entry = entryOf(input, this.configuration)
      if (entry.port === '')
        await this.change({ ...added, publish: [...added.publish, persistent(entry)] }, guests)
      else await this.change(added, { ...guests, published: [...guests.published, entry] })
      return this.fabric.publish().find((row) => row.publish === entry.publish) as PublishRow
    })
  }

  removePublish(text: string): Promise<void> {
    return this.inTurn(async () => {
      const { added } = this.loaded
      const { guests } = this.tenants
      removable(text, this.fabric.publish(), this.path)
      const stays = (each: { publish: string }) => each.publish !== text
      await this.change(
        { ...added, publish: added.publish.filter(stays) },
        { ...guests, published: guests.published.filter(stays) },
      )
    })
  }

  stop(): void {
    this.tenants.stop()
  }
}
