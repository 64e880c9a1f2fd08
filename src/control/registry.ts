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
import { combine, type Loaded, load, type Overrides, processOf } from './load.ts'
import { unavailable } from './pending.ts'
import { pathText } from './problem.ts'
import { Refusal } from './refusal.ts'
import type { MacRow, NetworkRow, PortRow } from './rows.ts'
import * as runtime from './runtime.ts'
import type { NetworkInput, PortInput } from './schema.ts'
import type { Switch } from './switch.ts'

/** The thing that was named does not exist. */
export class Absent extends Refusal {}

/** How often a `run` port's process is looked for, in milliseconds: its namespace may outlive it. */
const WATCH_MS = 1000

export class Registry {
  private loaded: Loaded
  private runs = new Map<string, PortInput>()
  /** the namespaces of `run` ports, to end what is left in one whose process was killed */
  private readonly namespaces = new Map<string, string>()
  private readonly fabric: Switch
  private readonly overrides: Overrides
  private turn: Promise<unknown> = Promise.resolve()
  private timer: NodeJS.Timeout | null = null

  constructor(loaded: Loaded, fabric: Switch, overrides: Overrides) {
    this.loaded = loaded
    this.fabric = fabric
    this.overrides = overrides
    fabric.on('gone', (name) => {
      this.runs.delete(name)
      this.loaded.configuration.ports.delete(name)
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
      const next = load(path, this.overrides, this.runs)
      const { configuration: now } = this.loaded
      const fixed = {
        socket: next.configuration.socket,
        state: next.configuration.state,
        http: JSON.stringify(next.configuration.http),
      }
      const running = { socket: now.socket, state: now.state, http: JSON.stringify(now.http) }
      for (const key of Object.keys(fixed) as (keyof typeof fixed)[])
        if (fixed[key] !== running[key])
          throw new Refusal(
            `${path}: ${key}`,
            `the running switch has ${running[key]}, the file says ${fixed[key]}`,
            'restart the switch to change it',
          )
      vacate(next.configuration, now)
      await this.fabric.apply(next.configuration)
      this.loaded = next
      // A network that went and came back has none of them.
      await this.replay()
    })
  }

  /** Resolves, checks, applies and writes down a change of what was added. */
  private async change(added: runtime.Contents, runs: Map<string, PortInput>): Promise<void> {
    const { source, configuration: now } = this.loaded
    const wrong = unavailable({
      networks: added.networks,
      ports: { ...added.ports, ...Object.fromEntries(runs) },
    })
    if (wrong.length > 0) throw Refusal.of(wrong.map((each) => `${pathText(each.path)}: ${each.text}`))
    const configuration = check(combine(source, added, runs, this.runtimePath))
    vacate(configuration, now)
    await this.fabric.apply(configuration)
    try {
      if (added !== this.loaded.added) runtime.write(this.runtimePath, added)
    } catch (error) {
      await this.fabric.apply(now)
      throw error
    }
    this.loaded = { source, added, configuration, lost: [] }
    this.runs = runs
    this.watch()
  }

  addNetwork(name: string, input: NetworkInput): Promise<NetworkRow> {
    return this.inTurn(async () => {
      this.vacant(name)
      const { added } = this.loaded
      await this.change({ ...added, networks: { ...added.networks, [name]: input } }, this.runs)
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
          this.runs,
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
    const runs = new Map(this.runs).set(name, { ...input, ...this.addressFor(input) } as PortInput)
    const pid = processOf(input)
    const place = pid === null ? null : namespace.identity(pid)
    await this.change(this.loaded.added, runs)
    // Never ours: what is left there is the whole host.
    if (place !== null && place !== namespace.identity('self')) this.namespaces.set(name, place)
  }

  private addressFor(input: PortInput): { address?: string } {
    const network = this.loaded.configuration.networks.get(input.network)
    if (input.address !== undefined || !network?.subnet) return {}
    const free = this.fabric.allocateAddress(input.network)
    if (free === null)
      throw new Refusal(
        `network ${input.network}`,
        `no address of ${network.subnet.text} is free`,
        'end a process or name one with --address',
      )
    return { address: free }
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
      await this.change({ ...this.loaded.added, networks, macs }, this.runs)
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
      const runs = new Map(this.runs)
      runs.delete(name)
      const isPinned = macs.length < this.loaded.added.macs.length
      await this.change(
        origin === 'runtime' || isPinned
          ? { ...this.loaded.added, ports, processes, macs }
          : this.loaded.added,
        runs,
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

  /** Removes `run` ports whose process ended without saying so, and what it left running in their namespaces. */
  private watch(): void {
    if (this.timer !== null || this.runs.size === 0) return
    this.timer = setInterval(() => {
      for (const [name, input] of this.runs) {
        const pid = processOf(input)
        if (pid === null || namespace.identity(pid) !== null) continue
        const left = this.namespaces.get(name)
        if (left !== undefined) namespace.evict(left)
        void this.removePort(name).catch(() => {})
      }
      for (const name of this.namespaces.keys()) if (!this.runs.has(name)) this.namespaces.delete(name)
      if (this.runs.size === 0) this.stop()
    }, WATCH_MS)
    this.timer.unref()
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
  }
}
