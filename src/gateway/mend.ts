// Hot: checksums as they lie in memory, half-words little-endian, mended by RFC 1624 (equation 3).
import { fold } from './rewrite.ts'

/** What one hop takes from the half-word of TTL and protocol, as it lies, as a difference: -1. */
const HOP = 0xfffe

/** The word of TTL, protocol and checksum after one hop with a difference of the addresses. */
export function hop(word: number, l3: number): number {
  return ((word - 1) & 0xffff) | (~fold((~word >>> 16) + l3 + HOP) << 16)
}

/** UDP's checksum, which is there, with a difference: never 0, which says that there is none (RFC 768). */
export function optional(before: number, l4: number): number {
  const after = ~fold((~before & 0xffff) + l4) & 0xffff
  return after === 0 ? 0xffff : after
}
