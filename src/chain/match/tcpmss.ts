/** -m tcpmss: the maximum segment size that a TCP header offers (RFC 9293 3.7.1). */
import { type MatchKind, PURE, Wrong } from '../extension.ts'
import { segmentSize } from '../matcher/tcpmss.ts'
import { range } from '../number.ts'
import { TCP } from '../protocol.ts'
import { negation } from './ip.ts'

interface Tcpmss {
  least: number
  most: number
  not: boolean
}

export const tcpmss: MatchKind<Tcpmss> = {
  name: 'tcpmss',
  protocols: [TCP],
  options: { '--mss': { words: 1, negatable: true } },
  begin: () => ({ least: -1, most: -1, not: false }),
  take(data, _option, words, not) {
    const [least, most] = range(words[0], 65_535)
    Object.assign(data, { least, most, not })
  },
  end(data) {
    if (data.least < 0) throw new Wrong('needs --mss', 0)
  },
  print({ least, most, not }) {
    return [...negation(not), '--mss', least === most ? `${least}` : `${least}:${most}`]
  },
  code({ least, most, not }, emit) {
    return {
      text: `M[${emit.matcher({ type: 'tcpmss', least, most, not })}].ask(x)`,
      nature: PURE,
      drops: true,
    }
  },
  shows(_data, x, view) {
    const size = segmentSize(view, x)
    return size < 0 ? 'no mss' : `mss ${size}`
  },
}
