/** A network's services: who hands out its addresses and answers for its names. Its station is the control end of the gateway's port. */
import type { Settings } from '../service/dhcp/option.ts'
import { Server } from '../service/dhcp/server.ts'
import type { Leases, Log } from '../service/dhcp/store.ts'
import { Station } from '../service/station.ts'
import * as mac from '../wire/mac.ts'
import { cidr, ipv4, ipv4Text } from './address.ts'
import type { NetworkConfiguration, PortConfiguration } from './configuration.ts'
import type { Ends } from './end.ts'
import { leadsOutside } from './gateway.ts'
import type { Member } from './member.ts'

/** Addresses that guests have without a lease: ports' written ones and the host's own. */
function excluded({ name, host }: NetworkConfiguration, ports: Iterable<PortConfiguration>): number[] {
  const written = [...ports].filter(({ network }) => network === name).map(({ address }) => address)
  return [...written, host?.address ?? null].flatMap((text) => cidr(text ?? '')?.address ?? [])
}

/** What the DHCP server of a network is told; null if it has none. */
function settings(network: NetworkConfiguration, ports: Iterable<PortConfiguration>): Settings | null {
  const { name, subnet, gateway, dhcp, dns, domain, mtu, mode } = network
  const address = ipv4(gateway ?? '')
  if (dhcp === null || subnet === null || address === null) return null
  const { first, last, leaseMs } = dhcp
  return {
    network: name,
    address,
    prefix: subnet.prefix,
    first,
    last,
    leaseMs,
    statics: new Map([...dhcp.static].map(([key, text]) => [key, ipv4(text) ?? 0])),
    excluded: excluded(network, ports),
    router: leadsOutside(mode) ? address : 0,
    resolvers: dns === null ? [] : [address],
    domain: dns === null ? '' : domain,
    mtu,
    routes: [],
  }
}

export class Desk {
  readonly incarnation: number
  readonly station: Station
  server: Server | null = null
  private readonly log: Log
  private network: NetworkConfiguration | null = null

  constructor(local: Member, ends: Ends, log: Log) {
    this.incarnation = local.incarnation
    this.log = log
    const own = mac.parse(local.spec.mac!)!
    this.station = new Station(ends.of(local), { ...own, address: 0, mtu: 0 })
  }

  /** Serves as the network says now. */
  update(network: NetworkConfiguration, ports: Iterable<PortConfiguration>, leases: Leases): void {
    this.network = network
    const { seat } = this.station
    this.station.seat = { ...seat, address: ipv4(network.gateway ?? '') ?? 0, mtu: network.mtu }
    const wanted = settings(network, ports)
    if (wanted === null) {
      this.server?.close()
      this.server = null
    } else if (this.server === null) this.server = new Server(this.station, wanted, leases, this.log)
    else this.server.update(wanted)
  }

  /** An address for a port whose interface the switch configures, as CIDR text; null if none is left. */
  reserve(mac: string, hostname: string): string | null {
    const address = this.server?.reserve(mac, hostname) ?? null
    return address === null ? null : `${ipv4Text(address)}/${this.network?.subnet?.prefix}`
  }

  close(): void {
    this.server?.close()
    this.station.close()
  }
}
