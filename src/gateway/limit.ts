// Hot: one token bucket an index.
export class Limit {
  private readonly perSecond: number
  private readonly full: number
  /** thousandths of a token, and when they were last filled */
  private readonly tokens: Int32Array
  private readonly filled: Int32Array

  /** `count` buckets that start full: `burst` tokens, filled by `perSecond`. */
  constructor(count: number, perSecond: number, burst: number) {
    this.perSecond = perSecond
    this.full = burst * 1000
    this.tokens = new Int32Array(count).fill(this.full)
    this.filled = new Int32Array(count)
  }

  /** Takes a token of bucket `i`; false if there is none. */
  take(i: number, now: number): boolean {
    const passed = (now - this.filled[i]) | 0
    if (passed !== 0) {
      // The clock wraps: a time that seems to come before the last one is long after it.
      const isLong = passed < 0 || passed * this.perSecond >= this.full
      this.tokens[i] = isLong ? this.full : Math.min(this.full, this.tokens[i] + passed * this.perSecond)
      this.filled[i] = now
    }
    if (this.tokens[i] < 1000) return false
    this.tokens[i] -= 1000
    return true
  }
}
