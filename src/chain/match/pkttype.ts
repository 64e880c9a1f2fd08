/** -m pkttype: to whom the Ethernet frame was sent. */
import { type MatchKind, PURE, Wrong } from '../extension.ts'
import { TYPE } from '../registers.ts'
import { negation } from './ip.ts'

interface Pkttype {
  type: number
  not: boolean
}

/** By number, the PACKET_… of <linux/if_packet.h>. */
const NAMES = ['unicast', 'broadcast', 'multicast', 'otherhost']
const ALIASES = new Map([
  ['host', 0],
  ['bcast', 1],
  ['mcast', 2],
])

export const pkttype: MatchKind<Pkttype> = {
  name: 'pkttype',
  options: { '--pkt-type': { words: 1, negatable: true } },
  begin: () => ({ type: -1, not: false }),
  take(data, _option, [word], not) {
    const name = word.toLowerCase()
    data.type = ALIASES.get(name) ?? NAMES.indexOf(name)
    if (data.type < 0) throw new Wrong(`is none of ${NAMES.join(', ')}`)
    data.not = not
  },
  end(data) {
    if (data.type < 0) throw new Wrong('needs --pkt-type', 0)
  },
  print: (data) => [...negation(data.not), '--pkt-type', NAMES[data.type]],
  code: (data) => ({ text: `x[${TYPE}]${data.not ? '!==' : '==='}${data.type}`, nature: PURE }),
  shows: (_data, x) => `packet type ${NAMES[x[TYPE]] ?? x[TYPE]}`,
}
