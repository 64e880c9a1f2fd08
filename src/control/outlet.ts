/** A way outside over a card whose address the LAN's DHCP server gives. */
import { hostname } from 'node:os'
import { Client } from '../service/dhcp/client.ts'
import type { Grant } from '../service/dhcp/grant.ts'
import type { Log } from '../service/dhcp/store.ts'
import { Station } from '../service/station.ts'
import * as mac from '../wire/mac.ts'
import { type Cidr, ipv4Text } from './address.ts'
import type { Ends } from './end.ts'
import type { Member } from './member.ts'

/** What the LAN gave. */
export interface Leased {
  address: Cidr
  /** 0 if there is none */
  router: number
  /** 0 if the LAN said nothing of it */
  mtu: number
}

export class Outlet {
  readonly incarnation: number
  private readonly station: Station
  private readonly client: Client

  /** Asks on the gateway's port of the uplink; `heard` is told of every address, null when it is lost. */
  constructor(local: Member, ends: Ends, heard: (leased: Leased | null) => void, log: Log) {
    this.incarnation = local.incarnation
    const { spec } = local
    const own = mac.parse(spec.mac!)!
    this.station = new Station(ends.of(local), { ...own, address: 0, mtu: spec.networkMtu })
    const bound = ({ address, prefix, router, mtu }: Grant) => {
      const text = `${ipv4Text(address)}/${prefix}`
      log.info({ uplink: spec.network, address: text, router: ipv4Text(router) }, 'the uplink has an address')
      this.seat(address)
      heard({ address: { text, address, prefix }, router, mtu })
    }
    const lost = (why: string) => {
      log.warn({ uplink: spec.network }, `the uplink lost its address: ${why}`)
      this.seat(0)
      heard(null)
    }
    this.client = new Client(this.station, hostname(), { bound, lost }, log)
  }

  private seat(address: number): void {
    this.station.seat = { ...this.station.seat, address }
  }

  /** The card was away: the LAN may be another. */
  restart(): void {
    this.client.restart()
  }

  /** Gives the address back; resolves when the switch has heard so. */
  async close(): Promise<void> {
    this.client.close()
    await this.station.parted()
    this.station.close()
  }
}
