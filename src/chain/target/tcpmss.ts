/** -j TCPMSS: lowers the segment size that a SYN offers, never raises it. */
import { SLOW, type TargetKind, Wrong } from '../extension.ts'
import { integer } from '../number.ts'
import { TCP } from '../protocol.ts'
import { DROP, LENGTH } from '../registers.ts'
import type { Rule } from '../rule.ts'

interface Tcpmss {
  /** -1: nothing said yet, CLAMP: what the way takes */
  size: number
}

const CLAMP = 65_535
/** 65,535 less an IPv4 header, as iptables has it. */
const SIZE_MAX = 65_515
const SYN = 0x02

export const tcpmss: TargetKind<Tcpmss> = {
  name: 'TCPMSS',
  protocols: [TCP],
  options: { '--set-mss': { words: 1 }, '--clamp-mss-to-pmtu': { words: 0 } },
  begin: () => ({ size: -1 }),
  take(data, option, [word]) {
    if (data.size >= 0) throw new Wrong('stands beside another of --set-mss and --clamp-mss-to-pmtu', 0)
    data.size = option === '--set-mss' ? integer(word, 0, SIZE_MAX) : CLAMP
  },
  end({ size }) {
    if (size < 0) throw new Wrong('needs --set-mss or --clamp-mss-to-pmtu', 0)
  },
  fits({ size }, { rule, hooks }) {
    if (!asksSyn(rule))
      throw new Wrong('needs -p tcp --tcp-flags SYN,RST SYN in its rule: only a SYN offers a size', 0)
    const hook = hooks.find((each) => each === 'PREROUTING' || each === 'INPUT')
    if (size !== CLAMP || !hook) return
    throw new Wrong(
      `has --clamp-mss-to-pmtu, but ${hook} does not know the way on: use FORWARD, OUTPUT, POSTROUTING`,
      0,
    )
  },
  print: ({ size }) => (size === CLAMP ? ['--clamp-mss-to-pmtu'] : ['--set-mss', `${size}`]),
  code({ size }, emit) {
    const k = emit.matcher({ type: 'mss', size: size === CLAMP ? -1 : size })
    const length = `x[${LENGTH}]`
    // What was met so far counts the packet as it was.
    const recount = `if(${length}!==l){const m=${length};${length}=l;count();${length}=m}`
    return {
      text: `const l=${length};if(!M[${k}].ask(x))return ${DROP};${recount}`,
      nature: SLOW,
      ends: false,
    }
  },
}

/** As netfilter asks it: a match of TCP's flags, not behind `!`, that wants SYN among them. */
function asksSyn({ matches }: Rule): boolean {
  return matches.some(({ name, data }) => {
    if (name !== 'tcp') return false
    const { flags, notFlags } = data as { flags: number; notFlags: boolean }
    return (flags & SYN) !== 0 && !notFlags
  })
}
