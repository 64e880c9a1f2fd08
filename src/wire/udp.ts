// Hot: accessors only. RFC 768.
/**
 *    |          source port          |       destination port        |
 *    |            length             |           checksum            |
 */
export const HEADER_LENGTH = 8
export const CHECKSUM_AT = 6

export function sourcePort(view: DataView, at: number): number {
  return view.getUint16(at)
}

export function destinationPort(view: DataView, at: number): number {
  return view.getUint16(at + 2)
}

/** Length in bytes of header and payload, as written. */
export function length(view: DataView, at: number): number {
  return view.getUint16(at + 4)
}

export function setLength(view: DataView, at: number, length: number): void {
  view.setUint16(at + 4, length)
}
