/** Networks of one switch with guests in them, a host and a world: a place to try rules in. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { call } from '../../src/cli/client.ts'
import type { RuleRow } from '../../src/control/counts.ts'
import type { EventRow } from '../../src/control/events.ts'
import { Station, serving } from '../e2e/mode/station.ts'
import { defer } from './cleanup.ts'
import { eventually, mustSync, says } from './command.ts'
import { Daemon } from './daemon.ts'
import { folder } from './folder.ts'
import { Namespace } from './namespace.ts'

/** The host's card towards the world, and the world. */
export const HOST = '192.0.2.2'
export const WORLD = '192.0.2.1'
/** The switch on the LAN of a card of its own, and the router there, which is the world, too. */
export const CARD = '198.18.0.2'
export const ROUTER = '198.18.0.1'
/** The world on the LAN of another card, for a bridged network. */
export const BESIDE = '10.8.0.1'
/** Every station serves at these ports. */
export const FIRST = 7000
export const LAST = 7004
/** Time in which an answer that does not come would have come. */
const SILENCE = 0.5
const PATIENCE = 8

/** the rules' file, in the daemon's folder */
export const RULES = 'my.rules'
const TABLES = ['raw', 'mangle', 'nat', 'filter'] as const
type Tables = Partial<Record<(typeof TABLES)[number], readonly string[]>>

/** All four tables: what is not named has no rules, and policies ACCEPT. */
export function rules(tables: Tables): string {
  return TABLES.map((name) => `*${name}\n${(tables[name] ?? []).join('\n')}\nCOMMIT\n`).join('')
}

/** `address` in `network`; its gateway is the first address of the /24. */
export interface Guest {
  network: string
  address: string
  /** it begins without an address */
  isBare?: boolean
}

/** `card0` and `card1` are cards at the LANs of ROUTER and BESIDE. A guest's port is its name with a 0. */
export interface Plan {
  networks: Record<string, object>
  guests: Record<string, Guest>
  /** others, and what is in the rules' file at first */
  ports?: Record<string, object>
  rules?: string
}

const gatewayOf = (address: string) => address.replace(/\d+$/, '1')

export class Borough {
  readonly daemon: Daemon
  private readonly stations = new Map<string, Station>()
  private readonly namespaces = new Map<string, Namespace>()

  private constructor(daemon: Daemon) {
    this.daemon = daemon
  }

  static async build({ networks, guests, ports = {}, rules = '' }: Plan): Promise<Borough> {
    const host = new Namespace('host')
    const world = new Namespace('world')
    plug(host, world, 'wan', [`${HOST}/24`, `${WORLD}/24`])
    plug(host, world, 'card0', ['', `${ROUTER}/24`])
    plug(host, world, 'card1', ['', `${BESIDE}/24`])
    mustSync(...host.argv('ip', 'route', 'add', 'default', 'via', WORLD))
    const places = Object.entries(guests).map(([name, guest]) => ({
      name,
      guest,
      place: new Namespace(name),
    }))
    const taps = places.map(({ name, guest: { network, address, isBare }, place }) => {
      const tap = { network, type: 'tap', netns: place.name, ifname: 'eth0' }
      return [`${name}0`, isBare ? tap : { ...tap, address: `${address}/24` }] as const
    })
    const all = { ...Object.fromEntries(taps), ...ports }
    const daemon = new Daemon({ networks, ports: all, ...{ rules: RULES } }, host)
    writeFileSync(join(daemon.folder, RULES), rules)
    await daemon.up()
    const borough = new Borough(daemon)
    const named = [{ name: 'host', place: host }, { name: 'world', place: world }, ...places]
    await Promise.all(named.map(({ name, place }) => borough.open(name, place)))
    for (const { name, guest } of places) {
      const route = `ip route replace default via ${gatewayOf(guest.address)}`
      if (!guest.isBare) await borough.station(name).shell(route)
    }
    return borough
  }

  private async open(name: string, namespace: Namespace): Promise<void> {
    this.namespaces.set(name, namespace)
    const station = await Station.open(name, namespace.path)
    await says(station.spawn(...serving(name, FIRST, LAST)), /pid/)
    this.stations.set(name, station)
  }

