/** -m tos: the type of service under a mask. */
import { type MatchKind, PURE, Wrong } from '../extension.ts'
import { hex } from '../number.ts'
import { NETWORK } from '../registers.ts'
import { service } from '../service.ts'
import { negation } from './ip.ts'

interface Tos {
  value: number
  mask: number
  not: boolean
}

export const tos: MatchKind<Tos> = {
  name: 'tos',
  options: { '--tos': { words: 1, negatable: true } },
  begin: () => ({ value: -1, mask: 0, not: false }),
  take(data, _option, words, not) {
    Object.assign(data, service(words[0]), { not })
  },
  end(data) {
    if (data.value < 0) throw new Wrong('needs --tos', 0)
  },
  print({ value, mask, not }) {
    return [...negation(not), '--tos', `${hex(value, 2)}/${hex(mask, 2)}`]
  },
  code({ value, mask, not }) {
    return { text: `(v.getUint8(x[${NETWORK}]+1)&${mask})${not ? '!==' : '==='}${value}`, nature: PURE }
  },
  shows: (_data, x, view) => `tos ${hex(view.getUint8(x[NETWORK] + 1), 2)}`,
}
