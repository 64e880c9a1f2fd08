/** -m length: bytes of the IPv4 packet, its header included. */
import { type MatchKind, PURE, Wrong } from '../extension.ts'
import { range } from '../number.ts'
import { LENGTH } from '../registers.ts'
import { negation } from './ip.ts'

interface Length {
  least: number
  most: number
  not: boolean
}

export const length: MatchKind<Length> = {
  name: 'length',
  options: { '--length': { words: 1, negatable: true } },
  begin: () => ({ least: -1, most: -1, not: false }),
  take(data, _option, words, not) {
    const [least, most] = range(words[0], 65_535)
    Object.assign(data, { least, most, not })
  },
  end(data) {
    if (data.least < 0) throw new Wrong('needs --length', 0)
  },
  print({ least, most, not }) {
    return [...negation(not), '--length', least === most ? `${least}` : `${least}:${most}`]
  },
  code({ least, most, not }) {
    const text = `(x[${LENGTH}]>=${least}&&x[${LENGTH}]<=${most})`
    return { text: not ? `!${text}` : text, nature: PURE }
  },
  shows: (_data, x) => `length ${x[LENGTH]}`,
}
