/** -m ecn: RFC 3168's codepoint in the IPv4 header, CWR and ECE in TCP's. */
import { type MatchKind, PURE, Wrong } from '../extension.ts'
import { integer } from '../number.ts'
import { TCP } from '../protocol.ts'
import { END, NETWORK, PROTOCOL, TRANSPORT } from '../registers.ts'
import { negation } from './ip.ts'

const ECE = 0x40
const CWR = 0x80

/** null: not asked for; the codepoint and flags with whether `!` stood before them */
interface Ecn {
  codepoint: { value: number; not: boolean } | null
  ece: { not: boolean } | null
  cwr: { not: boolean } | null
}

export const ecn: MatchKind<Ecn> = {
  name: 'ecn',
  protocols: (data) => (data.ece || data.cwr ? [TCP] : []),
  options: {
    '--ecn-tcp-cwr': { words: 0, negatable: true },
    '--ecn-tcp-ece': { words: 0, negatable: true },
    '--ecn-ip-ect': { words: 1, negatable: true },
  },
  begin: () => ({ codepoint: null, ece: null, cwr: null }),
  take(data, option, [word], not) {
    if (option === '--ecn-tcp-cwr') data.cwr = { not }
    else if (option === '--ecn-tcp-ece') data.ece = { not }
    else data.codepoint = { value: integer(word, 0, 3), not }
  },
  end(data) {
    if (data.codepoint || data.ece || data.cwr) return
    throw new Wrong('needs --ecn-tcp-cwr, --ecn-tcp-ece or --ecn-ip-ect', 0)
  },
  print({ codepoint, ece, cwr }) {
    const words: string[] = []
    if (ece) words.push(...negation(ece.not), '--ecn-tcp-ece')
    if (cwr) words.push(...negation(cwr.not), '--ecn-tcp-cwr')
    if (codepoint) words.push(...negation(codepoint.not), '--ecn-ip-ect', `${codepoint.value}`)
    return words
  },
  code({ codepoint, ece, cwr }) {
    const parts: string[] = []
    if (codepoint) {
      parts.push(`(v.getUint8(x[${NETWORK}]+1)&3)${codepoint.not ? '!==' : '==='}${codepoint.value}`)
    }
    if (ece || cwr) {
      const mask = (ece ? ECE : 0) | (cwr ? CWR : 0)
      const value = (ece && !ece.not ? ECE : 0) | (cwr && !cwr.not ? CWR : 0)
      // A header that is cut off has no such flags, set or not.
      parts.push(`x[${END}]-x[${TRANSPORT}]>=20&&(v.getUint8(x[${TRANSPORT}]+13)&${mask})===${value}`)
    }
    return { text: `(${parts.join('&&')})`, nature: PURE }
  },
  shows(_data, x, view) {
    const codepoint = `ecn codepoint ${view.getUint8(x[NETWORK] + 1) & 3}`
    if (x[PROTOCOL] !== TCP || x[END] - x[TRANSPORT] < 20) return codepoint
    const flags = view.getUint8(x[TRANSPORT] + 13)
    return `${codepoint}, ECE ${flags & ECE ? 1 : 0}, CWR ${flags & CWR ? 1 : 0}`
  },
}
