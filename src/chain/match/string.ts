/** -m string: bytes anywhere in the packet. */
import { type MatchKind, SLOW, Wrong } from '../extension.ts'
import { integer } from '../number.ts'
import * as R from '../registers.ts'
import { negation } from './ip.ts'

interface Text {
  algorithm: '' | 'bm' | 'kmp'
  from: number
  to: number
  ignoresCase: boolean
  not: boolean
  /** null before the option */
  pattern: number[] | null
}

const LENGTH_MAX = 128
const OFFSET_MAX = 0xffff
/** Bytes that are searched while a rule is asked. */
const BYTES_A_RULE = 16
const QUOTE = 0x22
const SPACE = 0x20
const BACKSLASH = 0x5c
const BAR = 0x7c

export const string: MatchKind<Text> = {
  name: 'string',
  options: {
    '--from': { words: 1 },
    '--to': { words: 1 },
    '--algo': { words: 1 },
    '--icase': { words: 0 },
    '--string': { words: 1, negatable: true },
    '--hex-string': { words: 1, negatable: true },
  },
  begin: () => ({ algorithm: '', from: 0, to: OFFSET_MAX, ignoresCase: false, not: false, pattern: null }),
  take(data, option, words, not) {
    const [word] = words
    if (option === '--from') data.from = integer(word, 0, OFFSET_MAX)
    else if (option === '--to') data.to = integer(word, 0, OFFSET_MAX)
    else if (option === '--icase') data.ignoresCase = true
    else if (option === '--algo') {
      if (word !== 'bm' && word !== 'kmp') throw new Wrong('is no algorithm: bm or kmp')
      data.algorithm = word
    } else {
      if (data.pattern) throw new Wrong('cannot stand beside the other one: --string or --hex-string', 0)
      data.pattern = option === '--string' ? [...Buffer.from(word)] : fromHex([...Buffer.from(word)])
      data.not = not
      if (data.pattern.length > LENGTH_MAX) throw new Wrong(`is longer than ${LENGTH_MAX} bytes`)
      if (data.pattern.length === 0) throw new Wrong('is empty')
    }
  },
  end({ algorithm, pattern, from, to }) {
    if (algorithm === '') throw new Wrong('needs --algo bm or --algo kmp', 0)
    if (!pattern) throw new Wrong('needs --string or --hex-string', 0)
    if (from > to) throw new Wrong(`begins at ${from}, behind where it ends, ${to}`, 0)
  },
  effort: ({ from, to }) => Math.ceil((to - from) / BYTES_A_RULE),
  print({ algorithm, from, to, ignoresCase, not, pattern }) {
    const words = [...negation(not), ...printed(pattern ?? []), '--algo', algorithm]
    if (from !== 0) words.push('--from', `${from}`)
    if (to !== OFFSET_MAX) words.push('--to', `${to}`)
    return ignoresCase ? [...words, '--icase'] : words
  },
  code({ from, to, ignoresCase, not, pattern }, emit) {
    const k = emit.matcher({ type: 'string', pattern, from, to, ignoresCase, inverted: not })
    return { text: `M[${k}].ask(x)`, nature: SLOW }
  },
  shows: (_data, x) => `${x[R.END] - x[R.NETWORK]} bytes, headers included`,
}

/** Always in quotes; as hex where a byte is none that can be printed, or the last would take the quote away. */
function printed(pattern: number[]): string[] {
  const plain = pattern.every((byte) => byte >= 0x20 && byte < 0x7f) && pattern.at(-1) !== BACKSLASH
  if (!plain) return ['--hex-string', `"|${Buffer.from(pattern).toString('hex')}|"`]
  const text = pattern.map(
    (byte) => (byte === QUOTE || byte === BACKSLASH ? '\\' : '') + String.fromCharCode(byte),
  )
  return ['--string', `"${text.join('')}"`]
}

/**
 * Bytes as they are, `\` taking the next one as it is, and between bars pairs of hex digits with at most a space behind each. What
 * follows a closing bar is taken as it is, whatever it is, and a bar at the very end means nothing: so iptables reads it.
 */
function fromHex(text: number[]): number[] {
  const bytes: number[] = []
  let inside = false
  let at = 0
  while (at < text.length) {
    const escaped = text[at] === BACKSLASH && !inside
    if (escaped) at++
    else if (text[at] === BAR) {
      inside = !inside
      at++
      while (inside && text[at] === SPACE) at++
      if (at === text.length) return bytes
    }
    if (inside) {
      const digits = String.fromCharCode(...text.slice(at, at + 2))
      if (!/^[0-9a-fA-F]{2}$/.test(digits)) throw new Wrong(`has ${digits} where two hex digits should be`)
      bytes.push(Number.parseInt(digits, 16))
      at += text[at + 2] === SPACE ? 3 : 2
      if (at >= text.length) throw new Wrong('lacks the | that ends the hex digits')
    } else {
      if (at === text.length) throw new Wrong('ends with \\, behind which a character is missing')
      bytes.push(text[at++])
    }
  }
  return bytes
}
