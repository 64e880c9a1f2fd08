/** What a server tells its clients: the options of a lease, in the order in which the client asked for them (RFC 2131 4.3.1). */
import * as dhcp from '../../wire/dhcp.ts'
import * as message from './message.ts'

/** What a network's DHCP server is told. Addresses are int32. */
export interface Settings {
  network: string
  /** the server's own, which is the gateway's */
  address: number
  prefix: number
  first: number
  last: number
  leaseMs: number
  /** MAC in lower case → address */
  statics: ReadonlyMap<string, number>
  /** addresses of the range that somebody has already: ports, the host */
  excluded: readonly number[]
  /** 0: clients get no default route */
  router: number
  resolvers: readonly number[]
  domain: string
  mtu: number
  /** beside the default route */
  routes: readonly message.Route[]
}

/** Sent to a client that names no options: what RFC 951's clients expect. */
const USUAL = [
  dhcp.NETMASK,
  dhcp.ROUTER,
  dhcp.RESOLVERS,
  dhcp.HOSTNAME,
  dhcp.DOMAIN,
  dhcp.MTU,
  dhcp.BROADCAST_ADDRESS,
]
/** IPv4 and UDP header of the packet that carries the message */
const HEADERS = 28
/** RFC 2131 3.3: no end */
const INFINITE = 0xffffffff

export class Menu {
  private readonly settings: Settings
  private readonly dishes: Map<number, Uint8Array>

  constructor(settings: Settings) {
    const { prefix, address, router, resolvers, domain, mtu, routes } = settings
    const mask = prefix === 0 ? 0 : (-1 << (32 - prefix)) | 0
    const isDomain = domain !== ''
    // RFC 3442: who takes classless routes ignores the router option, so the default route is one of them.
    const all = [...routes, ...(router === 0 ? [] : [{ network: 0, prefix: 0, router }])]
    const offered: [number, Uint8Array, boolean][] = [
      [dhcp.NETMASK, message.int32(mask), true],
      [dhcp.ROUTER, message.int32(router), router !== 0],
      [dhcp.RESOLVERS, message.int32(...resolvers), resolvers.length > 0],
      [dhcp.DOMAIN, message.ascii(domain), isDomain],
      [dhcp.MTU, message.uint16(mtu), mtu >= 68],
      [dhcp.BROADCAST_ADDRESS, message.int32(address | ~mask), true],
      [dhcp.SEARCH, message.names([domain]), isDomain],
      [dhcp.ROUTES, message.routes(all), all.length > 0],
    ]
    this.settings = settings
    this.dishes = new Map(offered.filter(([, , isThere]) => isThere).map(([code, value]) => [code, value]))
  }

  /** Options of an offer or a confirmation: times first, they must not be left out. */
  lease(asked: message.Message, leaseMs: number, hostname: string): Map<number, Uint8Array> {
    const seconds = Math.min(Math.ceil(leaseMs / 1000), INFINITE)
    const options = new Map([
      [dhcp.SERVER, message.int32(this.settings.address)],
      [dhcp.LEASE_TIME, message.int32(seconds)],
      // RFC 2131 4.4.5: half of the lease, and seven eighths of it.
      [dhcp.RENEWAL_TIME, message.int32(Math.floor(seconds / 2))],
      [dhcp.REBINDING_TIME, message.int32(Math.floor((seconds * 7) / 8))],
    ])
    return new Map([...options, ...this.common(asked, hostname)])
  }

  /** Options that do not depend on a lease. */
  common(asked: message.Message, hostname: string): Map<number, Uint8Array> {
    const wanted = asked.options.get(dhcp.WANTED) ?? USUAL
    const options = new Map([[dhcp.SERVER, message.int32(this.settings.address)]])
    // RFC 2132 3.3: the mask stands before the router.
    for (const code of [dhcp.NETMASK, ...wanted]) {
      const value =
        code === dhcp.HOSTNAME && hostname !== '' ? message.ascii(hostname) : this.dishes.get(code)
      if (value !== undefined) options.set(code, value)
    }
    return this.echo(asked, options)
  }

  /** RFC 2131 table 3: a refusal holds nothing but who says it, and why. */
  refusal(asked: message.Message, why: string): Map<number, Uint8Array> {
    const server: [number, Uint8Array] = [dhcp.SERVER, message.int32(this.settings.address)]
    return this.echo(asked, new Map([server, [dhcp.TEXT, message.ascii(why)]]))
  }

  /** RFC 3046 2.2 and RFC 6842: what the relay and the client wrote for themselves comes back. */
  private echo(asked: message.Message, options: Map<number, Uint8Array>): Map<number, Uint8Array> {
    for (const code of [dhcp.CLIENT, dhcp.RELAY]) {
      const value = asked.options.get(code)
      if (value !== undefined && (code !== dhcp.RELAY || asked.giaddr !== 0)) options.set(code, value)
    }
    return options
  }

  /** The longest message that the client takes and the network carries, in bytes. */
  room(asked: message.Message): number {
    const value = asked.options.get(dhcp.LENGTH_MAX)
    const wanted = value?.length === 2 ? (value[0] << 8) | value[1] : dhcp.PACKET_MIN
    return Math.min(Math.max(wanted, dhcp.PACKET_MIN), Math.max(this.settings.mtu, dhcp.PACKET_MIN)) - HEADERS
  }
}
