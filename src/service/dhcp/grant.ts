/** What a DHCP client asks for, and what it makes of an answer that it cannot trust. */
import * as dhcp from '../../wire/dhcp.ts'
import type { Received } from '../station.ts'
import * as message from './message.ts'

/** An address on somebody's network. Addresses are int32. */
export interface Grant {
  address: number
  prefix: number
  /** 0: there is none */
  router: number
  resolvers: number[]
  domain: string
  /** 0: nothing was said */
  mtu: number
  routes: message.Route[]
  leaseMs: number
  renewMs: number
  rebindMs: number
  server: number
  /** MAC by which the server is reached */
  high: number
  low: number
}

/** RFC 2131 3.3: no end. */
const INFINITE = 0xffffffff
/** A lease shorter than this would be renewed all the time: it is taken for as long. */
const LEASE_MIN_S = 10

/** The options of a request. */
export function options(hostname: string, mtu: number): [number, Uint8Array][] {
  const wanted = [
    dhcp.NETMASK,
    dhcp.ROUTES,
    dhcp.ROUTER,
    dhcp.RESOLVERS,
    dhcp.DOMAIN,
    dhcp.MTU,
    dhcp.LEASE_TIME,
    dhcp.RENEWAL_TIME,
    dhcp.REBINDING_TIME,
  ]
  const name: [number, Uint8Array][] = hostname === '' ? [] : [[dhcp.HOSTNAME, message.ascii(hostname)]]
  return [[dhcp.LENGTH_MAX, message.uint16(mtu)], ...name, [dhcp.WANTED, Uint8Array.from(wanted)]]
}

function seconds(got: message.Message, code: number): number | null {
  const value = message.address(got, code)
  return value === null ? null : value >>> 0
}

function list(value: Uint8Array | undefined): number[] {
  if (value === undefined || value.length % 4 !== 0) return []
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  return Array.from({ length: value.length / 4 }, (_, i) => view.getInt32(4 * i))
}

/** The prefix length of a netmask; the address's class where the server names none or nonsense. */
function prefixOf(mask: number | null, address: number): number {
  const length = mask === null ? 33 : Math.clz32(~mask)
  if (mask !== null && mask === (length === 0 ? 0 : (-1 << (32 - length)) | 0)) return length
  return address >>> 31 === 0 ? 8 : address >>> 30 === 2 ? 16 : 24
}

/** True for an address that a host can have: no loopback, group or zero. */
function isHost(address: number): boolean {
  const first = address >>> 24
  return first !== 0 && first !== 127 && first < 224
}

/** What an OFFER or ACK grants; null if it names no server, no usable address or, in an ACK, no time. */
export function grant(got: message.Message, { high, low }: Received): Grant | null {
  const server = message.address(got, dhcp.SERVER)
  const time = seconds(got, dhcp.LEASE_TIME)
  if (server === null || time === null || !isHost(got.yiaddr)) return null
  const isEndless = time === INFINITE
  const lease = isEndless ? Number.POSITIVE_INFINITY : Math.max(time, LEASE_MIN_S)
  const rebind = Math.min(seconds(got, dhcp.REBINDING_TIME) ?? (lease * 7) / 8, lease)
  const renew = Math.min(seconds(got, dhcp.RENEWAL_TIME) ?? lease / 2, rebind)
  const all = message.parseRoutes(got.options.get(dhcp.ROUTES) ?? new Uint8Array()) ?? []
  // RFC 3442: the router option does not count where classless routes are given.
  const [router = 0] = list(got.options.get(dhcp.ROUTER))
  const mtu = got.options.get(dhcp.MTU)
  const domain = Buffer.from(got.options.get(dhcp.DOMAIN) ?? [])
    .toString('latin1')
    .replace(/\0+$/, '')
  return {
    address: got.yiaddr,
    prefix: prefixOf(message.address(got, dhcp.NETMASK), got.yiaddr),
    router: all.length > 0 ? (all.find((route) => route.prefix === 0)?.router ?? 0) : router,
    resolvers: list(got.options.get(dhcp.RESOLVERS)),
    domain: /^[A-Za-z0-9.-]{1,253}$/.test(domain) ? domain : '',
    mtu: mtu?.length === 2 ? (mtu[0] << 8) | mtu[1] : 0,
    routes: all.filter((route) => route.prefix !== 0),
    leaseMs: lease * 1000,
    renewMs: renew * 1000,
    rebindMs: rebind * 1000,
    server,
    high,
    low,
  }
}

/** True if a renewal changed nothing but times. */
export function same(a: Grant, b: Grant): boolean {
  const what = ({ address, prefix, router, resolvers, domain, mtu, routes }: Grant) =>
    JSON.stringify([address, prefix, router, resolvers, domain, mtu, routes])
  return what(a) === what(b)
}
