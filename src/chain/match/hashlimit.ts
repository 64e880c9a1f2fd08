/** -m hashlimit: so many packets or bytes a time for each source, destination or port. */
import { printAddress } from '../address.ts'
import * as credit from '../credit.ts'
import { type MatchKind, SLOW, Wrong } from '../extension.ts'
import * as m from '../matcher/hashlimit.ts'
import { integer } from '../number.ts'
import { parseRate, printRate } from '../rate.ts'
import * as R from '../registers.ts'
import { maskOf, prefixLength } from './connlimit.ts'
import { listName } from './recent.ts'

interface Hashlimit {
  above: boolean
  /** packets: microseconds from one to the next; bytes: credits a chunk of 16; 0 before the option */
  average: number
  bytes: boolean
  /** of the unit that the rate was written with */
  seconds: number
  /** as written, packets or bytes; 0: not said */
  burst: number
  mode: number
  name: string
  /** 0: not said */
  size: number
  max: number
  gcinterval: number
  expire: number
  sourcePrefix: number
  destinationPrefix: number
  rateMatch: boolean
  /** seconds, 0: not said */
  interval: number
}

const GCINTERVAL = 1000
const BURST = 5
const BURST_MAX = 1_000_000
/** seconds after which an idle address is forgotten that is limited by bytes, without and with a burst */
const EXPIRE_BYTES = 15
const EXPIRE_BURST = 60
/** buckets that the kernel gives a table on a machine of more than 1 GiB, and their addresses by eight */
const SIZE = 8192
/** More buckets are not given, nor addresses: the kernel cuts the numbers down when it takes the rule. */
const NAME_MAX = 254

/** In the order in which they are printed. */
const MODES: [string, number][] = [
  ['srcip', m.BY_SOURCE],
  ['srcport', m.BY_SOURCE_PORT],
  ['dstip', m.BY_DESTINATION],
  ['dstport', m.BY_DESTINATION_PORT],
]

export const hashlimit: MatchKind<Hashlimit> = {
  name: 'hashlimit',
  options: {
    '--hashlimit-upto': { words: 1, negatable: true },
    '--hashlimit-above': { words: 1, negatable: true },
    '--hashlimit': '--hashlimit-upto',
    '--hashlimit-srcmask': { words: 1 },
    '--hashlimit-dstmask': { words: 1 },
    '--hashlimit-burst': { words: 1 },
    '--hashlimit-htable-size': { words: 1 },
    '--hashlimit-htable-max': { words: 1 },
    '--hashlimit-htable-gcinterval': { words: 1 },
    '--hashlimit-htable-expire': { words: 1 },
    '--hashlimit-mode': { words: 1 },
    '--hashlimit-name': { words: 1 },
    '--hashlimit-rate-match': { words: 0 },
    '--hashlimit-rate-interval': { words: 1 },
  },
  begin: () => ({
    ...{ above: false, average: 0, bytes: false, seconds: 1, burst: 0, mode: 0, name: '', size: 0, max: 0 },
    ...{ gcinterval: GCINTERVAL, expire: 0, sourcePrefix: 32, destinationPrefix: 32 },
    ...{ rateMatch: false, interval: 0 },
  }),
  take(data, option, words, not) {
    const [word] = words
    if (option === '--hashlimit-upto' || option === '--hashlimit-above') {
      if (data.average > 0) throw new Wrong('cannot stand beside the other one: upto or above', 0)
      data.above = (option === '--hashlimit-above') !== not
      takeRate(data, word)
    } else if (option === '--hashlimit-srcmask') data.sourcePrefix = prefixLength(word)
    else if (option === '--hashlimit-dstmask') data.destinationPrefix = prefixLength(word)
    else if (option === '--hashlimit-burst') data.burst = burst(word)
    else if (option === '--hashlimit-mode') data.mode |= modes(word)
    else if (option === '--hashlimit-name') data.name = listName(word, NAME_MAX)
    else if (option === '--hashlimit-rate-match') data.rateMatch = true
    else if (option === '--hashlimit-rate-interval') data.interval = integer(word, 1, 0x7fff_ffff)
    else if (option === '--hashlimit-htable-size')
      data.size = Math.min(integer(word, 0, 0xffff_ffff), m.CAPACITY_MAX)
    else if (option === '--hashlimit-htable-max')
      data.max = Math.min(integer(word, 0, 0xffff_ffff), m.CAPACITY_MAX)
    else if (option === '--hashlimit-htable-gcinterval') data.gcinterval = integer(word, 1, 0xffff_ffff)
    else data.expire = integer(word, 1, 0xffff_ffff)
  },
  end,
  print(data) {
    const words = [data.above ? '--hashlimit-above' : '--hashlimit-upto']
    const usual = data.bytes ? printBytes(words, data) : printPackets(words, data)
    const named = MODES.filter(([, bit]) => (data.mode & bit) !== 0)
    if (named.length > 0) words.push('--hashlimit-mode', named.map(([name]) => name).join(','))
    words.push('--hashlimit-name', data.name)
    if (data.size !== 0) words.push('--hashlimit-htable-size', `${data.size}`)
    if (data.max !== 0) words.push('--hashlimit-htable-max', `${data.max}`)
    if (data.gcinterval !== GCINTERVAL) words.push('--hashlimit-htable-gcinterval', `${data.gcinterval}`)
    if (data.expire !== usual) words.push('--hashlimit-htable-expire', `${data.expire}`)
    if (data.sourcePrefix !== 32) words.push('--hashlimit-srcmask', `${data.sourcePrefix}`)
    if (data.destinationPrefix !== 32) words.push('--hashlimit-dstmask', `${data.destinationPrefix}`)
    if (data.rateMatch) words.push('--hashlimit-rate-match')
    if (data.rateMatch && data.interval !== 1) words.push('--hashlimit-rate-interval', `${data.interval}`)
    return words
  },
  code(data, emit) {
    const spec = {
      type: 'hashlimit',
      own: true,
      name: data.name,
      settings: settings(data),
      above: data.above,
    }
    return { text: `M[${emit.matcher(spec)}].ask(x)`, nature: SLOW, drops: true }
  },
  shows({ mode, sourcePrefix, destinationPrefix }, x) {
    const parts: string[] = []
    if ((mode & m.BY_SOURCE) !== 0) parts.push(`source ${printAddress(x[R.SOURCE] & maskOf(sourcePrefix))}`)
    if ((mode & m.BY_SOURCE_PORT) !== 0) parts.push(`sport ${x[R.PORTS] >>> 16}`)
    if ((mode & m.BY_DESTINATION) !== 0)
      parts.push(`destination ${printAddress(x[R.DESTINATION] & maskOf(destinationPrefix))}`)
    if ((mode & m.BY_DESTINATION_PORT) !== 0) parts.push(`dport ${x[R.PORTS] & 0xffff}`)
    return `the rate of ${parts.join(' ') || 'all'}`
  },
}

