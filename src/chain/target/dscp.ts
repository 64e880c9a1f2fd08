/** -j DSCP: the codepoint changes, the two bits of ECN stay. */
import { SLOW, type TargetKind, Wrong } from '../extension.ts'
import { hex, integer } from '../number.ts'
import { codepoint } from '../service.ts'

interface Dscp {
  dscp: number
}

export const dscp: TargetKind<Dscp> = {
  name: 'DSCP',
  tables: ['mangle'],
  options: { '--set-dscp': { words: 1 }, '--set-dscp-class': { words: 1 } },
  begin: () => ({ dscp: -1 }),
  take(data, option, [word]) {
    if (data.dscp >= 0) throw new Wrong('stands beside another --set-dscp or --set-dscp-class', 0)
    data.dscp = option === '--set-dscp' ? integer(word, 0, 63) : codepoint(word)
  },
  end({ dscp }) {
    if (dscp < 0) throw new Wrong('needs --set-dscp or --set-dscp-class', 0)
  },
  print: ({ dscp }) => ['--set-dscp', hex(dscp, 2)],
  code({ dscp }, emit) {
    const k = emit.matcher({ type: 'service', mask: 0xfc, value: dscp << 2 })
    return { text: `M[${k}].ask(x);`, nature: SLOW, ends: false }
  },
}
