/** Whether the checksums of a packet hold, once what its vnet header leaves open is made: computed the slow way, from the packet alone. */
import { join, sum, u16 } from './frame.ts'

export interface Carried {
  packet: Uint8Array
  /** of the frame: 14 bytes of Ethernet stand before the packet */
  vnet: Uint8Array
}

const ETHERNET = 14
const NEEDS_CSUM = 1

/** True if the IPv4 header is whole and its checksum right. */
export function headed(packet: Uint8Array): boolean {
  const header = (packet[0] & 15) << 2
  const total = (packet[2] << 8) | packet[3]
  if (packet.length < 20 || packet[0] >> 4 !== 4 || header < 20 || total < header) return false
  return total <= packet.length && sum(packet.subarray(0, header)) === 0xffff
}

/** The packet with the checksum made that NEEDS_CSUM asks for. */
export function completed({ packet, vnet }: Carried): Uint8Array {
  const made = packet.slice()
  if ((vnet[0] & NEEDS_CSUM) === 0) return made
  const start = (vnet[6] | (vnet[7] << 8)) - ETHERNET
  const at = start + (vnet[8] | (vnet[9] << 8))
  if (start < 0 || at + 2 > made.length) return made
  const total = ~sum(made.subarray(start)) & 0xffff
  made.set(u16(total === 0 && at - start === 6 ? 0xffff : total), at)
  return made
}

/** True if header and transport hold; a UDP datagram without a checksum does, what is too short for one does not. */
export function sound(carried: Carried): boolean {
  const packet = completed(carried)
  if (!headed(packet)) return false
  const protocol = packet[9]
  const body = packet.subarray((packet[0] & 15) << 2, (packet[2] << 8) | packet[3])
  const least = { 1: 8, 6: 20, 17: 8 }[protocol]
  if (least === undefined) return true
  if (body.length < least) return false
  if (protocol === 1) return sum(body) === 0xffff
  const length = protocol === 17 ? (body[4] << 8) | body[5] : body.length
  if (length > body.length) return false
  if (protocol === 17 && body[6] === 0 && body[7] === 0) return true
  const pseudo = sum(join(packet.subarray(12, 20), u16(protocol), u16(length)))
  return sum(body.subarray(0, length), pseudo) === 0xffff
}
