/** DHCP messages as objects: read with suspicion, written by the rules of RFC 2131, 2132, 3396 (long options), 3397 and 3442. */
import * as dhcp from '../../wire/dhcp.ts'

/** Addresses are int32; `options` by code, repeated ones joined. */
export interface Message {
  op: number
  type: number
  xid: number
  secs: number
  flags: number
  ciaddr: number
  yiaddr: number
  giaddr: number
  /** the client's MAC */
  high: number
  low: number
  options: Map<number, Uint8Array>
}

/** A destination by way of a router; addresses are int32. */
export interface Route {
  network: number
  prefix: number
  router: number
}

/** Adds the options of one field; false if one runs over its end. */
function collect(bytes: Uint8Array, options: Map<number, Uint8Array>): boolean {
  for (let at = 0; at < bytes.length; ) {
    const code = bytes[at++]
    if (code === dhcp.PAD) continue
    if (code === dhcp.END) return true
    const length = bytes[at++]
    if (length === undefined || at + length > bytes.length) return false
    const value = bytes.subarray(at, at + length)
    const before = options.get(code)
    options.set(code, before === undefined ? value : Buffer.concat([before, value]))
    at += length
  }
  return true
}

/** Reads a message; null if it is none for Ethernet, is cut off, or has no message type (BOOTP). */
export function parse(bytes: Uint8Array): Message | null {
  if (bytes.length < dhcp.OPTIONS_AT) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint16(1) !== dhcp.ETHERNET || view.getUint32(dhcp.COOKIE_AT) !== dhcp.COOKIE) return null
  const options = new Map<number, Uint8Array>()
  if (!collect(bytes.subarray(dhcp.OPTIONS_AT), options)) return null
  const overload = options.get(dhcp.OVERLOAD)?.[0] ?? 0
  if (overload & 1 && !collect(bytes.subarray(dhcp.FILE_AT, dhcp.COOKIE_AT), options)) return null
  if (overload & 2 && !collect(bytes.subarray(dhcp.SNAME_AT, dhcp.FILE_AT), options)) return null
  const type = options.get(dhcp.TYPE)
  if (type?.length !== 1) return null
  return {
    op: bytes[0],
    type: type[0],
    xid: view.getUint32(dhcp.XID_AT),
    secs: view.getUint16(dhcp.SECS_AT),
    flags: view.getUint16(dhcp.FLAGS_AT),
    ciaddr: view.getInt32(dhcp.CIADDR_AT),
    yiaddr: view.getInt32(dhcp.YIADDR_AT),
    giaddr: view.getInt32(dhcp.GIADDR_AT),
    high: view.getUint16(dhcp.CHADDR_AT),
    low: view.getInt32(dhcp.CHADDR_AT + 2),
    options,
  }
}

/** Writes a message of at most `lengthMax` bytes; options stand in the order of the map, and what does not fit is left out. */
export function write(message: Message, lengthMax: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(dhcp.LENGTH_MIN, lengthMax))
  const view = new DataView(bytes.buffer)
  bytes[0] = message.op
  view.setUint16(1, dhcp.ETHERNET)
  view.setUint32(dhcp.XID_AT, message.xid)
  view.setUint16(dhcp.SECS_AT, message.secs)
  view.setUint16(dhcp.FLAGS_AT, message.flags)
  view.setInt32(dhcp.CIADDR_AT, message.ciaddr)
  view.setInt32(dhcp.YIADDR_AT, message.yiaddr)
  view.setInt32(dhcp.GIADDR_AT, message.giaddr)
  view.setUint16(dhcp.CHADDR_AT, message.high)
  view.setInt32(dhcp.CHADDR_AT + 2, message.low)
  view.setUint32(dhcp.COOKIE_AT, dhcp.COOKIE)
  let at = put(bytes, dhcp.OPTIONS_AT, dhcp.TYPE, Uint8Array.of(message.type))
  // RFC 3046 2.2: the relay's own option comes last, and has its room first.
  const relay = message.options.get(dhcp.RELAY)
  const room = bytes.length - 1 - (relay === undefined ? 0 : 2 + relay.length)
  for (const [code, value] of message.options) {
    const length = value.length + 2 * Math.ceil(value.length / 255)
    if (code !== dhcp.TYPE && code !== dhcp.RELAY && at + length <= room) at = put(bytes, at, code, value)
  }
  if (relay !== undefined && at + 2 + relay.length < bytes.length) at = put(bytes, at, dhcp.RELAY, relay)
  bytes[at] = dhcp.END
  return bytes.subarray(0, Math.max(dhcp.LENGTH_MIN, at + 1))
}

/** Writes an option, in pieces if it is longer than one can be (RFC 3396); returns where the next begins. */
function put(bytes: Uint8Array, at: number, code: number, value: Uint8Array): number {
  let end = at
  for (let from = 0; from < value.length; from += 255) {
    const piece = value.subarray(from, from + 255)
    bytes[end] = code
    bytes[end + 1] = piece.length
    bytes.set(piece, end + 2)
    end += 2 + piece.length
  }
  return end
}

/** The int32 that an option holds, or null if it is absent or no single address. */
export function address(message: Message, code: number): number | null {
  const value = message.options.get(code)
  return value?.length === 4 ? new DataView(value.buffer, value.byteOffset).getInt32(0) : null
}

export function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value)
}

export function int32(...values: number[]): Uint8Array {
  return Uint8Array.from(values.flatMap((value) => [value >>> 24, value >>> 16, value >>> 8, value]))
}

export function ascii(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'))
}

/** Domain names as RFC 1035 3.1 has them, one behind the other: option 119. */
export function names(list: readonly string[]): Uint8Array {
  const parts = list.map((name) => [
    ...name.split('.').flatMap((label) => [label.length, ...ascii(label)]),
    0,
  ])
  return Uint8Array.from(parts.flat())
}

/** Prefix length, as many bytes of the network as it covers, router: option 121. */
export function routes(list: readonly Route[]): Uint8Array {
  const parts = list.map(({ network, prefix, router }) => [
    prefix,
    ...int32(network).subarray(0, Math.ceil(prefix / 8)),
    ...int32(router),
  ])
  return Uint8Array.from(parts.flat())
}

/** The routes that option 121 holds; null if it is malformed. */
export function parseRoutes(value: Uint8Array): Route[] | null {
  const list: Route[] = []
  for (let at = 0; at < value.length; ) {
    const prefix = value[at]
    const covered = Math.ceil(prefix / 8)
    if (prefix > 32 || at + 1 + covered + 4 > value.length) return null
    const bytes = new Uint8Array(8)
    bytes.set(value.subarray(at + 1, at + 1 + covered))
    bytes.set(value.subarray(at + 1 + covered, at + 5 + covered), 4)
    const view = new DataView(bytes.buffer)
    list.push({ network: view.getInt32(0), prefix, router: view.getInt32(4) })
    at += 5 + covered
  }
  return list
}

/** What a client calls itself: its first label, in lower case, or '' if it is none that DNS can carry. */
export function hostname(message: Message): string {
  const plain = message.options.get(dhcp.HOSTNAME)
  const full = message.options.get(dhcp.NAME)
  // RFC 4702: flags and two bytes of no meaning, then the name; bit 2 of the flags says that it is in wire form.
  const isWire = full !== undefined && full.length > 4 && (full[0] & 4) !== 0
  const bytes = plain ?? (isWire ? full.subarray(4, 4 + full[3]) : full?.subarray(3))
  const label = Buffer.from(bytes ?? [])
    .toString('latin1')
    .replace(/\0+$/, '')
    .split('.')[0]
    .toLowerCase()
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label) ? label : ''
}
