// Hot: statistic, by chance or by turns.
import type { MatcherSpec } from '../extension.ts'
import type { Footing, Matcher } from '../matcher.ts'

export interface StatisticSpec extends MatcherSpec {
  type: 'statistic'
  /** of 2^31; -1: by turns */
  probability: number
  /** the turns before it is a packet's turn again, and how many of them are over at the start */
  every: number
  count: number
  inverted: boolean
}

export class Statistic implements Matcher {
  private readonly probability: number
  private readonly every: number
  private readonly inverted: boolean
  /** turns; the state of the generator (xorshift, Marsaglia 2003), never 0 */
  private readonly state: Int32Array

  constructor(_footing: Footing, spec: StatisticSpec) {
    this.probability = spec.probability
    this.every = spec.every
    this.inverted = spec.inverted
    this.state = Int32Array.of(spec.count, Math.floor(Math.random() * 0x7fff_ffff) + 1)
  }

  ask(_x: Int32Array): boolean {
    return (this.probability < 0 ? this.turn() : this.chance()) !== this.inverted
  }

  private turn(): boolean {
    const { state } = this
    state[0] = state[0] >>> 0 === this.every ? 0 : state[0] + 1
    return state[0] === 0
  }

  private chance(): boolean {
    let s = this.state[1]
    s ^= s << 13
    s ^= s >>> 17
    s ^= s << 5
    this.state[1] = s
    return s >>> 1 < this.probability
  }
}
