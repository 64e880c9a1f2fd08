// Hot: accessors only. RFC 826, for Ethernet and IPv4.
/**
 *    |      hardware type (1)        |     protocol type (0x0800)    |
 *    | hlen 6  | plen 4  |                operation                  |
 *    | sender MAC (6) | sender IP (4) | target MAC (6) | target IP (4) |
 */
export const LENGTH = 28
export const SENDER_AT = 8
export const TARGET_AT = 18
export const REQUEST = 1
export const REPLY = 2

/** True if hardware, protocol and address lengths are Ethernet's and IPv4's. */
export function valid(view: DataView, at: number): boolean {
  return view.getInt32(at) === 0x00010800 && view.getUint16(at + 4) === 0x0604
}

export function operation(view: DataView, at: number): number {
  return view.getUint16(at + 6)
}

export function senderHigh(view: DataView, at: number): number {
  return view.getUint16(at + 8)
}

export function senderLow(view: DataView, at: number): number {
  return view.getInt32(at + 10)
}

export function sender(view: DataView, at: number): number {
  return view.getInt32(at + 14)
}

export function target(view: DataView, at: number): number {
  return view.getInt32(at + 24)
}

/** Writes all 28 bytes. */
export function write(
  view: DataView,
  at: number,
  operation: number,
  senderHigh: number,
  senderLow: number,
  sender: number,
  targetHigh: number,
  targetLow: number,
  target: number,
): void {
  view.setInt32(at, 0x00010800)
  view.setUint16(at + 4, 0x0604)
  view.setUint16(at + 6, operation)
  view.setUint16(at + 8, senderHigh)
  view.setInt32(at + 10, senderLow)
  view.setInt32(at + 14, sender)
  view.setUint16(at + 18, targetHigh)
  view.setInt32(at + 20, targetLow)
  view.setInt32(at + 24, target)
}
