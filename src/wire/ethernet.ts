// Hot: accessors only. RFC 894, IEEE 802.3 and 802.1Q.
/**
 *   0                   6                   12       14
 *   | destination MAC   | source MAC        | type   | payload …
 *   with a tag:                             | 0x8100 or 0x88a8 | tag control | type | payload …
 *
 * A MAC is read as its first 16 bits (`high`) and its last 32 (`low`, an int32). `at` is the offset of the first byte.
 */
export const HEADER_LENGTH = 14
export const TAG_LENGTH = 4
export const TYPE_IPV4 = 0x0800
export const TYPE_ARP = 0x0806
export const TYPE_IPV6 = 0x86dd
export const TYPE_VLAN = 0x8100
export const TYPE_QINQ = 0x88a8
/** The group bit of a MAC's high part. */
export const GROUP = 0x0100

export function destinationHigh(view: DataView, at: number): number {
  return view.getUint16(at)
}

export function destinationLow(view: DataView, at: number): number {
  return view.getInt32(at + 2)
}

export function sourceHigh(view: DataView, at: number): number {
  return view.getUint16(at + 6)
}

export function sourceLow(view: DataView, at: number): number {
  return view.getInt32(at + 8)
}

export function setDestination(view: DataView, at: number, high: number, low: number): void {
  view.setUint16(at, high)
  view.setInt32(at + 2, low)
}

export function setSource(view: DataView, at: number, high: number, low: number): void {
  view.setUint16(at + 6, high)
  view.setInt32(at + 8, low)
}

export function setType(view: DataView, at: number, type: number): void {
  view.setUint16(at + 12, type)
}

export function type(view: DataView, at: number): number {
  return view.getUint16(at + 12)
}

export function isTag(type: number): boolean {
  return type === TYPE_VLAN || type === TYPE_QINQ
}

/** Offset of the network header behind at most two tags; may lie beyond `length`, which the caller checks. */
export function payloadAt(view: DataView, at: number, length: number): number {
  let end = at + HEADER_LENGTH
  for (let tags = 0; tags < 2 && end + TAG_LENGTH <= at + length && isTag(view.getUint16(end - 2)); tags++)
    end += TAG_LENGTH
  return end
}
