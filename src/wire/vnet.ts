// Hot: accessors only. struct virtio_net_hdr, virtio 1.2 section 5.1.6, little-endian, the legacy ten bytes.
/**
 *   0        1         2         4          6            8             10
 *   | flags  | gsoType | hdrLen  | gsoSize  | csumStart  | csumOffset  |
 */
export const LENGTH = 10
export const NEEDS_CSUM = 1

export const GSO_NONE = 0
export const GSO_TCPV4 = 1
export const GSO_TCPV6 = 4
export const GSO_UDP_L4 = 5
export const GSO_ECN = 0x80

export function flags(view: DataView, at: number): number {
  return view.getUint8(at)
}

export function gsoType(view: DataView, at: number): number {
  return view.getUint8(at + 1)
}

/** flags and GSO type in one read: zero for a frame that needs nothing. */
export function work(view: DataView, at: number): number {
  return view.getUint16(at)
}

export function headerLength(view: DataView, at: number): number {
  return view.getUint16(at + 2, true)
}

export function gsoSize(view: DataView, at: number): number {
  return view.getUint16(at + 4, true)
}

export function csumStart(view: DataView, at: number): number {
  return view.getUint16(at + 6, true)
}

export function csumOffset(view: DataView, at: number): number {
  return view.getUint16(at + 8, true)
}

/**
 * True if the frame of the header at `at` leaves the checksum open that covers what begins at byte `start` of it. A tunnel's frame may
 * ask for that of a packet further inside: its own transport's is complete then, or there is none.
 */
export function isPartial(view: DataView, at: number, start: number): boolean {
  return (flags(view, at) & NEEDS_CSUM) !== 0 && csumStart(view, at) === start
}

export function setFlags(view: DataView, at: number, flags: number, gsoType: number): void {
  view.setUint8(at, flags)
  view.setUint8(at + 1, gsoType)
}

export function setHeaderLength(view: DataView, at: number, length: number): void {
  view.setUint16(at + 2, length, true)
}

export function setGsoSize(view: DataView, at: number, size: number): void {
  view.setUint16(at + 4, size, true)
}

export function setCsum(view: DataView, at: number, start: number, offset: number): void {
  view.setUint16(at + 6, start, true)
  view.setUint16(at + 8, offset, true)
}

/** A frame that needs nothing: all ten bytes zero. */
export function clear(view: DataView, at: number): void {
  view.setUint32(at, 0)
  view.setUint32(at + 4, 0)
  view.setUint16(at + 8, 0)
}
