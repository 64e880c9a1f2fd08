// Hot: accessors only. RFC 791.
/**
 *    0                   1                   2                   3
 *    |version|  ihl  |      tos      |         total length          |
 *    |         identification        |flags|     fragment offset     |
 *    |      ttl      |   protocol    |           checksum            |
 *    |                            source                             |
 *    |                         destination                           |
 */
export const HEADER_LENGTH = 20
export const PROTOCOL_ICMP = 1
export const PROTOCOL_TCP = 6
export const PROTOCOL_UDP = 17

export function version(view: DataView, at: number): number {
  return view.getUint8(at) >> 4
}

/** Header length in bytes. */
export function headerLength(view: DataView, at: number): number {
  return (view.getUint8(at) & 0x0f) << 2
}

export function totalLength(view: DataView, at: number): number {
  return view.getUint16(at + 2)
}

export function identification(view: DataView, at: number): number {
  return view.getUint16(at + 4)
}

/** More-fragments flag and offset: zero for a whole packet. */
export function fragment(view: DataView, at: number): number {
  return view.getUint16(at + 6) & 0x3fff
}

export function protocol(view: DataView, at: number): number {
  return view.getUint8(at + 9)
}

export function ttl(view: DataView, at: number): number {
  return view.getUint8(at + 8)
}

export function source(view: DataView, at: number): number {
  return view.getInt32(at + 12)
}

export function destination(view: DataView, at: number): number {
  return view.getInt32(at + 16)
}

export function setTotalLength(view: DataView, at: number, length: number): void {
  view.setUint16(at + 2, length)
}

export function setIdentification(view: DataView, at: number, id: number): void {
  view.setUint16(at + 4, id)
}

export function setChecksum(view: DataView, at: number, sum: number): void {
  view.setUint16(at + 10, sum)
}

export function setTtl(view: DataView, at: number, ttl: number): void {
  view.setUint8(at + 8, ttl)
}

export function setSource(view: DataView, at: number, address: number): void {
  view.setInt32(at + 12, address)
}

export function setDestination(view: DataView, at: number, address: number): void {
  view.setInt32(at + 16, address)
}

/** True if the packet may not be fragmented on its way. */
export function dontFragment(view: DataView, at: number): boolean {
  return (view.getUint8(at + 6) & 0x40) !== 0
}
