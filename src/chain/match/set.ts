/** -m set: whether the packet's addresses and ports are in a set. */
import { RETURN_NOMATCH } from '../../table/set.ts'
import { printAddress } from '../address.ts'
import { type MatchKind, PURE, Wrong } from '../extension.ts'
import { how, type Membership, parse, print } from '../membership.ts'
import { DESTINATION, PORTS, SOURCE } from '../registers.ts'
import { negation } from './ip.ts'

interface Set {
  asked: Membership | null
  not: boolean
  returnNomatch: boolean
}

/** What iptables knows besides: all about counters, which sets do not have here. */
const counters = ['packets', 'bytes'].flatMap((what) => ['eq', 'lt', 'gt'].map((how) => `--${what}-${how}`))

export const set: MatchKind<Set> = {
  name: 'set',
  options: {
    '--match-set': { words: 2, negatable: true },
    '--set': '--match-set',
    '--return-nomatch': { words: 0 },
    '--update-counters': { words: 0, negatable: true },
    '--update-subcounters': { words: 0, negatable: true },
    ...Object.fromEntries(counters.map((name) => [name, { words: 1, negatable: true }])),
  },
  begin: () => ({ asked: null, not: false, returnNomatch: false }),
  take(data, option, words, not) {
    if (option === '--return-nomatch') data.returnNomatch = true
    else if (option !== '--match-set') throw new Wrong('is not available: sets do not count', 0)
    else if (data.asked) throw new Wrong('stands beside another --match-set', 0)
    else Object.assign(data, { asked: parse(words[0], words[1]), not })
  },
  end(data) {
    if (!data.asked) throw new Wrong('needs --match-set', 0)
  },
  print({ asked, not, returnNomatch }) {
    if (!asked) return []
    return [...negation(not), '--match-set', ...print(asked), ...(returnNomatch ? ['--return-nomatch'] : [])]
  },
  code({ asked, not, returnNomatch }, emit) {
    if (!asked) return { text: 'false', nature: PURE }
    const { at } = emit.set(asked.name)
    const k = emit.matcher({ type: 'set', at, how: how(asked) | (returnNomatch ? RETURN_NOMATCH : 0) })
    return { text: `${not ? '!' : ''}M[${k}].ask(x)`, nature: PURE }
  },
  shows({ asked }, x) {
    const ends = [
      `${printAddress(x[SOURCE])}:${x[PORTS] >>> 16}`,
      `${printAddress(x[DESTINATION])}:${x[PORTS] & 0xffff}`,
    ]
    return `${ends.join(' to ')} for set ${asked?.name}`
  },
  sets: ({ asked }) => (asked ? [asked.name] : []),
}
