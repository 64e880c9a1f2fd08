/** The ports of `bridgeport run`: each lives as long as the process of its namespace, and what it left running goes with it. */
import * as namespace from '../port/namespace.ts'
import type { Configuration } from './configuration.ts'
import { processOf } from './load.ts'
import { Refusal } from './refusal.ts'
import type { PublishEntry } from './resolve.ts'
import type { PortInput } from './schema.ts'
import type { Switch } from './switch.ts'

/** How often a process is looked for, in milliseconds: its namespace may outlive it. */
const WATCH_MS = 1000

/** What `run` ports add to the configuration. */
export interface Guests {
  ports: Map<string, PortInput>
  published: PublishEntry[]
}

export class Tenants {
  guests: Guests = { ports: new Map(), published: [] }
  /** the namespaces of `run` ports, to end what is left in one whose process was killed */
  private readonly namespaces = new Map<string, string>()
  private readonly leave: (name: string) => void
  private timer: NodeJS.Timeout | null = null

  /** `leave` removes the port of a process that ended without saying so. */
  constructor(leave: (name: string) => void) {
    this.leave = leave
  }

  with(name: string, input: PortInput): Guests {
    return { ...this.guests, ports: new Map(this.guests.ports).set(name, input) }
  }

  without(name: string): Guests {
    const ports = new Map(this.guests.ports)
    ports.delete(name)
    return { ports, published: this.guests.published.filter(({ port }) => port !== name) }
  }

  /** Notes where a port's process lives. Never our own place: what is left there is the whole host. */
  settle(name: string, place: string | null): void {
    if (place !== null && place !== namespace.identity('self')) this.namespaces.set(name, place)
  }

  watch(): void {
    if (this.timer !== null || this.guests.ports.size === 0) return
    this.timer = setInterval(() => this.look(), WATCH_MS)
    this.timer.unref()
  }

  private look(): void {
    const { ports } = this.guests
    for (const [name, input] of ports) {
      const pid = processOf(input)
      if (pid === null || namespace.identity(pid) !== null) continue
      const left = this.namespaces.get(name)
      if (left !== undefined) namespace.evict(left)
      this.leave(name)
    }
    for (const name of this.namespaces.keys()) if (!ports.has(name)) this.namespaces.delete(name)
    if (ports.size === 0) this.stop()
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
  }
}

/** The address of a `run` port that names none: leased, or the next free one. Throws a Refusal if there is none left. */
export function addressFor(
  input: PortInput,
  { networks }: Configuration,
  fabric: Pick<Switch, 'allocateAddress'>,
): { address?: string } {
  const network = networks.get(input.network)
  if (input.address !== undefined || !network?.subnet) return {}
  if (network.dhcp !== null) return { address: 'dhcp' }
  const free = fabric.allocateAddress(input.network)
  if (free !== null) return { address: free }
  const why = `no address of ${network.subnet.text} is free`
  throw new Refusal(`network ${input.network}`, why, 'end a process or name one with --address')
}
