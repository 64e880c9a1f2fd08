/** The last five minutes of every port: rings of samples with one axis of time for all. */
import type { PortRates, Sample } from '../control/live/live.ts'

export const KEPT = 300
/** Values of a port in one sample: frames and bytes in, frames and bytes out, drops, all a second. */
const VALUES = 5

const REST: PortRates = [0, 0, 0, 0, 0]

export class History {
  private readonly times = new Float64Array(KEPT).fill(Number.NaN)
  private readonly rings = new Map<string, Float32Array>()
  private head = 0
  private last = 0

  /** Takes a sample; `rates` are by port, and by network under a name that no port has. */
  add(sample: Sample, rates: ReadonlyMap<string, PortRates>): void {
    // A break in the stream is a gap in the chart.
    if (this.last > 0 && sample.time - this.last > sample.seconds * 2000 + 1000)
      this.put(this.last + 1000, null)
    this.put(sample.time, rates)
    this.last = sample.time
  }

  private put(time: number, rates: ReadonlyMap<string, PortRates> | null): void {
    this.times[this.head] = time
    for (const [name, ring] of this.rings)
      ring.set(rates === null ? REST.map(() => Number.NaN) : (rates.get(name) ?? REST), this.head * VALUES)
    this.head = (this.head + 1) % KEPT
  }

  /** Keeps those, and forgets who is gone. */
  keep(names: ReadonlySet<string>): void {
    for (const name of this.rings.keys()) if (!names.has(name)) this.rings.delete(name)
    for (const name of names)
      if (!this.rings.has(name)) this.rings.set(name, new Float32Array(KEPT * VALUES).fill(Number.NaN))
  }

  /** Seconds since 1970 and one column for each value, oldest first; null where nothing is known. */
  columns(name: string): { times: number[]; values: (number | null)[][] } {
    const ring = this.rings.get(name)
    const times: number[] = []
    const values: (number | null)[][] = Array.from({ length: VALUES }, () => [])
    for (let n = 0; n < KEPT; n++) {
      const at = (this.head + n) % KEPT
      if (Number.isNaN(this.times[at])) continue
      times.push(this.times[at] / 1000)
      for (let v = 0; v < VALUES; v++) {
        const value = ring?.[at * VALUES + v] ?? Number.NaN
        values[v].push(Number.isNaN(value) ? null : value)
      }
    }
    return { times, values }
  }

  /** The last of one value, at most `length`, oldest first. */
  recent(name: string, value: number, length: number): number[] {
    const ring = this.rings.get(name) ?? new Float32Array()
    const found: number[] = []
    for (let n = KEPT - length; n < KEPT; n++) {
      const each = ring[((this.head + n) % KEPT) * VALUES + value]
      if (each >= 0) found.push(each)
    }
    return found
  }
}
