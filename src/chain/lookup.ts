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
