/** -m quota: matches until so many bytes have passed. */
import { type MatchKind, SLOW, Wrong } from '../extension.ts'
import { decimal } from '../rate.ts'
import * as R from '../registers.ts'
import { negation } from './ip.ts'

interface Quota {
  /** decimal digits; up to 64 bits, so not a number */
  bytes: string
  not: boolean
}

export const quota: MatchKind<Quota> = {
  name: 'quota',
  options: { '--quota': { words: 1, negatable: true } },
  begin: () => ({ bytes: '', not: false }),
  take(data, _option, words, not) {
    data.bytes = decimal(words[0])
    data.not = not
  },
  end(data) {
    if (data.bytes === '') throw new Wrong('needs --quota', 0)
  },
  print: ({ bytes, not }) => [...negation(not), '--quota', bytes],
  code({ bytes, not }, emit) {
    const k = emit.matcher({ type: 'quota', own: true, bytes: Number(bytes), inverted: not })
    return { text: `M[${k}].ask(x)`, nature: SLOW }
  },
  shows: (_data, x) => `${x[R.LENGTH]} bytes`,
}
