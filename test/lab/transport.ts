/** IPv4 packets of UDP, TCP and ICMP between endpoints written as `10.0.0.1:80`, and what such packets say when they arrive. */
import { type Bytes, ip, ipv4, join, sum, u16, u32 } from './frame.ts'

export const SYN = 0x02
export const RST = 0x04
export const ACK = 0x10
export const FIN = 0x01

interface End {
  address: string
  port: number
}

function end(text: string): End {
  const [address, port] = text.split(':')
  return { address, port: Number(port) }
}

/** A transport segment with its checksum made over the pseudo-header; 0 stays away from UDP. */
function sealed(from: End, to: End, protocol: number, segment: Uint8Array, place: number): Uint8Array {
  const pseudo = sum(join(ip(from.address), ip(to.address), u16(protocol), u16(segment.length)))
  const total = ~sum(segment, pseudo) & 0xffff
  segment.set(u16(total === 0 ? 0xffff : total), place)
  return segment
}

export interface Shape {
  payload?: Bytes
  /** flags and offset word of the IPv4 header */
  fragment?: number
  ttl?: number
  tos?: number
}

function packet(from: End, to: End, protocol: number, payload: Uint8Array, shape: Shape): Uint8Array {
  const addresses = { source: from.address, destination: to.address }
  const bytes = ipv4({ ...addresses, protocol, fragment: shape.fragment ?? 0 }, payload)
  if (shape.ttl !== undefined || shape.tos !== undefined) {
    bytes[1] = shape.tos ?? 0
    bytes[8] = shape.ttl ?? bytes[8]
    bytes.set([0, 0], 10)
    bytes.set(u16(~sum(bytes.subarray(0, 20))), 10)
  }
  return bytes
}

export function udp(from: string, to: string, shape: Shape = {}): Uint8Array {
  const [source, destination] = [end(from), end(to)]
  const payload = shape.payload ?? [1, 2, 3]
  const segment = join(u16(source.port), u16(destination.port), u16(8 + payload.length), [0, 0], payload)
  return packet(source, destination, 17, sealed(source, destination, 17, segment, 6), shape)
}

export interface Segment extends Shape {
  sequence?: number
  acknowledged?: number
  /** a multiple of four bytes */
  options?: Bytes
}

export function tcp(from: string, to: string, flags: number, shape: Segment = {}): Uint8Array {
  const [source, destination] = [end(from), end(to)]
  const { sequence = 1000, acknowledged = 0, payload = [], options = [] } = shape
  const head = [...u16(source.port), ...u16(destination.port), ...u32(sequence), ...u32(acknowledged)]
  const length = (20 + options.length) << 2
  const segment = join(head, [length, flags], u16(8000), [0, 0, 0, 0], options, payload)
  return packet(source, destination, 6, sealed(source, destination, 6, segment, 16), shape)
}

/** An ICMP query; the endpoints' ports: the identifier stands at the side that asks. */
export function query(
  from: string,
  to: string,
  type = 8,
  shape: Shape & { sequence?: number } = {},
): Uint8Array {
  const [source, destination] = [end(from), end(to)]
  const id = type === 0 || type === 14 ? destination.port : source.port
  const body = join([type, 0, 0, 0], u16(id), u16(shape.sequence ?? 1), shape.payload ?? [9, 9])
  body.set(u16(~sum(body)), 2)
  return packet(source, destination, 1, body, shape)
}

/** An ICMP error from `from` about a packet that it got: the first `length` bytes of it are quoted. */
export function error(from: string, about: Uint8Array, type: number, code: number, length = 28): Uint8Array {
  const source = end(from)
  const destination = { address: [...about.subarray(12, 16)].join('.'), port: 0 }
  const body = join([type, code, 0, 0, 0, 0, 0, 0], about.subarray(0, length))
  body.set(u16(~sum(body)), 2)
  return packet(source, destination, 1, body, {})
}

/** What a packet says. */
export interface Said {
  protocol: number
  from: string
  to: string
  source: string
  destination: string
  port: number
  ttl: number
  flags: number
  type: number
  code: number
  payload: string
  quoted: Uint8Array
}

/** Reads a packet and throws an Error if one of its checksums is wrong. */
export function read(bytes: Uint8Array): Said {
  const protocol = bytes[9]
  const source = [...bytes.subarray(12, 16)].join('.')
  const destination = [...bytes.subarray(16, 20)].join('.')
  const header = (bytes[0] & 15) << 2
  const body = bytes.subarray(header, (bytes[2] << 8) | bytes[3])
  if (sum(bytes.subarray(0, header)) !== 0xffff) throw new Error('wrong IPv4 checksum')
  const pseudo = sum(join(bytes.subarray(12, 20), u16(protocol), u16(body.length)))
  const isUnsummed = protocol === 17 && body[6] === 0 && body[7] === 0
  const total = sum(body, protocol === 1 ? 0 : pseudo)
  if ([1, 6, 17].includes(protocol) && !isUnsummed && total !== 0xffff) throw new Error('wrong checksum')
  const port = (at: number) => (body[at] << 8) | body[at + 1]
  const isIcmp = protocol === 1
  const [near, far] = isIcmp ? [port(4), port(4)] : [port(0), port(2)]
  const data = { 1: 8, 6: 20, 17: 8 }[protocol] ?? 0
  return {
    protocol,
    from: `${source}:${near}`,
    to: `${destination}:${far}`,
    source,
    destination,
    port: near,
    ttl: bytes[8],
    flags: body[13],
    type: body[0],
    code: body[1],
    payload: Buffer.from(body.subarray(data)).toString('hex'),
    quoted: body.slice(8),
  }
}

/** Packets as `from > to`. */
export function ends(packets: { packet: Uint8Array }[]): string[] {
  return packets.map(({ packet }) => {
    const { from, to } = read(packet)
    return `${from} > ${to}`
  })
}

/** A packet in fragments of `size` bytes of payload, a multiple of 8. */
export function split(packet: Uint8Array, size: number): Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let at = 20; at < packet.length; at += size) {
    const piece = join(packet.subarray(0, 20), packet.subarray(at, at + size))
    piece.set(u16(piece.length), 2)
    piece.set(u16(((at - 20) >> 3) | (at + size < packet.length ? 0x2000 : 0)), 6)
    piece.set([0, 0], 10)
    piece.set(u16(~sum(piece.subarray(0, 20))), 10)
    pieces.push(piece)
  }
  return pieces
}

/** What fragments carry together, in their order. */
export function together(fragments: { packet: Uint8Array }[]): Uint8Array {
  const offset = (packet: Uint8Array) => ((packet[6] << 8) | packet[7]) & 0x1fff
  const sorted = fragments.map(({ packet }) => packet).sort((a, b) => offset(a) - offset(b))
  return join(...sorted.map((packet) => packet.subarray(20)))
}
