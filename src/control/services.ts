/** The services of all networks, started, changed and ended with them. */
import { join } from 'node:path'
import { GUESTS, NIC_UPLINK } from '../pipeline/program.ts'
import type { Lease, What } from '../service/dhcp/lease.ts'
import { Leases, type Log } from '../service/dhcp/store.ts'
import { type Mapping, Published } from '../service/publish.ts'
import { Refused } from '../service/refused.ts'
import { overlap } from './address.ts'
import type { Configuration } from './configuration.ts'
import { Desk } from './desk.ts'
import type { Ends } from './end.ts'
import { hasLink } from './gateway.ts'
import type { PoolRow } from './lease.ts'
import type { Spec } from './member.ts'
import { type Leased, Outlet } from './outlet.ts'
import type { Plant } from './plant.ts'
import { Refusal } from './refusal.ts'
import { localName, uplinkName } from './wiring.ts'

export class Services {
  readonly leases: Leases
  /** by name of the network */
  readonly desks = new Map<string, Desk>()
  /** by name of the uplink's network */
  private readonly outlets = new Map<string, Outlet>()
  /** called when an uplink got another address, or lost it */
  onseat: () => void = () => {}
  /** networks whose name server hears no TCP, as was told */
  private readonly deaf = new Set<string>()
  readonly published: Published
  private readonly plant: Plant
  private readonly ends: Ends
  private readonly log: Log

  /** `state` is the folder that keeps leases, null for a switch that keeps nothing. */
  constructor(plant: Plant, ends: Ends, state: string | null, log: Log) {
    this.plant = plant
    this.ends = ends
    this.log = log
    this.published = new Published()
    this.leases = new Leases(state === null ? null : join(state, 'leases.json'), log)
  }

  /** Calls `heard` for leases that begin, end or change their name. */
  listen(heard: (lease: Lease, what: What) => void): void {
    this.leases.onchange = heard
  }

  /** Opens exactly these ports on the host; throws a Refusal if one cannot be opened, and changes nothing then. */
  publish(mappings: Mapping[]): void {
    try {
      this.published.set(mappings)
    } catch (error) {
      if (error instanceof Refused) throw new Refusal(error.what, error.why, error.remedy)
      throw error
    }
  }

  /** Serves as `next` says: the gateways' ports have to be there. */
  update(next: Configuration): void {
    const before = new Set(this.desks.keys())
    for (const network of next.networks.values()) {
      const local = this.plant.members.get(localName(network.name, GUESTS))
      if (local?.spec.type !== 'local' || !hasLink(network)) continue
      before.delete(network.name)
      let desk = this.desks.get(network.name)
      if (desk?.incarnation !== local.incarnation) {
        desk?.close()
        desk = new Desk(network, local, this.ends, this.log)
        this.desks.set(network.name, desk)
      }
      desk.update(network, [...next.ports.values()], this.leases)
    }
    for (const name of before) this.end(name, next.networks.has(name))
    this.lead(next)
    this.release(next)
  }

  /** Lets name servers hear TCP: in the room, or in host-only mode on the host's own address. */
  answer(): void {
    for (const [name, desk] of this.desks) {
      if (!desk.isDeaf) continue
      try {
        desk.listen(this.plant.ground)
      } catch (error) {
        if (!this.deaf.has(name))
          this.log.warn({ network: name }, `DNS answers over UDP only: ${(error as Error).message}`)
        this.deaf.add(name)
      }
    }
  }

  /** A DHCP client for every uplink whose card has no written address. */
  private lead({ networks }: Configuration): void {
    const { leased } = this.plant.ground
    const before = new Set(this.outlets.keys())
    for (const { name: network, uplink, subnet } of networks.values()) {
      const name = uplinkName(network)
      const local = this.plant.members.get(localName(name, NIC_UPLINK))
      if (uplink.kind !== 'nic' || uplink.address !== 'dhcp' || local === undefined) continue
      before.delete(name)
      const present = this.outlets.get(name)
      if (present?.incarnation === local.incarnation) continue
      void present?.close()
      const heard = (given: Leased | null) => {
        if (given === null) leased.delete(name)
        else leased.set(name, given)
        if (given !== null && subnet !== null && overlap(given.address, subnet))
          this.log.warn(
            { network, subnet: subnet.text, uplink: given.address.text },
            'the LAN of the uplink and the network have the same addresses, and neither reaches the other: give the network another subnet',
          )
        this.onseat()
      }
      this.outlets.set(name, new Outlet(local, this.ends, heard, this.log))
    }
    for (const name of before) {
      void this.outlets.get(name)?.close()
      this.outlets.delete(name)
      leased.delete(name)
    }
  }

  /** The card of an uplink is back. */
  restart(uplink: string): void {
    this.outlets.get(uplink)?.restart()
  }

  private end(name: string, stays: boolean): void {
    this.desks.get(name)?.close()
    this.desks.delete(name)
    if (!stays) this.leases.drop(name)
  }

  /** Takes back the addresses of ports that are gone or have a written one now. */
  private release({ ports }: Configuration): void {
    const wanted = new Set(
      [...ports.values()]
        .filter((port) => port.address === 'dhcp')
        .map(({ network, mac }) => `${network} ${mac}`),
    )
    for (const { network, mac, kind } of this.leases.list())
      if (kind === 'port' && !wanted.has(`${network} ${mac}`)) this.desks.get(network)?.server?.release(mac)
  }

  /** The address of a port: the written one, or one that is leased for it; null if it has none or none is left. */
  address({ network, name, address, mac }: Spec): string | null {
    if (address !== 'dhcp') return address
    const leased = this.desks.get(network)?.reserve(mac ?? '', name) ?? null
    if (leased === null)
      this.log.warn({ port: name, network }, 'no address is left for the port: widen dhcp.range')
    return leased
  }

  /** Addresses leased to a MAC of a network. */
  held(network: string, mac: string): number[] {
    const own = this.leases.list().filter((lease) => lease.network === network && lease.mac === mac)
    return own.map(({ address }) => address)
  }

  /** DHCP servers in numbers. */
  pools(): PoolRow[] {
    return [...this.desks].flatMap(([network, { server }]) =>
      server === null
        ? []
        : [{ network, leases: server.count, capacity: server.capacity, messages: server.counts }],
    )
  }

  async close(): Promise<void> {
    for (const desk of this.desks.values()) desk.close()
    await Promise.all([...this.outlets.values()].map((outlet) => outlet.close()))
    this.desks.clear()
    this.outlets.clear()
    this.published.close()
    await this.leases.close()
  }
}
