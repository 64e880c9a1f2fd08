/** Fragments as a test cuts them: any ranges of a payload, with the header that says so. */
import { ethernet, ipv4, station } from './frame.ts'
import { GATEWAY } from './stand.ts'

export interface Cut {
  from: number
  to: number
  /** more fragments follow */
  more: boolean
}

export interface Datagram {
  source?: string
  destination?: string
  id?: number
  protocol?: number
  options?: number[]
  /** the don't-fragment bit */
  dont?: boolean
  from?: number
}

/** A cut of `payload` as a frame for the gateway. */
export function fragment(payload: Uint8Array, cut: Cut, datagram: Datagram = {}): Uint8Array {
  const { source = '10.7.0.11', destination = '192.0.2.1', id = 7, protocol = 17 } = datagram
  const { options = [], dont = false, from = 1 } = datagram
  const word = (dont ? 0x4000 : 0) | (cut.more ? 0x2000 : 0) | (cut.from >> 3)
  const fields = { source, destination, id, protocol, fragment: word, options }
  return ethernet(GATEWAY.mac, station(from), 0x0800, ipv4(fields, payload.subarray(cut.from, cut.to)))
}

/** Cuts at multiples of `size`, in order. */
export function cuts(length: number, size: number): Cut[] {
  const found: Cut[] = []
  for (let from = 0; from < length; from += size)
    found.push({ from, to: Math.min(from + size, length), more: from + size < length })
  return found
}

export function payload(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31) ^ (i >> 8))
}
