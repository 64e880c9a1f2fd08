/** -m rpfilter: whether an answer would go where the packet came from. There is one routing table, so --validmark changes nothing. */

import { printAddress } from '../address.ts'
import { type MatchKind, PURE } from '../extension.ts'
import { SOURCE } from '../registers.ts'

interface Rpfilter {
  loose: boolean
  validmark: boolean
  acceptLocal: boolean
  invert: boolean
}

export const rpfilter: MatchKind<Rpfilter> = {
  name: 'rpfilter',
  tables: ['raw', 'mangle'],
  hooks: ['PREROUTING'],
  options: {
    '--loose': { words: 0 },
    '--validmark': { words: 0 },
    '--accept-local': { words: 0 },
    '--invert': { words: 0 },
  },
  begin: () => ({ loose: false, validmark: false, acceptLocal: false, invert: false }),
  take(data, option) {
    if (option === '--loose') data.loose = true
    else if (option === '--validmark') data.validmark = true
    else if (option === '--accept-local') data.acceptLocal = true
    else data.invert = true
  },
  print({ loose, validmark, acceptLocal, invert }) {
    const words: string[] = []
    if (loose) words.push('--loose')
    if (validmark) words.push('--validmark')
    if (acceptLocal) words.push('--accept-local')
    if (invert) words.push('--invert')
    return words
  },
  code({ loose, acceptLocal, invert }, emit) {
    const k = emit.matcher({ type: 'rpfilter', loose, acceptLocal })
    return { text: `${invert ? '!' : ''}M[${k}].ask(x)`, nature: PURE }
  },
  shows: (_data, x) => `source ${printAddress(x[SOURCE])}`,
}
