/** Elements of sets: what stands behind `add NAME`, `del NAME` and `test NAME`, as ipset 7.17 reads and prints it. */
import { keyOf, maskOf } from '../table/entry.ts'
import { CAPACITY_MAX } from '../table/shape.ts'
import { printAddress } from './address.ts'
import type { Creation } from './creation.ts'
import { parseRange, TIMEOUT_MAX } from './creation.ts'
import { Wrong } from './extension.ts'
import { integer } from './number.ts'
import { ICMP, parseProtocol, printProtocol, SCTP, TCP, UDP, UDPLITE } from './protocol.ts'

export interface Element {
  /** addresses, unsigned, both ends within; 0 where the set keeps none */
  from: number
  to: number
  /** as written behind `/`, null where it was not */
  prefix: number | null
  protocol: number
  first: number
  last: number
  /** of list:set */
  member: string
  /** a member that it comes before or after */
  beside: { name: string; before: boolean } | null
  nomatch: boolean
  /** seconds, null for the set's own */
  timeout: number | null
}

/** ICMP's types and codes by ipset's names. */
const ICMP_NAMES = new Map(
  `echo-reply 0/0 network-unreachable 3/0 host-unreachable 3/1 protocol-unreachable 3/2 port-unreachable 3/3 fragmentation-needed 3/4
source-route-failed 3/5 network-unknown 3/6 host-unknown 3/7 network-prohibited 3/9 host-prohibited 3/10 TOS-network-unreachable 3/11
TOS-host-unreachable 3/12 communication-prohibited 3/13 host-precedence-violation 3/14 precedence-cutoff 3/15 source-quench 4/0
network-redirect 5/0 host-redirect 5/1 TOS-network-redirect 5/2 TOS-host-redirect 5/3 echo-request 8/0 router-advertisement 9/0
router-solicitation 10/0 ttl-zero-during-transit 11/0 ttl-zero-during-reassembly 11/1 ip-header-bad 12/0 required-option-missing 12/1
timestamp-request 13/0 timestamp-reply 14/0 address-mask-request 17/0 address-mask-reply 18/0`
    .split(/\s+/)
    .flatMap((word, i, all) => (i % 2 === 0 ? [[word, all[i + 1]] as const] : [])),
)
const ICMP_TEXTS = new Map([...ICMP_NAMES].map(([name, number]) => [number, name]))
const ICMP_ALIASES: Record<string, string> = { ping: '8/0', pong: '0/0' }

/** Options of an element: `words` begins with the element itself. Throws Wrong with the position among `words`. */
export function parseElement(made: Creation, words: string[]): Element {
  const element = at(0, () => parse(made, words[0]))
  for (let i = 1; i < words.length; i++) {
    const option = words[i].replace(/^--/, '')
    const isNet = made.type === 'hash:net' || made.type === 'hash:net,port'
    if (option === 'nomatch' && isNet) {
      element.nomatch = true
      continue
    }
    const value = words[i + 1]
    const isPlace = (option === 'before' || option === 'after') && made.type === 'list:set'
    if (!isPlace && option !== 'timeout') throw new Wrong(`is no option of an element of ${made.type}`, i)
    if (value === undefined) throw new Wrong('stands where a value is missing', i)
    if (isPlace) element.beside = { name: value, before: option === 'before' }
    else if (made.timeout === null) throw new Wrong('needs a set that was created with timeout', i)
    else element.timeout = at(i + 1, () => integer(value, 0, TIMEOUT_MAX))
    i++
  }
  return element
}

function at<T>(word: number, act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw new Wrong((error as Error).message, word)
  }
}

function parse(made: Creation, text: string): Element {
  const element: Element = {
    ...{ from: 0, to: 0, prefix: null, protocol: 0, first: 0, last: 0 },
    ...{ member: '', beside: null, nomatch: false, timeout: null },
  }
  const { type } = made
  if (type === 'list:set') return { ...element, member: text }
  if (type === 'bitmap:port') {
    ports(element, text)
    if (element.protocol !== TCP && element.protocol !== UDP) throw new Wrong('is no port of tcp or udp')
    element.protocol = 0
    if (element.first < made.first || element.last > made.last)
      throw new Wrong(`is out of the set's range ${made.first}-${made.last}`)
    return element
  }
  const [host, port, more] = text.split(',')
  const wanted = type.endsWith('port') ? 2 : 1
  if (more !== undefined || (port === undefined) !== (wanted === 1))
    throw new Wrong(`has not ${wanted === 1 ? 'one part' : 'two parts'}, as elements of ${type} have`)
  addresses(element, made, host)
  if (port !== undefined) ports(element, port)
  const { from, to, first, last } = element
  const hosts = type.startsWith('hash:net') ? 1 : (to - from + 1) / 2 ** (32 - made.netmask)
  if (hosts * (last - first + 1) > CAPACITY_MAX)
    throw new Wrong(`stands for more than ${CAPACITY_MAX} entries`)
  return element
}

