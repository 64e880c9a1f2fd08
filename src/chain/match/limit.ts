/** -m limit: so many packets a time, and some more at once. */
import { type MatchKind, SLOW, Wrong } from '../extension.ts'
import { EARNED } from '../matcher/limit.ts'
import { integer } from '../number.ts'
import { parseRate, printRate } from '../rate.ts'

/** parts of a second that the kernel gets the rate in */
const SCALE = 10_000
const SECOND = 1000 * EARNED
const BURST = 5

interface Limit {
  period: number
  burst: number
}

/** The kernel's user2credits() in its 32 bits: what so many 1/10,000 of a second are worth. */
function credits(parts: number): number {
  if (parts > Math.floor(0xffff_ffff / SECOND)) return (Math.floor(parts / SCALE) * SECOND) % 2 ** 32
  return Math.floor((parts * SECOND) / SCALE)
}

export const limit: MatchKind<Limit> = {
  name: 'limit',
  options: { '--limit': { words: 1 }, '--limit-burst': { words: 1 } },
  begin: () => ({ period: 1200 * SCALE, burst: BURST }),
  take(data, option, words) {
    if (option === '--limit') data.period = parseRate(words[0], SCALE).period
    else data.burst = integer(words[0], 1, 10_000)
  },
  end({ period, burst }) {
    // The kernel refuses what overflows its 32 bits, and so does this: it would allow less than was written.
    if (credits((period * burst) % 2 ** 32) < credits(period))
      throw new Wrong(
        'is too slow for such a burst: their product overflows in the kernel; lower --limit-burst',
        0,
      )
  },
  print({ period, burst }) {
    const words = ['--limit', printRate(period, SCALE).text]
    return burst === BURST ? words : [...words, '--limit-burst', `${burst}`]
  },
  code({ period, burst }, emit) {
    const most = credits((period * burst) % 2 ** 32)
    const k = emit.matcher({ type: 'limit', own: true, cost: credits(period), most })
    return { text: `M[${k}].ask(x)`, nature: SLOW }
  },
  shows: ({ period, burst }) => `a rate of at most ${printRate(period, SCALE).text}, ${burst} at once`,
}
