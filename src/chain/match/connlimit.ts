/** -m connlimit: how many flows an address or a prefix has. */
import { parseAddress, printAddress } from '../address.ts'
import { type MatchKind, SLOW, Wrong } from '../extension.ts'
import { integer, read } from '../number.ts'
import * as R from '../registers.ts'

interface Connlimit {
  /** -1 before the option */
  limit: number
  prefix: number
  above: boolean
  side: '' | 'saddr' | 'daddr'
}

/** A prefix length, or a mask of four bytes that is one. */
export function prefixLength(word: string): number {
  const length = read(word)
  if (length >= 0 && length <= 32) return length
  if (/^\d+(\.\d+){3}$/.test(word)) {
    const mask = parseAddress(word)
    const ones = Math.clz32(~mask)
    if (maskOf(ones) === mask) return ones
  }
  throw new Wrong('is neither a prefix length from 0 to 32 nor a mask that is one')
}

export function maskOf(prefix: number): number {
  return prefix === 0 ? 0 : -1 << (32 - prefix)
}

export const connlimit: MatchKind<Connlimit> = {
  name: 'connlimit',
  options: {
    '--connlimit-upto': { words: 1, negatable: true },
    '--connlimit-above': { words: 1, negatable: true },
    '--connlimit-mask': { words: 1 },
    '--connlimit-saddr': { words: 0 },
    '--connlimit-daddr': { words: 0 },
  },
  begin: () => ({ limit: -1, prefix: 32, above: false, side: '' }),
  take(data, option, words, not) {
    if (option === '--connlimit-mask') data.prefix = prefixLength(words[0])
    else if (words.length === 0) {
      if (data.side !== '') throw new Wrong('cannot stand beside the other one: source or destination', 0)
      data.side = option === '--connlimit-saddr' ? 'saddr' : 'daddr'
    } else {
      if (data.limit >= 0)
        throw new Wrong('cannot stand beside the other one: --connlimit-upto or --connlimit-above', 0)
      data.limit = integer(words[0], 0, 0xffff_ffff)
      data.above = (option === '--connlimit-above') !== not
    }
  },
  end(data) {
    if (data.limit < 0) throw new Wrong('needs --connlimit-upto or --connlimit-above', 0)
  },
  print({ limit, prefix, above, side }) {
    const sense = above ? '--connlimit-above' : '--connlimit-upto'
    return [sense, `${limit}`, '--connlimit-mask', `${prefix}`, `--connlimit-${side || 'saddr'}`]
  },
  code({ limit, prefix, above, side }, emit) {
    const destination = side === 'daddr'
    const spec = { type: 'connlimit', own: true, limit, mask: maskOf(prefix), destination, above }
    return { text: `M[${emit.matcher(spec)}].ask(x)`, nature: SLOW, drops: true }
  },
  shows: ({ prefix, side }, x) =>
    `flows of ${printAddress(x[side === 'daddr' ? R.DESTINATION : R.SOURCE] & maskOf(prefix))}/${prefix}`,
}
