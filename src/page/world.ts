/** What the page knows: who is plugged in where, the last sample, and what can be said of them. */
import type { Picture, PortPicture, PortRates, Sample } from '../control/live/live.ts'
import type { NetworkRow } from '../control/rows.ts'
import { History } from './history.ts'

/** connecting: not yet; lost: it was there; paused: nobody looks. */
export type LinkState = 'connecting' | 'live' | 'lost' | 'paused'

const REST: PortRates = [0, 0, 0, 0, 0]

/** A network's rates stand beside the ports' under a name that no port can have. */
export const networkKey = (name: string): string => `/${name}`

export class World {
  picture: Picture | null = null
  sample: Sample | null = null
  state: LinkState = 'connecting'
  /** when the switch that is heard now was first heard, if it is another than before */
  restarted = 0
  /** samples taken */
  taken = 0
  readonly history = new History()
  private rates = new Map<string, PortRates>()
  /** drops of the sample before, by port and reason */
  private before: Sample['drops'] = {}

  see(picture: Picture): void {
    if (this.picture !== null && this.picture.pid !== picture.pid) this.restarted = Date.now()
    this.picture = picture
    const networks = picture.networks.map(({ name }) => networkKey(name))
    this.history.keep(new Set([...picture.ports.map(({ name }) => name), ...networks]))
  }

  take(sample: Sample): void {
    this.before = this.sample?.drops ?? sample.drops
    this.sample = sample
    this.taken++
    this.rates = new Map(Object.entries(sample.ports))
    for (const { name } of this.networks()) this.rates.set(networkKey(name), this.sum(name))
    // The first sample of a stream may have no past, and so no rates.
    if (sample.seconds > 0) this.history.add(sample, this.rates)
  }

  /** What all ports of a network do together, its gateway aside: what comes in leaves again elsewhere. */
  private sum(network: string): PortRates {
    const total: PortRates = [0, 0, 0, 0, 0]
    for (const port of this.portsOf(network))
      this.ratesOf(port.name).forEach((value, n) => {
        total[n] += value
      })
    return total
  }

  /** Bytes a second that come in by all ports. */
  traffic(): number {
    return this.networks().reduce((sum, { name }) => sum + this.ratesOf(networkKey(name))[1], 0)
  }

  ratesOf(name: string): PortRates {
    return this.rates.get(name) ?? REST
  }

  networks(): NetworkRow[] {
    return this.picture?.networks ?? []
  }

  ports(): PortPicture[] {
    return this.picture?.ports ?? []
  }

  port(name: string): PortPicture | undefined {
    return this.ports().find((port) => port.name === name)
  }

  /** The ports that somebody plugged in. */
  portsOf(network: string): PortPicture[] {
    return this.ports().filter((port) => port.network === network && !this.isGateway(port))
  }

  /** True for the port that stands for a gateway, and for its way out. */
  isGateway({ name, network }: PortPicture): boolean {
    return name === network || name === `${network}-uplink`
  }

  /** Frames dropped in all, and a second, by port and reason. */
  drops(): { port: string; reason: string; total: number; rate: number }[] {
    const { drops = {}, seconds = 1 } = this.sample ?? {}
    return Object.entries(drops).flatMap(([port, reasons]) =>
      Object.entries(reasons).map(([reason, total]) => {
        const since = Math.max(0, total - (this.before[port]?.[reason] ?? 0))
        return { port, reason, total, rate: since / seconds }
      }),
    )
  }
}
