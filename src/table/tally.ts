// Hot: what rules count. A packet that knows its trail costs two additions, whatever the number of rules that it met.
/**
 * Every rule and every policy has a counter of packets and bytes. A trail is a sequence of them that packets met one after the other:
 * what it counts belongs to each of its counters, once for every time that it is in the sequence.
 *
 *   header, 16 int32: generation (odd while a swap is under way), half in force, trails in use
 *   per half: counters (packets, bytes), 131,072 × 2 float64
 *   trails of both halves: packets, then bytes, 32,768 float64 each; then where each ends in its half's steps, int32
 *   per half: steps, 262,144 int32, counters of trails one behind the other
 *
 * One writer, the worker that runs the chains; it fills the half that is not in force, then turns the generation, so that who dies or
 * reads in between finds one whole half. A trail's number tells its half: what is counted by an old number changes nothing.
 */
import type { Arena } from '../memory/arena.ts'

export const COUNTERS = 131_072
/** of each half; numbers 0 and 1 of a half are never used */
export const TRAILS = 16_384
export const FIRST_TRAIL = 2
/** counters that the trails of a half hold together: 16 for each */
export const STEPS = 262_144

const HEADER = 64
const GENERATION = 0
const HALF = 1
const USED = 2
const COUNTERS_LENGTH = COUNTERS * 16
const TRAILS_AT = HEADER + 2 * COUNTERS_LENGTH
const ENDS_AT = TRAILS_AT + 2 * 2 * TRAILS * 8
const STEPS_AT = ENDS_AT + 2 * TRAILS * 4

/** Bytes that the counters take; pages that nothing was counted in take none. */
export const LENGTH = STEPS_AT + 2 * STEPS * 4

/** A reader gives up waiting for a swap after so many looks, and takes what is there: a swap takes less than a millisecond. */
const LOOKS = 10_000

export class Tally {
  /** by number of the trail */
  readonly trailPackets: Float64Array
  readonly trailBytes: Float64Array
  /** packets and bytes of counter n at 2n and 2n + 1 of the half in force */
  counters: Float64Array
  private readonly header: Int32Array
  private readonly halves: Float64Array[]
  private readonly ends: Int32Array
  private readonly steps: Int32Array
  private readonly sums = new Float64Array(2 * COUNTERS)

  constructor(arena: Arena, at: number) {
    const { buffer } = arena
    const half = (which: number) =>
      new Float64Array(buffer, at + HEADER + which * COUNTERS_LENGTH, COUNTERS * 2)
    this.header = new Int32Array(buffer, at, HEADER / 4)
    this.halves = [half(0), half(1)]
    this.counters = this.halves[this.header[HALF] & 1]
    this.trailPackets = new Float64Array(buffer, at + TRAILS_AT, 2 * TRAILS)
    this.trailBytes = new Float64Array(buffer, at + TRAILS_AT + 2 * TRAILS * 8, 2 * TRAILS)
    this.ends = new Int32Array(buffer, at + ENDS_AT, 2 * TRAILS)
    this.steps = new Int32Array(buffer, at + STEPS_AT, 2 * STEPS)
  }

  /** how many trails of the half in force have a number */
  get used(): number {
    return this.header[USED]
  }

  /** Counts a packet at each of the first `count` counters that `log` names. */
  count(log: Int32Array, count: number, bytes: number): void {
    const { counters } = this
    for (let i = 0; i < count; i++) {
      const at = log[i] << 1
      counters[at]++
      counters[at + 1] += bytes
    }
  }

  /** Makes a trail of the first `count` counters of `log`; its number, 0 if there is no room. */
  create(log: Int32Array, count: number): number {
    const half = this.header[HALF]
    const used = this.header[USED]
    const next = FIRST_TRAIL + used
    const trail = half * TRAILS + next
    const begin = used === 0 ? 0 : this.ends[trail - 1]
    if (next >= TRAILS || begin + count > STEPS) return 0
    const steps = half * STEPS + begin
    for (let i = 0; i < count; i++) this.steps[steps + i] = log[i]
    this.ends[trail] = begin + count
    Atomics.store(this.header, USED, used + 1)
    return trail
  }

