// Hot: quota, bytes that are used up.
/** A packet that is larger than what is left takes all of it, so that no smaller one passes behind it. */
import type { MatcherSpec } from '../extension.ts'
import type { Footing, Matcher } from '../matcher.ts'
import { LENGTH } from '../registers.ts'

export interface QuotaSpec extends MatcherSpec {
  type: 'quota'
  bytes: number
  inverted: boolean
}

export class Quota implements Matcher {
  private readonly left: Float64Array
  private readonly inverted: boolean

  constructor(_footing: Footing, spec: QuotaSpec) {
    this.left = Float64Array.of(spec.bytes)
    this.inverted = spec.inverted
  }

  ask(x: Int32Array): boolean {
    const { left } = this
    const fits = left[0] >= x[LENGTH]
    left[0] = fits ? left[0] - x[LENGTH] : 0
    return fits !== this.inverted
  }
}
