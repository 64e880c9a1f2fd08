// Hot: accessors only. RFC 792.
/**
 *    |     type      |     code      |           checksum            |
 *    |   identifier, or unused       | sequence number, or next MTU  |
 *    | for errors: the IPv4 header and at least 8 bytes of the packet that caused it
 */
export const HEADER_LENGTH = 8
export const CHECKSUM_AT = 2
export const ECHO_REPLY = 0
export const UNREACHABLE = 3
export const SOURCE_QUENCH = 4
export const REDIRECT = 5
export const ECHO = 8
export const TIME_EXCEEDED = 11
export const PARAMETER_PROBLEM = 12
export const TIMESTAMP = 13
export const INFORMATION = 15
export const MASK = 17
export const MASK_REPLY = 18
/** codes of UNREACHABLE: RFC 792, RFC 1191, RFC 1812 5.2.7.1 */
export const NETWORK = 0
export const HOST = 1
export const PROTOCOL = 2
export const PORT = 3
export const FRAGMENTATION_NEEDED = 4
export const PROHIBITED = 13
/** codes of TIME_EXCEEDED */
export const TTL = 0
export const REASSEMBLY = 1

export function type(view: DataView, at: number): number {
  return view.getUint8(at)
}

export function code(view: DataView, at: number): number {
  return view.getUint8(at + 1)
}

export function identifier(view: DataView, at: number): number {
  return view.getUint16(at + 4)
}

export function setType(view: DataView, at: number, type: number, code: number): void {
  view.setUint16(at, (type << 8) | code)
}

export function setChecksum(view: DataView, at: number, sum: number): void {
  view.setUint16(at + 2, sum)
}

export function setIdentifier(view: DataView, at: number, identifier: number): void {
  view.setUint16(at + 4, identifier)
}

/** True for requests and replies with an identifier: echo, timestamp, information, address mask. */
export function isQuery(type: number): boolean {
  return type === ECHO || type === ECHO_REPLY || (type >= TIMESTAMP && type <= MASK_REPLY)
}

/** True for a query that asks: echo, timestamp, information, address mask. */
export function isRequest(type: number): boolean {
  return type === ECHO || type === TIMESTAMP || type === INFORMATION || type === MASK
}

/** True for messages about another packet, whose header they carry. */
export function isError(type: number): boolean {
  return (
    type === UNREACHABLE ||
    type === SOURCE_QUENCH ||
    type === REDIRECT ||
    type === TIME_EXCEEDED ||
    type === PARAMETER_PROBLEM
  )
}

/** The type that answers a query and that a query answers. */
export function inverse(type: number): number {
  if (type === ECHO) return ECHO_REPLY
  if (type === ECHO_REPLY) return ECHO
  return ((type - 1) ^ 1) + 1 // 13 and 14, 15 and 16, 17 and 18
}
