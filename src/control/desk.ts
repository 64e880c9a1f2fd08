/** A network's services: who hands out its addresses and answers for its names. Its station is the control end of the gateway's port. */
import * as socket from '../port/socket.ts'
import type { Settings } from '../service/dhcp/option.ts'
import { Server } from '../service/dhcp/server.ts'
import type { Leases, Log } from '../service/dhcp/store.ts'
import { type Directory, Forwarder } from '../service/dns/forwarder.ts'
import { Station } from '../service/station.ts'
import * as mac from '../wire/mac.ts'
import { cidr, ipv4, ipv4Text } from './address.ts'
import type { NetworkConfiguration, PortConfiguration } from './configuration.ts'
import type { Ends } from './end.ts'
import { leadsOutside } from './gateway.ts'
import type { Ground } from './ground.ts'
import type { Member } from './member.ts'
import * as room from './room.ts'

/** The network's ports that have a written address, by it. */
function written({ name }: NetworkConfiguration, ports: PortConfiguration[]): Map<number, string> {
  const found = new Map<number, string>()
  for (const port of ports) {
    const own = port.network === name ? cidr(port.address ?? '') : null
    if (own !== null) found.set(own.address, port.name)
  }
  return found
}

/** What the DHCP server of a network is told; null if it has none. */
function settings(network: NetworkConfiguration, taken: Iterable<number>): Settings | null {
  const { name, subnet, gateway, dhcp, dns, domain, mtu, mode, host } = network
  const address = ipv4(gateway ?? '')
  if (dhcp === null || subnet === null || address === null) return null
  const { first, last, leaseMs } = dhcp
  const own = cidr(host?.address ?? '')
  return {
    network: name,
    address,
    prefix: subnet.prefix,
    first,
    last,
    leaseMs,
    statics: new Map([...dhcp.static].map(([key, text]) => [key, ipv4(text) ?? 0])),
    excluded: [...taken, ...(own === null ? [] : [own.address])],
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
  forwarder: Forwarder | null = null
  private readonly log: Log
  private network: NetworkConfiguration
  /** ports with a written address, and who has it */
  private taken = new Map<number, string>()
  /** the gateway's address when the name server began to hear TCP, '' before */
  private heard = ''

  constructor(network: NetworkConfiguration, local: Member, ends: Ends, log: Log) {
    this.network = network
    this.incarnation = local.incarnation
    this.log = log
    const own = mac.parse(local.spec.mac!)!
    this.station = new Station(ends.of(local), { ...own, address: 0, mtu: 0 })
  }

  /** Serves as the network says now. */
  update(network: NetworkConfiguration, ports: PortConfiguration[], leases: Leases): void {
    this.network = network
    this.taken = written(network, ports)
    const { seat } = this.station
    this.station.seat = { ...seat, address: ipv4(network.gateway ?? '') ?? 0, mtu: network.mtu }
    const wanted = settings(network, this.taken.keys())
    if (wanted === null) {
      this.server?.close()
      this.server = null
    } else if (this.server === null) this.server = new Server(this.station, wanted, leases, this.log)
    else this.server.update(wanted)
    this.name(leases)
  }

  /** The name server. */
  private name(leases: Leases): void {
    const { dns, domain, subnet, gateway, name } = this.network
    if (dns === null || (this.heard !== '' && this.heard !== gateway)) {
      this.forwarder?.close()
      this.forwarder = null
      this.heard = ''
    }
    if (dns === null) return
    const { forward, names } = dns
    const range = subnet === null ? null : { address: subnet.address, prefix: subnet.prefix }
    const told = { domain, address: ipv4(gateway ?? '') ?? 0, subnet: range, forward, names }
    if (this.forwarder === null) {
      this.forwarder = new Forwarder(told, this.directory(leases, name))
      this.forwarder.serve(this.station)
    } else this.forwarder.update(told)
  }

  /** Guests by name: those with a lease, then ports with a written address. */
  private directory(leases: Leases, network: string): Directory {
    return {
      address: (hostname) => {
        const lease = leases.book(network).named(hostname)
        if (lease?.state === 'bound') return lease.address
        const port = [...this.taken].find(([, name]) => name.toLowerCase() === hostname)
        return port?.[0] ?? null
      },
      hostname: (address) => {
        const lease = leases.book(network).at(address)
        if (lease?.state === 'bound' && lease.hostname !== '') return lease.hostname
        return this.taken.get(address)?.toLowerCase() ?? null
      },
    }
  }

  /** True if the name server does not hear TCP yet. */
  get isDeaf(): boolean {
    return this.forwarder !== null && this.heard === ''
  }

  /** Lets the name server hear TCP; throws the error of a socket that cannot be opened. */
  listen(ground: Ground): void {
    const { name, gateway } = this.network
    const address = gateway ?? ''
    if (room.isServed(this.network)) room.check()
    const place = room.isServed(this.network)
      ? { netns: ground.room().path, address: room.ADDRESS, port: ground.room().renew(name) }
      : { netns: '', address, port: room.DOMAIN }
    this.forwarder?.listen(socket.open({ ...place, protocol: 'tcp' }))
    this.heard = address
  }

  /** An address for a port whose interface the switch configures, as CIDR text; null if none is left. */
  reserve(mac: string, hostname: string): string | null {
    const address = this.server?.reserve(mac, hostname) ?? null
    return address === null ? null : `${ipv4Text(address)}/${this.network.subnet?.prefix}`
  }

  close(): void {
    this.server?.close()
    this.forwarder?.close()
    this.station.close()
  }
}
