/** What the rules of a run have for a key: the first eight registers, addresses to names of ports, each under a mask. */
import type { KeyPart } from './extension.ts'
import * as x from './registers.ts'

export const KEY_SOURCE = x.SOURCE
export const KEY_DESTINATION = x.DESTINATION
export const KEY_PORTS = x.PORTS
export const KEY_PROTOCOL = x.PROTOCOL
/** Words of a key are the registers below. */
export const WORDS = 8

/** The part that asks for a name's number, on the way in or out. */
export function namePart(id: number, isPort: boolean, isInput: boolean): KeyPart {
  const network = isInput ? x.IN_NETWORK : x.OUT_NETWORK
  const port = isInput ? x.IN_PORT : x.OUT_PORT
  return { word: isPort ? port : network, value: id, mask: -1 }
}

/**
 * A range of a word's `bits` bits from `shift` on by at most two blocks under one mask that hold it: none if these would hold a quarter of
 * all there is.
 */
export function cover(word: number, shift: number, bits: number, first: number, last: number): KeyPart[][] {
  const size = 32 - Math.clz32(last - first)
  if (size > bits - 2) return []
  const mask = ((-1 << size) & (bits === 32 ? -1 : (1 << bits) - 1)) << shift
  const blocks = first >>> size === last >>> size ? [first] : [first, last]
  return blocks.map((value) => [{ word, value: (value << shift) & mask, mask }])
}
