/** -m dscp: the codepoint of RFC 2474, upper six bits of what was the type of service. */
import { type MatchKind, PURE, Wrong } from '../extension.ts'
import { hex, integer } from '../number.ts'
import { NETWORK } from '../registers.ts'
import { codepoint } from '../service.ts'
import { negation } from './ip.ts'

interface Dscp {
  dscp: number
  not: boolean
}

export const dscp: MatchKind<Dscp> = {
  name: 'dscp',
  options: { '--dscp': { words: 1, negatable: true }, '--dscp-class': { words: 1, negatable: true } },
  begin: () => ({ dscp: -1, not: false }),
  take(data, option, [word], not) {
    if (data.dscp >= 0) throw new Wrong('stands beside another --dscp or --dscp-class', 0)
    data.dscp = option === '--dscp' ? integer(word, 0, 63) : codepoint(word)
    data.not = not
  },
  end(data) {
    if (data.dscp < 0) throw new Wrong('needs --dscp or --dscp-class', 0)
  },
  print: (data) => [...negation(data.not), '--dscp', hex(data.dscp, 2)],
  code(data) {
    return { text: `v.getUint8(x[${NETWORK}]+1)>>2${data.not ? '!==' : '==='}${data.dscp}`, nature: PURE }
  },
  shows: (_data, x, view) => `dscp ${hex(view.getUint8(x[NETWORK] + 1) >> 2, 2)}`,
}
