/** The host's IPv4 routes over rtnetlink(7): which interfaces lead outside, and routes into networks of the switch. */
import { native } from '../memory/native.ts'
import { ACK, attributes, big, CREATE, DUMP, EXCL, message, own, ROUTE, read32, request } from './netlink.ts'

const RTM_NEWROUTE = 24
const RTM_DELROUTE = 25
const RTM_GETROUTE = 26
const AF_INET = 2
const TABLE_MAIN = 254
const PROTOCOL_BOOT = 3
const UNICAST = 1
const RTA_DST = 1
const RTA_OIF = 4
const RTA_GATEWAY = 5
const RTA_MULTIPATH = 9
/** struct rtmsg; struct rtnexthop has its interface at 4 */
const FIXED_LENGTH = 12
const NEXTHOP_LENGTH = 8

/** A subnet: `address` is an int32. */
export interface Prefix {
  address: number
  prefix: number
}

/** A route into a network of the switch, over the link to it. */
export interface Route {
  subnet: Prefix
  /** int32 */
  via: number
}

/** Interface indices of a route: one, or those of its next hops. */
function outputs(found: Map<number, Buffer>): number[] {
  const single = found.get(RTA_OIF)
  if (single !== undefined) return [read32(single, 0)]
  const several = found.get(RTA_MULTIPATH)
  const result: number[] = []
  for (let at = 0; several !== undefined && at + NEXTHOP_LENGTH <= several.length; ) {
    result.push(read32(several, at + 4))
    const length = several.readUInt8(at) | (several.readUInt8(at + 1) << 8)
    at += Math.max(NEXTHOP_LENGTH, (length + 3) & ~3)
  }
  return result
}

/** A unicast route of any table. */
interface Entry extends Prefix {
  /** interface indices */
  through: number[]
}

function dump(): Entry[] {
  const fixed = Buffer.alloc(FIXED_LENGTH)
  fixed[0] = AF_INET
  return request(ROUTE, message(RTM_GETROUTE, DUMP, 1, fixed), 'routes')
    .filter(({ type, body }) => type === RTM_NEWROUTE && body[7] === UNICAST)
    .map(({ body }) => {
      const found = attributes(body.subarray(FIXED_LENGTH))
      return { address: found.get(RTA_DST)?.readInt32BE(0) ?? 0, prefix: body[1], through: outputs(found) }
    })
}

/** Where the host has routes to, in every table, its default routes left out. */
export function destinations(): Prefix[] {
  return dump().filter(({ prefix }) => prefix > 0)
}

/** Addresses of the world, one in each quarter: VPNs lay two routes of prefix 1 over a default route. They are looked up, never sent to. */
const WORLD = [0x01010101, 0x41000001, 0x81000001 | 0, 0xc1000001 | 0]

/** The interfaces by which the host would send to an address; none if it would not. */
function lookup(address: number): number[] {
  const fixed = Buffer.alloc(FIXED_LENGTH)
  fixed[0] = AF_INET
  fixed[1] = 32
  try {
    const answer = request(ROUTE, message(RTM_GETROUTE, ACK, 1, fixed, [[RTA_DST, big(address)]]), 'routes')
    return answer
      .filter(({ type, body }) => type === RTM_NEWROUTE && body[7] === UNICAST)
      .flatMap(({ body }) => outputs(attributes(body.subarray(FIXED_LENGTH))))
  } catch {
    return [] // ENETUNREACH, or a route that says so
  }
}

/**
 * Interfaces by which the host reaches the world, as its routing policy has it now, or, on a host that does not reach it, those of all its
 * routes. Interfaces of switches are not among them.
 */
export function egresses(): { ifname: string; ifindex: number }[] {
  const leading = WORLD.flatMap(lookup)
  const wanted = new Set(leading.length > 0 ? leading : dump().flatMap(({ through }) => through))
  return native
    .linkList('')
    .filter(
      ({ ifindex, ifname, alias }) =>
        wanted.has(ifindex) && ifname !== 'lo' && !alias.startsWith('bridgeport:'),
    )
    .map(({ ifname, ifindex }) => ({ ifname, ifindex }))
}

function change(type: number, flags: number, ifname: string, { subnet, via }: Route): void {
  const fixed = Buffer.from([AF_INET, subnet.prefix, 0, 0, TABLE_MAIN, PROTOCOL_BOOT, 0, UNICAST, 0, 0, 0, 0])
  const ifindex = native.linkGet('', ifname)?.ifindex ?? 0
  const datagram = message(type, flags | ACK, 1, fixed, [
    [RTA_DST, big(subnet.address)],
    [RTA_GATEWAY, big(via)],
    [RTA_OIF, own(ifindex)],
  ])
  request(ROUTE, datagram, `route over ${ifname}`)
}

/** Adds a route to the host's main table; throws a NativeError, EEXIST if the host has one to that subnet. */
export function add(ifname: string, route: Route): void {
  change(RTM_NEWROUTE, CREATE | EXCL, ifname, route)
}

/** Removes it; that it is gone, or its interface, is no error. */
export function remove(ifname: string, route: Route): void {
  try {
    change(RTM_DELROUTE, 0, ifname, route)
  } catch (error) {
    if (!['ESRCH', 'ENODEV'].includes((error as { code: string }).code)) throw error
  }
}
