/** ICMP errors and what they quote. */
import { sum, u16 } from '../../lab/frame.ts'
import type { House } from '../../lab/house.ts'
import { read, type Said } from '../../lab/transport.ts'

export const said = (got: { packet: Uint8Array }[]): Said[] => got.map(({ packet }) => read(packet))

/** What arrives outside of a packet that a guest sends. */
export function out(house: House, number: number, packet: Uint8Array): Uint8Array {
  house.guest(number, packet)
  const [got] = house.atOutside()
  return got.packet
}

/** A copy of an ICMP message with a byte of its payload changed; `mended`: its checksum made right again. */
export function changed(packet: Uint8Array, at: number, mended: boolean): Uint8Array {
  const copy = packet.slice()
  copy[at] ^= 0x55
  if (!mended) return copy
  copy.set([0, 0], 22)
  copy.set(u16(~sum(copy.subarray(20))), 22)
  return copy
}

/** The quoted packet as its sender wrote it but for what changed on its way: time to live and header checksum. */
export function quoted(said: Said, sent: Uint8Array): [Uint8Array, Uint8Array] {
  const copy = said.quoted.slice()
  copy.set(sent.subarray(8, 12), 8)
  return [copy, sent.subarray(0, copy.length)]
}

/** The packet with four bytes of options (no operation). */
export function optional(packet: Uint8Array): Uint8Array {
  const copy = new Uint8Array(packet.length + 4)
  copy.set(packet.subarray(0, 20))
  copy.set([1, 1, 1, 1], 20)
  copy.set(packet.subarray(20), 24)
  copy[0] = 0x46
  copy.set(u16(copy.length), 2)
  copy.set([0, 0], 10)
  copy.set(u16(~sum(copy.subarray(0, 24))), 10)
  return copy
}
