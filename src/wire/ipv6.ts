// Hot: accessors only. RFC 8200.
/**
 *    |version| traffic class |           flow label                  |
 *    |        payload length         |  next header  |   hop limit   |
 *    |                        source (16 bytes)                      |
 *    |                      destination (16 bytes)                   |
 */
export const HEADER_LENGTH = 40
export const HOP_BY_HOP = 0
export const ROUTING = 43
export const DESTINATION_OPTIONS = 60
/** Extension headers that a walk follows before it gives up. */
const EXTENSION_COUNT_MAX = 8

export function version(view: DataView, at: number): number {
  return view.getUint8(at) >> 4
}

export function payloadLength(view: DataView, at: number): number {
  return view.getUint16(at + 4)
}

export function nextHeader(view: DataView, at: number): number {
  return view.getUint8(at + 6)
}

export function setPayloadLength(view: DataView, at: number, length: number): void {
  view.setUint16(at + 4, length)
}

/** Offset of the header of `protocol` behind the extension headers that every segment repeats; -1 if another comes first or it ends beyond `end`. */
export function transportAt(view: DataView, at: number, end: number, protocol: number): number {
  let next = nextHeader(view, at)
  let offset = at + HEADER_LENGTH
  for (let i = 0; i < EXTENSION_COUNT_MAX; i++) {
    if (next === protocol) return offset
    if (next !== HOP_BY_HOP && next !== ROUTING && next !== DESTINATION_OPTIONS) return -1
    if (offset + 8 > end) return -1
    next = view.getUint8(offset)
    offset += (view.getUint8(offset + 1) + 1) << 3
  }
  return -1
}
