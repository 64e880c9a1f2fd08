// Hot: limit, a token bucket in the kernel's credits.
/**
 * A packet costs the period of the rate, and every millisecond earns 32 credits, which is what the kernel's come to whether it counts
 * 250 or 1,000 jiffies a second; at most `burst` packets are saved up, and so many may pass at once.
 */
import type { MatcherSpec } from '../extension.ts'
import type { Footing, Matcher } from '../matcher.ts'
import { NOW } from '../registers.ts'
import { Clock } from './clock.ts'

/** credits a millisecond */
export const EARNED = 32

export interface LimitSpec extends MatcherSpec {
  type: 'limit'
  /** credits: of a packet, and the most that can be saved */
  cost: number
  most: number
}

/** positions in the state */
const CREDIT = 0
const SEEN = 1

export class Limit implements Matcher {
  private readonly cost: number
  private readonly most: number
  private readonly clock = new Clock()
  private readonly state: Float64Array

  constructor(_footing: Footing, spec: LimitSpec) {
    this.cost = spec.cost
    this.most = spec.most
    this.state = Float64Array.of(spec.most, 0)
  }

  ask(x: Int32Array): boolean {
    const { state, cost } = this
    const now = this.clock.at(x[NOW])
    const credit = Math.min(this.most, state[CREDIT] + (now - state[SEEN]) * EARNED)
    state[SEEN] = now
    state[CREDIT] = credit >= cost ? credit - cost : credit
    return credit >= cost
  }
}
