// Hot: milliseconds that do not wrap, from the worker's clock that does.
/** A register wraps after 24 days; what remembers for longer counts on here. */

/** Steps back of up to this are taken for standing still, larger ones for a gap in which nobody asked. */
const BACK_MS = 60_000

export class Clock {
  /** in an array, because a field that holds a fraction would be allocated anew at every change */
  private readonly passed = new Float64Array(1)
  private last = 0
  private runs = false

  /** Milliseconds since it was first asked. */
  at(now: number): number {
    const { passed } = this
    if (!this.runs) {
      this.runs = true
      this.last = now
    }
    const step = (now - this.last) | 0
    if (step > 0) passed[0] += step
    else if (step < -BACK_MS) passed[0] += 0x7fff_ffff
    else return passed[0]
    this.last = now
    return passed[0]
  }
}
