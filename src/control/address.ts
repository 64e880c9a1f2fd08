/** Addresses as people write them in a configuration: IPv4, CIDR, MAC, and the MAC a port gets when it names none. */
import { createHash } from 'node:crypto'
import { isIPv6 } from 'node:net'

/** An address with its prefix length. `address` keeps the host bits and is an int32, as everywhere in the dataplane. */
export interface Cidr {
  text: string
  address: number
  prefix: number
}

const octet = '(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
export const ipv4Pattern = new RegExp(`^${octet}(\\.${octet}){3}$`)
export const macPattern = /^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/

/** Dotted quad to int32, or null. Leading zeros are refused: inet_aton(3) would read them as octal. */
export function ipv4(text: string): number | null {
  if (!ipv4Pattern.test(text)) return null
  return text.split('.').reduce((sum, part) => (sum << 8) | Number(part), 0)
}

/** int32 to dotted quad. */
export function ipv4Text(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`
}

/** `10.0.2.15/24`, or null. */
export function cidr(text: string): Cidr | null {
  const match = /^([\d.]+)\/(\d|[12]\d|3[0-2])$/.exec(text)
  const address = match === null ? null : ipv4(match[1])
  return match === null || address === null ? null : { text, address, prefix: Number(match[2]) }
}

/** True for an IPv6 address, with or without a prefix length. */
export function isSix(text: string): boolean {
  const [address, prefix, rest] = text.split('/')
  const length = prefix === undefined ? 0 : /^\d{1,3}$/.test(prefix) ? Number(prefix) : 129
  return rest === undefined && length <= 128 && isIPv6(address)
}

/** The netmask of a prefix length; a shift by 32 would be a shift by 0. */
export function mask(prefix: number): number {
  return prefix === 0 ? 0 : (-1 << (32 - prefix)) | 0
}

export function networkOf(range: Cidr): number {
  return range.address & mask(range.prefix)
}

export function broadcastOf(range: Cidr): number {
  return range.address | ~mask(range.prefix)
}

export function contains(range: Cidr, address: number): boolean {
  return (address & mask(range.prefix)) === networkOf(range)
}

export function overlap(a: Cidr, b: Cidr): boolean {
  return a.prefix <= b.prefix ? contains(a, b.address) : contains(b, a.address)
}

/** Lower case, as the kernel prints it. */
export function macText(text: string): string {
  return text.toLowerCase()
}

/** True when the group bit of the first octet (IEEE 802) is clear and the address is not all zero. */
export function isUnicast(mac: string): boolean {
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0 && !/^[0:]+$/.test(mac)
}

/**
 * A locally administered unicast MAC that stays the same for the same port of the same network, so that neighbours'
 * caches survive a restart of the daemon. 40 bits of SHA-256: two of 1,000 ports collide with a probability of 5e-7.
 */
export function derivedMac(network: string, port: string): string {
  const digest = createHash('sha256').update(`${network}\0${port}`).digest('hex')
  return ['02', ...(digest.slice(0, 10).match(/../g) as string[])].join(':')
}
