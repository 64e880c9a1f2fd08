/**
 * One host with all networks of the plan on it, and the world: namespaces, cards, the daemon, and routes that lead everywhere, so that
 * nothing but the switch keeps a packet from arriving.
 *
 *   guest (tap), process (bridgeport run) ── network ── switch ── link ── host ── wan ── world
 *                                                          └───── card of its own ────────┘
 */
import { spawn } from 'node:child_process'
import { defer } from '../../lab/cleanup.ts'
import { mustSync, says } from '../../lab/command.ts'
import { Daemon, program } from '../../lab/daemon.ts'
import { Namespace } from '../../lab/namespace.ts'
import * as plan from './plan.ts'
import { plots } from './plan.ts'
import type { Ground } from './proof.ts'
import { Station, serving } from './station.ts'

const all = Object.values(plots)

export class Town implements Ground {
  readonly daemon: Daemon
  private readonly stations = new Map<string, Station>()
  private readonly running: (() => Promise<void>)[] = []

  private constructor(daemon: Daemon) {
    this.daemon = daemon
  }

  static async build(): Promise<Town> {
    const host = new Namespace('host')
    const world = new Namespace('world')
    cable(host, world, 'wan', `${plan.HOST}/24`, `${plan.WORLD}/24`)
    for (const { number, hasCard, settings } of all) {
      if (!hasCard) continue
      const isBridged = (settings as { mode: string }).mode === 'bridged'
      const far = isBridged ? plan.gateway(number) : plan.behindCard(number)
      cable(host, world, plan.card(number), '', `${far}/24`)
    }
    mustSync(...host.argv('ip', 'route', 'add', 'default', 'via', plan.WORLD))
    const guests = all.map((plot) => ({ plot, namespace: new Namespace(plot.name) }))
    const ports = guests.map(({ plot, namespace }) => [
      `${plot.name}-g`,
      {
        network: plot.name,
        ...{ type: 'tap', netns: namespace.name, ifname: 'eth0', address: `${plan.guest(plot.number)}/24` },
      },
    ])
    const networks = Object.fromEntries(all.map(({ name, settings }) => [name, settings]))
    const daemon = await Daemon.start({ networks, ports: Object.fromEntries(ports) }, host)
    const town = new Town(daemon)
    await Promise.all([
      town.open('host', host),
      town.open('outside', world),
      ...guests.map(({ plot, namespace }) => town.open(plot.name, namespace)),
    ])
    for (const { name, number } of all)
      await town.station(name).shell(`ip route replace default ${towards(number)}`)
    await town.lead()
    return town
  }

  private async open(name: string, { path }: Namespace): Promise<void> {
    const station = await Station.open(name, path)
    this.stations.set(name, await station.serve())
  }

  /** Gives the host and the world a way to every guest, be it one that the switch has to refuse. */
  private async lead(): Promise<void> {
    const ways = all.filter(({ name }) => !['lab', 'open', 'lan', 'home'].includes(name))
    const own = ({ name, number }: plan.Plot) =>
      ['nat', 'solo', 'shut'].includes(name) ? plan.ownEnd(number) : plan.ownEnd(plots.nat.number)
    const hosts = ways.map((plot) => `ip route add 10.${plot.number}.0.0/24 via ${own(plot)}`)
    await this.station('host').shell(hosts.join(' && '))
    const mac = await this.station('host').mac('wan')
    const bare = this.station('bare')
    for (const address of [plan.HOST, plan.WORLD])
      await bare.shell(`ip neigh replace ${address} lladdr ${mac} dev eth0`)
    const worlds = all
      .filter(({ settings }) => (settings as { mode: string }).mode !== 'bridged')
      .map(({ number, hasCard }) => {
        const via = hasCard ? plan.onCard(number) : plan.HOST
        return `ip route add 10.${number}.0.0/24 via ${via}`
      })
    const links = all.map(({ number }) => `ip route add 100.64.${number}.0/30 via ${plan.HOST}`)
    await this.station('outside').shell([...worlds, ...links].join(' && '))
  }

  /** `bridgeport run` with these options, once its command, which serves, listens; `end` ends it. */
  async run(options: string[], command: string[]): Promise<{ pid: string; end: () => Promise<void> }> {
    const own = [process.execPath, program, '--socket', this.daemon.socket, 'run']
    const argv = this.daemon.host.argv(...own, ...options, '--', ...command)
    const child = spawn(argv[0] as string, argv.slice(1))
    defer(() => child.kill('SIGKILL'))
    const pid = /pid (\d+)\n/.exec(await says(child, /pid \d+\n/))?.[1] ?? ''
    const end = async () => {
      const closed = new Promise((resolve) => child.once('close', resolve))
      child.kill('SIGTERM')
      await closed
    }
    return { pid, end }
  }

  /** Starts the network's process; `leave` ends it. */
  async enter({ name, number }: plan.Plot): Promise<void> {
    const label = `${name}-p`
    const options = ['--network', name, '--name', label, '--address', `${plan.process(number)}/24`]
    const { pid, end } = await this.run(options, serving(label))
    this.stations.set(label, await Station.open(label, `/proc/${pid}/ns/net`))
    this.running.push(end)
  }

  async leave(): Promise<void> {
    await this.running.pop()?.()
  }

  station(name: string): Station {
    const station = this.stations.get(name)
    if (station === undefined) throw new Error(`no station ${name}`)
    return station
  }

  async drops(): Promise<Record<string, number>> {
    const text = await this.station('host').exec('curl', '-s', 'http://127.0.0.1:9477/metrics')
    const sums: Record<string, number> = {}
    for (const [, reason = '', count] of text.matchAll(/^bridgeport_dropped.*reason="(\w+)".*} (\d+)$/gm))
      sums[reason] = (sums[reason] ?? 0) + Number(count)
    return sums
  }
}

/** Where a guest sends what is not of its network. */
function towards(number: number): string {
  return number === plots.bare.number ? 'dev eth0' : `via ${plan.gateway(number)}`
}

function cable(host: Namespace, world: Namespace, ifname: string, near: string, far: string): void {
  const other = ['peer', 'name', ifname, 'netns', world.name]
  mustSync('ip', 'link', 'add', ifname, 'netns', host.name, 'type', 'veth', ...other)
  for (const [at, address] of [
    [host, near],
    [world, far],
  ] as const) {
    if (address !== '') mustSync(...at.argv('ip', 'addr', 'add', address, 'dev', ifname))
    mustSync(...at.argv('ip', 'link', 'set', ifname, 'up'))
  }
}