/** Four decimal bytes, unsigned. ipset also reads fewer, and octal ones: what is meant by those nobody knows. */
function parseAddress(text: string): number {
  if (
    !/^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/.test(text) ||
    text.split('.').some((byte) => Number(byte) > 255)
  )
    throw new Wrong('is no IPv4 address (names of hosts are not looked up)')
  return text.split('.').reduce((word, byte) => word * 256 + Number(byte), 0)
}

function addresses(element: Element, made: Creation, text: string): void {
  const isNet = made.type.startsWith('hash:net')
  const dash = text.indexOf('-')
  const slash = text.indexOf('/')
  if (slash >= 0) {
    const prefix = /^\d+$/.test(text.slice(slash + 1)) ? Number(text.slice(slash + 1)) : Number.NaN
    if (!(prefix >= 1 && prefix <= 32)) throw new Wrong('has no prefix length from 1 to 32')
    element.prefix = prefix
    element.from = (parseAddress(text.slice(0, slash)) & maskOf(prefix)) >>> 0
    element.to = (element.from | ~maskOf(prefix)) >>> 0
  } else if (dash >= 0) {
    const ends = [text.slice(0, dash), text.slice(dash + 1)].map((end) => parseAddress(end))
    element.from = Math.min(...ends)
    element.to = Math.max(...ends)
  } else element.from = element.to = parseAddress(text)
  if (isNet && element.to - element.from === 0xffff_ffff) throw new Wrong('is the whole address space')
  if (!isNet && (element.from & maskOf(made.netmask)) === 0)
    throw new Wrong('is the null address, which cannot be an element')
}

function ports(element: Element, text: string): void {
  const colon = text.indexOf(':')
  element.protocol = colon < 0 ? TCP : protocol(text.slice(0, colon))
  const rest = text.slice(colon + 1)
  if (element.protocol === ICMP) element.first = element.last = icmp(rest)
  else if ([TCP, UDP, SCTP, UDPLITE].includes(element.protocol))
    [element.first, element.last] = parseRange(rest)
  else if (rest !== '0')
    throw new Wrong(`has a port, where ${printProtocol(element.protocol)} has none but 0 in a set`)
}

function protocol(text: string): number {
  if (['all', 'ip', 'icmpv6', 'ipv6-icmp'].includes(text)) throw new Wrong('has no protocol of sets')
  const number = parseProtocol(text)
  if (number === 0 && text !== 'hopopt') throw new Wrong('has no protocol of sets')
  if (number === 58) throw new Wrong('has ICMPv6, which is not available here')
  return number
}

function icmp(text: string): number {
  const [type, code] = (ICMP_NAMES.get(text) ?? ICMP_ALIASES[text] ?? text).split('/')
  if (!/^\d{1,3}$/.test(type) || !/^\d{1,3}$/.test(code ?? '') || Number(type) > 255 || Number(code) > 255)
    throw new Wrong('has no ICMP type/code')
  return (Number(type) << 8) | Number(code)
}

/** An address and a key of table/set.ts. */
export interface Entry {
  address: number
  key: number
}

/** Every entry that an element stands for, ranges and prefixes resolved; none for list:set. */
export function* entries(made: Creation, element: Element): Generator<Entry> {
  const { type } = made
  if (type === 'list:set') return
  for (const { address, prefix } of type.startsWith('hash:net') ? networks(element) : hosts(made, element))
    for (let port = element.first; port <= element.last; port++)
      yield { address: address | 0, key: keyOf(prefix, port, element.protocol) }
}

function* hosts({ netmask }: Creation, { from, to }: Element) {
  const step = 2 ** (32 - netmask)
  for (let address = (from & maskOf(netmask)) >>> 0; address <= to; address += step)
    yield { address, prefix: 32 }
}

/** The fewest networks that make up the range. */
function* networks({ from, to, prefix }: Element) {
  if (prefix !== null) {
    yield { address: from, prefix }
    return
  }
  for (let address = from; address <= to; ) {
    let length = address === 0 ? 1 : 32 - Math.min(31, 31 - Math.clz32(address & -address))
    while (address + 2 ** (32 - length) - 1 > to) length++
    yield { address, prefix: length }
    address += 2 ** (32 - length)
  }
}

/** An entry as it is in a set. */
export interface Present extends Entry {
  nomatch: boolean
  /** seconds left, 0 for good; null where the set has no timeouts */
  timeout: number | null
}

/** What `ipset save` has behind `add NAME`, options apart. */
export function printEntry(made: Creation, { address, key }: Entry): string {
  const port = key >>> 16
  if (made.type === 'bitmap:port') return String(port)
  const prefix = (key >>> 2) & 63
  const host = `${printAddress(address)}${prefix === 32 ? '' : `/${prefix}`}`
  if (!made.type.endsWith(',port')) return host
  const protocol = (key >>> 8) & 255
  const text = `${port >>> 8}/${port & 255}`
  return `${host},${printProtocol(protocol)}:${protocol === ICMP ? (ICMP_TEXTS.get(text) ?? text) : port}`
}

export function printPresent(made: Creation, entry: Present): string {
  const late = entry.timeout === null ? '' : ` timeout ${entry.timeout}`
  return `${printEntry(made, entry)}${late}${entry.nomatch ? ' nomatch' : ''}`
}
