/** What a set is made as: type and options of `create`, as ipset 7.17 reads and prints them. */
import { Wrong } from './extension.ts'
import { integer, read } from './number.ts'
import { parsePort } from './protocol.ts'

export const SET_TYPES = [
  'hash:ip',
  'hash:net',
  'hash:ip,port',
  'hash:net,port',
  'bitmap:port',
  'list:set',
] as const
export type SetType = (typeof SET_TYPES)[number]

/** Names that ipset 4 had for the types. */
const OLD: Record<string, SetType> = {
  iphash: 'hash:ip',
  nethash: 'hash:net',
  ipporthash: 'hash:ip,port',
  portmap: 'bitmap:port',
  setlist: 'list:set',
}

export interface Creation {
  name: string
  type: SetType
  /** of hash types: no more than hints here, kept because they are printed */
  hashsize: number
  bucketsize: number
  /** null: chosen when the set is made */
  initval: number | null
  /** the most entries; of list:set `size` */
  maxelem: number
  /** bits of an address that count, 32 all */
  netmask: number
  /** seconds after which entries go unless they say otherwise, 0 never; null: they cannot */
  timeout: number | null
  /** of bitmap:port */
  first: number
  last: number
}

export const TIMEOUT_MAX = 2_147_483
const UINT = 0xffff_ffff
/** Words of ipset that mean something this switch does not do. */
const REFUSED = ['counters', 'comment', 'skbinfo', 'forceadd', 'bitmask', 'markmask']
/** Words that ipset reads and does nothing with. */
const IDLE = ['probes', 'resize', 'gc']

export function parseSetType(text: string): SetType {
  const found = OLD[text] ?? SET_TYPES.find((type) => type === text.toLowerCase())
  if (found === undefined) throw new Wrong(`is no type of set here (${SET_TYPES.join(', ')})`, 0)
  return found
}

/** A name of at most 31 bytes without blanks. */
export function checkName(name: string): string {
  if (name === '' || /[\s"'\\]/.test(name)) throw new Wrong('is no name of a set', 0)
  if (Buffer.byteLength(name) > 31) throw new Wrong('is longer than 31 bytes', 0)
  return name
}

/** The options behind NAME and TYPE; throws Wrong with the position of the wrong one among `words`. */
export function parseCreation(name: string, type: SetType, words: string[]): Creation {
  const isHash = type.startsWith('hash:')
  const maxelem = type === 'list:set' ? 8 : 65_536
  const made: Creation = {
    ...{ name, type, hashsize: 1024, bucketsize: 12, initval: null, maxelem, netmask: 32, timeout: null },
    ...{ first: -1, last: -1 },
  }
  const cut = type.startsWith('hash:ip') ? ['netmask'] : []
  const options = isHash ? [...HASH, ...cut] : type === 'list:set' ? ['size'] : BITMAP
  for (let at = 0; at < words.length; at += 2) {
    const option = words[at].replace(/^--/, '')
    const value = words[at + 1]
    if (REFUSED.includes(option) || (option === 'family' && value === 'inet6'))
      throw new Wrong('is not available here', option === 'family' ? at + 1 : at)
    const isKnown = option === 'timeout' || options.includes(option)
    if (!isKnown && !IDLE.includes(option)) throw new Wrong(`is no option of ${type}`, at)
    if (value === undefined) throw new Wrong('stands where a value is missing', at)
    try {
      take(made, option, value)
    } catch (error) {
      throw new Wrong((error as Error).message, at + 1)
    }
  }
  if (type === 'bitmap:port' && made.first < 0) throw new Wrong('has no range', -1)
  return made
}

const HASH = ['family', 'hashsize', 'maxelem', 'bucketsize', 'initval']
const BITMAP = ['range', 'from', 'to']

function take(made: Creation, option: string, value: string): void {
  if (option === 'timeout') made.timeout = integer(value, 0, TIMEOUT_MAX)
  else if (option === 'hashsize') made.hashsize = rounded(integer(value, 0, UINT), 2 ** 30)
  else if (option === 'bucketsize') {
    const even = Math.ceil(integer(value, 0, 255) / 2) * 2
    made.bucketsize = Math.min(12, Math.max(2, even))
  } else if (option === 'initval') made.initval = integer(value, 0, UINT)
  else if (option === 'maxelem') made.maxelem = integer(value, 0, UINT)
  else if (option === 'size') made.maxelem = Math.max(4, integer(value, 0, 65_536))
  else if (option === 'netmask') made.netmask = integer(value, 1, 32)
  else if (option === 'family') {
    if (value !== 'inet' && value !== '-4') throw new Wrong('is no family')
  } else if (option === 'range') [made.first, made.last] = parseRange(value)
  else if (option === 'from') made.first = parsePort(value)
  else if (option === 'to') made.last = parsePort(value)
}

/** The power of two that ipset makes of a hash size. */
function rounded(size: number, most: number): number {
  if (size > most) throw new Wrong(`is not a number from 0 to ${most}`)
  return Math.max(64, 2 ** Math.ceil(Math.log2(Math.max(1, size))))
}

/** `port[-port]`, numbers or names, which may have a `-` of their own; the smaller one comes first. */
export function parseRange(text: string): [number, number] {
  for (let dash = text.indexOf('-'); dash >= 0; dash = text.indexOf('-', dash + 1)) {
    const [low, high] = [port(text.slice(0, dash)), port(text.slice(dash + 1))]
    if (low >= 0 && high >= 0) return low < high ? [low, high] : [high, low]
  }
  const one = port(text)
  if (one < 0) throw new Wrong('is no port, or range of ports, from 0 to 65535')
  return [one, one]
}

function port(text: string): number {
  if (/^\d/.test(text)) {
    const value = read(text)
    return value <= 65_535 ? value : -1
  }
  try {
    return parsePort(text)
  } catch {
    return -1
  }
}

/** The line of `ipset save`. */
export function printCreation(made: Creation): string {
  const { name, type, timeout, netmask, maxelem, first, last } = made
  const words = ['create', name, type]
  const late = timeout === null ? [] : ['timeout', timeout]
  if (type === 'list:set') return [...words, 'size', maxelem, ...late].join(' ')
  if (type === 'bitmap:port') return [...words, 'range', `${first}-${last}`, ...late].join(' ')
  const cut = netmask === 32 ? [] : ['netmask', netmask]
  const seed = `0x${(made.initval ?? 0).toString(16).padStart(8, '0')}`
  const sizes = ['hashsize', made.hashsize, 'maxelem', maxelem]
  const [before, behind] = type === 'hash:ip' ? [cut, []] : [[], cut]
  return [
    ...[...words, 'family', 'inet', ...sizes, ...before, ...late],
    ...['bucketsize', made.bucketsize, 'initval', seed, ...behind],
  ].join(' ')
}

/** Whether `create -exist` takes the one for the other, as the kernel compares them. */
export function isAlike(a: Creation, b: Creation): boolean {
  const of = ({ type, maxelem, netmask, timeout, first, last }: Creation) =>
    [type, maxelem, netmask, timeout, first, last].join(' ')
  return of(a) === of(b)
}
