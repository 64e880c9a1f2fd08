/** -m ttl: the time to live that the packet has at this hook. */
import { type MatchKind, PURE, Wrong } from '../extension.ts'
import { integer } from '../number.ts'
import { AGED, NETWORK } from '../registers.ts'

interface Ttl {
  /** as JavaScript writes it */
  relation: '===' | '!==' | '<' | '>' | ''
  ttl: number
}

const words = { '===': ['--ttl-eq'], '!==': ['!', '--ttl-eq'], '<': ['--ttl-lt'], '>': ['--ttl-gt'], '': [] }

export const ttl: MatchKind<Ttl> = {
  name: 'ttl',
  options: {
    '--ttl-eq': { words: 1, negatable: true },
    '--ttl-lt': { words: 1 },
    '--ttl-gt': { words: 1 },
    '--ttl': { words: 1 },
  },
  begin: () => ({ relation: '', ttl: 0 }),
  take(data, option, [value], not) {
    if (data.relation !== '') throw new Wrong('stands beside another of --ttl-eq, --ttl-lt and --ttl-gt', 0)
    data.ttl = integer(value, 0, 255)
    if (option === '--ttl-lt') data.relation = '<'
    else if (option === '--ttl-gt') data.relation = '>'
    else data.relation = not ? '!==' : '==='
  },
  end(data) {
    if (data.relation === '') throw new Wrong('needs --ttl-eq, --ttl-lt or --ttl-gt', 0)
  },
  print: (data) => [...words[data.relation], `${data.ttl}`],
  code(data) {
    return { text: `v.getUint8(x[${NETWORK}]+8)-x[${AGED}]${data.relation}${data.ttl}`, nature: PURE }
  },
  shows: (_data, x, view) => `ttl ${view.getUint8(x[NETWORK] + 8) - x[AGED]}`,
}