function end(data: Hashlimit): void {
  const { bytes, seconds, expire } = data
  if (data.average === 0) throw new Wrong('needs --hashlimit-upto or --hashlimit-above', 0)
  if (data.name === '') throw new Wrong('needs --hashlimit-name', 0)
  if (expire === 0) data.expire = 1000 * (bytes ? (data.burst > 0 ? EXPIRE_BURST : EXPIRE_BYTES) : seconds)
  if (bytes) {
    const second = credit.bytesOf(data.average)
    if (data.burst > 0 && data.burst < second)
      throw new Wrong(`has a burst of less than a second's ${second} bytes`, 0)
    // From here on: how many seconds' worth.
    if (data.burst > 0) data.burst = Math.ceil(data.burst / second)
  } else {
    if (data.burst > BURST_MAX) throw new Wrong(`has a burst above ${BURST_MAX} packets`, 0)
    if (data.burst === 0) data.burst = BURST
  }
  if (data.rateMatch) {
    if (!bytes) data.average = Math.floor(data.average / seconds)
    if (data.interval === 0) data.interval = bytes ? 1 : seconds
    if (data.average === 0) throw new Wrong('is too fast for --hashlimit-rate-match', 0)
  } else if (!bytes && credit.overflows(data.average, data.burst)) {
    throw new Wrong('is too slow for such a burst: their product overflows in the kernel', 0)
  }
}

/** number[/unit], or number[k|m]b/s */
function takeRate(data: Hashlimit, word: string): void {
  const found = /^(\d+)([km]?)b\/s$/.exec(word)
  if (!found) {
    const { period, seconds } = parseRate(word, credit.MICROSECONDS)
    Object.assign(data, { average: period, seconds, bytes: false })
    return
  }
  const bytes = Number(found[1]) * factor(found[2])
  // iptables takes less and prints 0b/s then, which it does not take back.
  if (bytes < 16) throw new Wrong('is too slow: at least 16b/s')
  data.average = bytes / 16 < 0xffff_ffff ? credit.costOf(bytes) : 0
  if (data.average < 2) throw new Wrong('is too fast: less than 32 GiB a second')
  data.bytes = true
}

function factor(unit: string): number {
  return unit === 'm' ? 2 ** 20 : unit === 'k' ? 2 ** 10 : 1
}

/** Packets, or bytes with k or m. */
function burst(word: string): number {
  const found = /^(\d+)([km]?)b?$/.exec(word)
  const value = found ? Number(found[1]) * factor(found[2]) : 0
  if (!(value > 0 && value < 2 ** 53)) throw new Wrong('is no burst: packets from 1 on, or bytes with k or m')
  return value
}

function modes(word: string): number {
  let mode = 0
  for (const name of word.split(/[,|]/).filter(Boolean)) {
    const found = MODES.find(([each]) => each === name)
    if (!found) throw new Wrong(`has ${name}, which is none of srcip, srcport, dstip, dstport`)
    mode |= found[1]
  }
  return mode
}

/** Appends the rate; returns after how many milliseconds idle addresses go that are limited so. */
function printPackets(words: string[], { average, burst }: Hashlimit): number {
  const { text, seconds } = printRate(average, credit.MICROSECONDS)
  words.push(text, '--hashlimit-burst', `${burst}`)
  return seconds * 1000
}

function printBytes(words: string[], { average, burst }: Hashlimit): number {
  words.push(`${credit.printBytes(average)}b/s`)
  if (burst === 0) return EXPIRE_BYTES * 1000
  words.push('--hashlimit-burst', `${credit.printSize(credit.bytesOf(average) * burst)}b`)
  return EXPIRE_BURST * 1000
}

function settings(data: Hashlimit): m.HashlimitSpec['settings'] {
  const { average, burst, bytes, rateMatch, mode } = data
  const size = Math.min(data.size || SIZE, m.CAPACITY_MAX)
  const capacity = Math.min(data.max === 0 ? 8 * size : Math.max(data.max, size), m.CAPACITY_MAX)
  const rate = bytes ? credit.bytesOf(average) : Math.floor(credit.MICROSECONDS / average)
  const peak = bytes ? Math.max(burst, 1) * rate : burst + rate
  return {
    ...{ mode, sourceMask: maskOf(data.sourcePrefix), destinationMask: maskOf(data.destinationPrefix) },
    ...{ bytes, rateMatch, average, burst, rate, peak, interval: data.interval * 1000, capacity },
    ...{ expire: data.expire, gcinterval: data.gcinterval },
  }
}
