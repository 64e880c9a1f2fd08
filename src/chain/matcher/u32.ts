// Hot: u32, numbers anywhere in the packet.
/**
 * A program of int32: for each test the count of its operations, of its ranges, then operation and number in turn (the first is always a
 * read from the packet's begin), then pairs of least and most. There are at most ten of each, so the work is bounded. What lies
 * outside of the packet is not there, and the test fails.
 */
import type { MatcherSpec } from '../extension.ts'
import type { Footing, Matcher } from '../matcher.ts'
import { END, NETWORK } from '../registers.ts'
import { Head } from './head.ts'

export const AND = 0
export const LEFT = 1
export const RIGHT = 2
export const AT = 3

export interface U32Spec extends MatcherSpec {
  type: 'u32'
  program: number[]
  inverted: boolean
}

export class U32 implements Matcher {
  private readonly program: Int32Array
  private readonly inverted: boolean
  private readonly head: Head
  private base = 0
  private length = 0
  /** what was read, as a Float64Array because it is unsigned */
  private readonly value = new Float64Array(1)

  constructor(footing: Footing, spec: U32Spec) {
    this.program = Int32Array.from(spec.program)
    this.inverted = spec.inverted
    this.head = new Head(footing)
  }

  ask(x: Int32Array): boolean {
    this.head.read(x)
    this.base = x[NETWORK]
    this.length = x[END] - x[NETWORK]
    return this.holds() !== this.inverted
  }

  private holds(): boolean {
    const { program } = this
    let at = 0
    while (at < program.length) {
      const operations = program[at]
      const ranges = program[at + 1]
      if (!this.locate(at + 2, operations)) return false
      const values = at + 2 + 2 * operations
      if (!this.within(values, ranges)) return false
      at = values + 2 * ranges
    }
    return true
  }

  /** Leaves what the location means in `value`; false if it lies outside of the packet. */
  private locate(begin: number, operations: number): boolean {
    const { program, value } = this
    let offset = 0
    for (let i = 0; i < operations; i++) {
      const operation = program[begin + 2 * i]
      const number = program[begin + 2 * i + 1] >>> 0
      if (operation === AND) value[0] = (value[0] & number) >>> 0
      else if (operation === LEFT) value[0] = (value[0] << number) >>> 0
      else if (operation === RIGHT) value[0] = value[0] >>> number
      else {
        if (i > 0) offset += value[0]
        if (offset + number > this.length - 4) return false
        this.read(offset + number)
      }
    }
    return true
  }

  private read(at: number): void {
    const { head, base, value } = this
    const { bytes, all, length } = head
    let word = 0
    for (let i = at; i < at + 4; i++) word = (word << 8) | (i < length ? bytes[i] : all[base + i])
    value[0] = word >>> 0
  }

  private within(begin: number, ranges: number): boolean {
    const { program } = this
    const value = this.value[0]
    for (let i = 0; i < ranges; i++) {
      const at = begin + 2 * i
      if (value >= program[at] >>> 0 && value <= program[at + 1] >>> 0) return true
    }
    return false
  }
}