  /** True if the trail is exactly the first `count` counters of `log`. */
  is(trail: number, log: Int32Array, count: number): boolean {
    const half = this.header[HALF]
    const begin = trail - half * TRAILS === FIRST_TRAIL ? 0 : this.ends[trail - 1]
    if (this.ends[trail] - begin !== count) return false
    const steps = half * STEPS + begin
    for (let i = 0; i < count; i++) if (this.steps[steps + i] !== log[i]) return false
    return true
  }

  /**
   * Turns to counters of a new ruleset: number n goes on as `carried[n]` of the one before, or begins with `initial` (packets, bytes).
   * All trails end.
   */
  turn(carried: Int32Array, initial: Float64Array): void {
    const { header, trailPackets, trailBytes } = this
    Atomics.add(header, GENERATION, 1)
    const half = header[HALF] & 1
    const before = this.halves[half]
    const after = this.halves[half ^ 1]
    this.fold(before, half, header[USED])
    for (let n = 0; n < carried.length; n++) {
      const from = carried[n] << 1
      after[2 * n] = from >= 0 ? before[from] : initial[2 * n]
      after[2 * n + 1] = from >= 0 ? before[from + 1] : initial[2 * n + 1]
    }
    const first = (half ^ 1) * TRAILS
    trailPackets.fill(0, first, first + TRAILS)
    trailBytes.fill(0, first, first + TRAILS)
    Atomics.store(header, USED, 0)
    Atomics.store(header, HALF, half ^ 1)
    this.counters = after
    Atomics.add(header, GENERATION, 1)
  }

  /** Adds to `counters` what the `used` trails of a half counted, and clears those. */
  private fold(counters: Float64Array, half: number, used: number): void {
    const { trailPackets, trailBytes, ends, steps } = this
    const first = half * TRAILS + FIRST_TRAIL
    for (let t = 0, at = 0; t < used; t++) {
      const end = ends[first + t]
      const packets = trailPackets[first + t]
      const bytes = trailBytes[first + t]
      for (; at < end; at++) {
        const counter = steps[half * STEPS + at] << 1
        counters[counter] += packets
        counters[counter + 1] += bytes
      }
      trailPackets[first + t] = 0
      trailBytes[first + t] = 0
    }
  }

  /** Sets a counter to nothing, that of trails that hold it included. */
  clear(counter: number): void {
    this.fold(this.counters, this.header[HALF] & 1, this.header[USED])
    this.counters[2 * counter] = 0
    this.counters[2 * counter + 1] = 0
  }

  /** For readers: packets and bytes, one after the other, of the first `count` counters, with what their trails counted. */
  read(count: number): Float64Array {
    this.sum(count)
    return this.sums.slice(0, 2 * count)
  }

  private sum(count: number): void {
    const { header, sums, trailPackets, trailBytes, ends, steps } = this
    for (let look = 0; look < LOOKS; look++) {
      const generation = Atomics.load(header, GENERATION)
      if ((generation & 1) !== 0 && look < LOOKS - 1) continue
      const half = Atomics.load(header, HALF) & 1
      const used = Math.min(Atomics.load(header, USED), TRAILS - FIRST_TRAIL)
      const own = this.halves[half]
      for (let n = 0; n < 2 * count; n++) sums[n] = own[n]
      const first = half * TRAILS + FIRST_TRAIL
      for (let t = 0, at = 0; t < used; t++) {
        const end = Math.min(ends[first + t], STEPS)
        for (; at < end; at++) {
          const counter = steps[half * STEPS + at]
          if (counter >= count) continue
          sums[2 * counter] += trailPackets[first + t]
          sums[2 * counter + 1] += trailBytes[first + t]
        }
      }
      if (Atomics.load(header, GENERATION) === generation) return
    }
  }
}