  station(name: string): Station {
    const station = this.stations.get(name)
    if (station === undefined) throw new Error(`no station ${name}`)
    return station
  }

  namespace(name: string): Namespace {
    const namespace = this.namespaces.get(name)
    if (namespace === undefined) throw new Error(`no namespace ${name}`)
    return namespace
  }

  /** What somebody hears who connects; what is silent is not awaited for long. */
  async asks(from: string, to: string, port = FIRST): Promise<string> {
    return await this.station(from).connect(to, port, PATIENCE)
  }

  async silent(from: string, to: string, port = FIRST): Promise<boolean> {
    return (await this.station(from).connect(to, port, SILENCE)) === 'silence'
  }

  pings(from: string, to: string, seconds = PATIENCE): Promise<string> {
    return this.station(from).ping(to, 56, seconds)
  }

  async unheard(from: string, to: string): Promise<boolean> {
    return (await this.pings(from, to, SILENCE)) === 'silence'
  }

  /** Replaces all rules. */
  async restore(tables: Tables): Promise<void> {
    await call(this.daemon.socket, 'PUT', '/v1/rules', rules(tables))
  }

  /** Packets that rules counted whose text holds `part`. */
  async counted(part: string): Promise<number> {
    const rows = await call<RuleRow[]>(this.daemon.socket, 'GET', '/v1/rules')
    const found = rows.filter(({ rule }) => rule.includes(part))
    if (found.length === 0) throw new Error(`no rule says ${part}`)
    return found.reduce((sum, { packets }) => sum + packets, 0)
  }

  /** What rules told whose prefix or text holds `part`, once there is any. */
  async told(part: string): Promise<EventRow[]> {
    let found: EventRow[] = []
    await eventually(`an event of ${part}`, async () => {
      const events = await call<EventRow[]>(this.daemon.socket, 'GET', '/v1/rules/events')
      found = events.filter(({ text, prefix }) => text.includes(part) || prefix.includes(part))
      return found.length > 0
    })
    return found
  }

  /** How many of `count` pings in a row are answered. */
  async answered(from: string, to: string, count: number): Promise<number> {
    const argv = ['ping', '-n', '-c', String(count), '-i', '0.05', '-W', '1', to]
    const { stdout } = await this.namespace(from).attempt(argv)
    return Number(/(\d+) received/.exec(stdout)?.[1])
  }

  /** A real DHCP client's address and router, or '' if nobody answered it. */
  async lease(at: string): Promise<string> {
    const script = join(folder('lease'), 'bound.sh')
    const take =
      'ip addr flush dev $interface; ip addr add $ip/$mask dev $interface; ip route replace default via $router'
    writeFileSync(script, `#!/bin/sh\ncase $1 in bound) ${take}; echo "got $ip";; esac\n`, { mode: 0o755 })
    const argv = ['busybox', 'udhcpc', '-i', 'eth0', '-f', '-q', '-n', '-t', '2', '-T', '1', '-s', script]
    return /got (\S+)/.exec((await this.namespace(at).attempt(argv)).stdout)?.[1] ?? ''
  }

  cli(...argv: string[]): Promise<string> {
    return this.daemon.cli(...argv)
  }

  /** Runs a command in a station until it says something. */
  async serve(at: string, pattern: RegExp, ...argv: string[]): Promise<() => void> {
    const [command = '', ...args] = this.station(at).argv(...argv)
    const child = spawn(command, args)
    defer(() => child.kill('SIGKILL'))
    await says(child, pattern)
    return () => child.kill('SIGKILL')
  }
}

function plug(host: Namespace, world: Namespace, ifname: string, addresses: [string, string]): void {
  const other = ['peer', 'name', ifname, 'netns', world.name]
  mustSync('ip', 'link', 'add', ifname, 'netns', host.name, 'type', 'veth', ...other)
  ;[host, world].forEach((at, side) => {
    const address = addresses[side]
    if (address) mustSync(...at.argv('ip', 'addr', 'add', address, 'dev', ifname))
    mustSync(...at.argv('ip', 'link', 'set', ifname, 'up'))
  })
}
