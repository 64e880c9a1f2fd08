/** -m addrtype: what an address is to the gateway, or to the one link that a packet came by or leaves by. */

import { printAddress } from '../address.ts'
import { type MatchKind, STATIC, Wrong } from '../extension.ts'
import { DESTINATION, SOURCE } from '../registers.ts'
import { negation } from './ip.ts'

interface Types {
  /** bit by the numbers of RTN_…; 0: not asked for */
  bits: number
  not: boolean
}

interface Addrtype {
  source: Types
  destination: Types
  /** 0 the whole gateway, 1 the link that it came by, 2 the one that it leaves by */
  side: 0 | 1 | 2
}

/** In the order of RTN_… in <linux/rtnetlink.h>. */
const NAMES = [
  ...['UNSPEC', 'UNICAST', 'LOCAL', 'BROADCAST', 'ANYCAST', 'MULTICAST', 'BLACKHOLE', 'UNREACHABLE'],
  ...['PROHIBIT', 'THROW', 'NAT', 'XRESOLVE'],
]

export const addrtype: MatchKind<Addrtype> = {
  name: 'addrtype',
  options: {
    '--src-type': { words: 1, negatable: true },
    '--dst-type': { words: 1, negatable: true },
    '--limit-iface-in': { words: 0 },
    '--limit-iface-out': { words: 0 },
  },
  begin: () => ({ source: { bits: 0, not: false }, destination: { bits: 0, not: false }, side: 0 }),
  take(data, option, [word], not) {
    if (option === '--src-type') data.source = { bits: parse(word), not }
    else if (option === '--dst-type') data.destination = { bits: parse(word), not }
    else if (data.side !== 0) throw new Wrong('stands beside another --limit-iface', 0)
    else data.side = option === '--limit-iface-in' ? 1 : 2
  },
  end({ source, destination }) {
    if (source.bits === 0 && destination.bits === 0) throw new Wrong('needs --src-type or --dst-type', 0)
  },
  fits({ side }, { hooks }) {
    const without = side === 1 ? ['OUTPUT', 'POSTROUTING'] : side === 2 ? ['PREROUTING', 'INPUT'] : []
    const hook = hooks.find((each) => without.includes(each))
    if (!hook) return
    throw new Wrong(
      `limits to a link that ${hook} does not know: --limit-iface-${side === 1 ? 'in' : 'out'}`,
      0,
    )
  },
  print({ source, destination, side }) {
    const words: string[] = []
    if (source.bits) words.push(...negation(source.not), '--src-type', print(source.bits))
    if (destination.bits) words.push(...negation(destination.not), '--dst-type', print(destination.bits))
    if (side !== 0) words.push(side === 1 ? '--limit-iface-in' : '--limit-iface-out')
    return words
  },
  code({ source, destination, side }, emit) {
    const ask = (register: number, { bits, not }: Types) => {
      if (bits === 0) return []
      return [`${not ? '!' : ''}M[${emit.matcher({ type: 'addrtype', register, bits, side })}].ask(x)`]
    }
    const parts = [...ask(SOURCE, source), ...ask(DESTINATION, destination)]
    return { text: `(${parts.join('&&')})`, nature: STATIC }
  },
  shows({ source, destination }, x) {
    const parts: string[] = []
    if (source.bits) parts.push(`source ${printAddress(x[SOURCE])}`)
    if (destination.bits) parts.push(`destination ${printAddress(x[DESTINATION])}`)
    return parts.join(', ')
  },
}

/** Names may be shortened, the first that begins so being meant, as iptables does it. */
function parse(text: string): number {
  let bits = 0
  for (const name of text.toUpperCase().split(',')) {
    const index = name === '' ? -1 : NAMES.findIndex((each) => each.startsWith(name))
    if (index < 0) throw new Wrong(`is no list of ${NAMES.join(', ')}`)
    bits |= 1 << index
  }
  return bits
}

function print(bits: number): string {
  return NAMES.filter((_, index) => bits & (1 << index)).join(',')
}
