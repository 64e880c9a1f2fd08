/** Keeps what is done again and again, and may become dear on a large switch, to a small share of the thread's time. */
const SHARE = 0.01

export class Pace {
  private readonly leastMs: number
  private next = 0
  private costMs = 0

  /** At most once in `leastMs`. */
  constructor(leastMs = 0) {
    this.leastMs = leastMs
  }

  /** Acts if it is time again. */
  act(act: () => void): void {
    const begun = performance.now()
    if (begun < this.next) return
    act()
    // On a busy machine time passes for others, too: only what is slow again and again counts as dear.
    this.costMs = Math.min(performance.now() - begun, Math.max(1, this.costMs * 2))
    this.next = begun + Math.max(this.leastMs, this.costMs / SHARE)
  }
}
