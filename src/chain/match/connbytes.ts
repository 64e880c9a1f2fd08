/** -m connbytes: what the packet's flow has carried so far. */
import { type MatchKind, PURE, Wrong } from '../extension.ts'
import * as m from '../matcher/connbytes.ts'
import { decimal } from '../rate.ts'
import * as R from '../registers.ts'
import { negation } from './ip.ts'

interface Connbytes {
  /** decimal digits, 64 bits; '' before the option */
  from: string
  to: string
  /** an index of DIRECTIONS and MODES, -1 before the option */
  direction: number
  mode: number
}

const DIRECTIONS = ['original', 'reply', 'both']
const MODES = ['packets', 'bytes', 'avgpkt']
const MOST = `${2n ** 64n - 1n}`

export const connbytes: MatchKind<Connbytes> = {
  name: 'connbytes',
  options: {
    '--connbytes': { words: 1, negatable: true },
    '--connbytes-dir': { words: 1 },
    '--connbytes-mode': { words: 1 },
  },
  begin: () => ({ from: '', to: '', direction: -1, mode: -1 }),
  take(data, option, words, not) {
    const [word] = words
    if (option === '--connbytes') Object.assign(data, range(word, not))
    else if (option === '--connbytes-dir') data.direction = position(DIRECTIONS, word)
    else data.mode = position(MODES, word)
  },
  end({ from, direction, mode }) {
    if (from === '' || direction < 0 || mode < 0)
      throw new Wrong('needs --connbytes, --connbytes-dir and --connbytes-mode', 0)
  },
  print({ from, to, direction, mode }) {
    const not = BigInt(from) > BigInt(to)
    const [least, most] = not ? [to, from] : [from, to]
    const text = most === '0' || most === MOST ? least : `${least}:${most}`
    const what = ['--connbytes-mode', MODES[mode], '--connbytes-dir', DIRECTIONS[direction]]
    return [...negation(not), '--connbytes', text, ...what]
  },
  code({ from, to, direction, mode }, emit) {
    const k = emit.matcher({
      type: 'connbytes',
      what: [m.COUNT_PACKETS, m.COUNT_BYTES, m.COUNT_AVERAGE][mode],
      direction,
      from: Number(from),
      to: Number(to),
    })
    return { text: `M[${k}].ask(x)`, nature: PURE }
  },
  shows(_data, x, _view, words) {
    if (x[R.FLOW] === 0) return `a first packet of ${x[R.LENGTH]} bytes`
    const packets = (direction: number) => m.packetsOf(words, x[R.FLOW], direction)
    return `packets ${packets(m.ORIGINAL)} original, ${packets(m.REPLY)} reply before this one`
  },
}

/** Inverted ones are kept with their ends exchanged, as the kernel gets them: one number alone cannot be inverted. */
function range(word: string, not: boolean): { from: string; to: string } {
  const [low = '', high, more] = word.split(':')
  if (more !== undefined) throw new Wrong('has more than two numbers')
  const from = low === '' ? '0' : decimal(low)
  const to = high === undefined || high === '' ? MOST : decimal(high)
  if (BigInt(to) < BigInt(from)) throw new Wrong(`ends before it begins: ${to} is less than ${from}`)
  return not ? { from: to, to: from } : { from, to }
}

function position(names: string[], word: string): number {
  const index = names.indexOf(word)
  if (index < 0) throw new Wrong(`is none of ${names.join(', ')}`)
  return index
}
