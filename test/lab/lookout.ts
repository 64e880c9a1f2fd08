/** A switch whose ports are looked at: stations named like their ports, each a namespace with eth0. */
import type { Result } from './command.ts'
import { Daemon } from './daemon.ts'
import { Namespace } from './namespace.ts'

export class Lookout {
  readonly stations: Record<string, Namespace> = {}
  readonly host = new Namespace('host')
  private made: Daemon | null = null

  get daemon(): Daemon {
    return this.made as Daemon
  }

  /** The configuration of a port, and a station to plug into it. */
  port(name: string, network: string, address: string, more: object = {}): Record<string, object> {
    const station = new Namespace(name)
    this.stations[name] = station
    const place = { type: 'tap', netns: station.name, ifname: 'eth0', address: `${address}/24` }
    return { [name]: { network, ...place, ...more } }
  }

  /** Two workers, so that records have to be put together. */
  async start(networks: Record<string, object>, ports: Record<string, object>): Promise<void> {
    this.made = await Daemon.start({ networks, ports, workers: 2 }, this.host)
  }

  ping(name: string, address: string, ...options: string[]): Promise<Result> {
    return this.stations[name].attempt(['ping', '-n', '-i', '0.05', '-W', '1', ...options, address])
  }
}
