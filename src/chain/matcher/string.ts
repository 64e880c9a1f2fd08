// Hot: string, bytes anywhere in the packet.
/**
 * Whichever algorithm is named, the search is that of Knuth, Morris and Pratt: its work is at most two steps a byte whatever stands in packet
 * and pattern, where a search that jumps could be made to look at every byte as often as the pattern is long. Boyer-Moore in the
 * kernel does not find what lies across two fragments of a socket buffer; this finds it.
 */
import type { MatcherSpec } from '../extension.ts'
import type { Footing, Matcher } from '../matcher.ts'
import { END, NETWORK } from '../registers.ts'
import { Head } from './head.ts'

export interface StringSpec extends MatcherSpec {
  type: 'string'
  pattern: number[]
  /** the first byte that is looked at, and the first that is not */
  from: number
  to: number
  ignoresCase: boolean
  inverted: boolean
}

/** The upper case of a byte as the kernel's toupper() has it: ASCII and Latin-1. */
function upper(byte: number): number {
  const isLower = (byte >= 0x61 && byte <= 0x7a) || (byte >= 0xdf && byte !== 0xf7)
  return isLower ? byte - 0x20 : byte
}

export class Text implements Matcher {
  private readonly pattern: Uint8Array
  /** by how much of the pattern fits: how much still fits if the next byte does not */
  private readonly failure: Int32Array
  private readonly fold = new Uint8Array(256)
  private readonly from: number
  private readonly to: number
  private readonly inverted: boolean
  private readonly head: Head

  constructor(footing: Footing, spec: StringSpec) {
    for (let byte = 0; byte < 256; byte++) this.fold[byte] = spec.ignoresCase ? upper(byte) : byte
    this.pattern = Uint8Array.from(spec.pattern, (byte) => this.fold[byte])
    this.from = spec.from
    this.to = spec.to
    this.inverted = spec.inverted
    this.head = new Head(footing)
    const { pattern } = this
    const failure = new Int32Array(pattern.length + 1)
    for (let i = 1, fits = 0; i < pattern.length; i++) {
      while (fits > 0 && pattern[i] !== pattern[fits]) fits = failure[fits]
      if (pattern[i] === pattern[fits]) fits++
      failure[i + 1] = fits
    }
    this.failure = failure
  }

  ask(x: Int32Array): boolean {
    const { head, from } = this
    const end = Math.min(this.to, x[END] - x[NETWORK])
    head.read(x)
    const middle = Math.min(end, Math.max(from, head.length))
    const fits = this.search(head.bytes, 0, from, middle, 0)
    const { length } = this.pattern
    const found = fits === length || this.search(head.all, x[NETWORK], middle, end, fits) === length
    return found !== this.inverted
  }

  /** How much of the pattern fits behind the bytes from `begin` to `end`; its length as soon as all of it did. */
  private search(bytes: Uint8Array, base: number, begin: number, end: number, already: number): number {
    const { pattern, failure, fold } = this
    const { length } = pattern
    let fits = already
    for (let at = base + begin; at < base + end; at++) {
      const byte = fold[bytes[at]]
      while (fits > 0 && byte !== pattern[fits]) fits = failure[fits]
      if (byte === pattern[fits] && ++fits === length) return length
    }
    return fits
  }
}
