/**
 * Netlink messages as bytes (netlink(7)): a header, a fixed part, then attributes, each aligned to four bytes.
 *
 *    |           length (4)          |   type (2)    |  flags (2)    |  sequence (4) |   port (4)    |   all of it in the
 *    | length (2) | attribute (2) | value … padding                                                |   machine's byte order
 */
import { endianness } from 'node:os'
import { native } from '../memory/native.ts'

export const REQUEST = 1
export const ACK = 4
export const DUMP = 0x300
export const EXCL = 0x200
export const NONREC = 0x100
export const CREATE = 0x400
export const APPEND = 0x800
/** NETLINK_ROUTE and NETLINK_NETFILTER */
export const ROUTE = 0
export const NETFILTER = 12

const NESTED = 0x8000
const TYPE_MASK = 0x3fff
const HEADER_LENGTH = 16
const LITTLE = endianness() === 'LE'

/** The value of an attribute: bytes, text (a zero ends it), or attributes. */
export type Value = Uint8Array | string | Attribute[]
export type Attribute = readonly [type: number, value: Value]

/** A message that was received. */
export interface Received {
  type: number
  flags: number
  /** what follows the header */
  body: Buffer
}

function aligned(length: number): number {
  return (length + 3) & ~3
}

/** 32 bits in network order, as nf_tables and addresses have them. */
export function big(value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value | 0)
  return bytes
}

/** 32 bits in the machine's order, as rtnetlink has them. */
export function own(value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  if (LITTLE) bytes.writeInt32LE(value | 0)
  else bytes.writeInt32BE(value | 0)
  return bytes
}

function attribute([type, value]: Attribute): Buffer {
  const isNest = Array.isArray(value)
  const bytes = isNest
    ? Buffer.concat(value.map(attribute))
    : typeof value === 'string'
      ? Buffer.from(`${value}\0`)
      : value
  const result = Buffer.alloc(aligned(4 + bytes.length))
  write16(result, 4 + bytes.length, 0)
  write16(result, isNest ? type | NESTED : type, 2)
  result.set(bytes, 4)
  return result
}

function write16(buffer: Buffer, value: number, at: number): void {
  if (LITTLE) buffer.writeUInt16LE(value, at)
  else buffer.writeUInt16BE(value, at)
}

export function read16(buffer: Buffer, at: number): number {
  return LITTLE ? buffer.readUInt16LE(at) : buffer.readUInt16BE(at)
}

export function read32(buffer: Buffer, at: number): number {
  return LITTLE ? buffer.readUInt32LE(at) : buffer.readUInt32BE(at)
}

/** One message; `fixed` is the structure of its type, REQUEST is added to the flags. */
export function message(
  type: number,
  flags: number,
  sequence: number,
  fixed: Uint8Array,
  attributes: Attribute[] = [],
): Buffer {
  const parts = [Buffer.alloc(HEADER_LENGTH), fixed, ...attributes.map(attribute)]
  const result = Buffer.concat(parts)
  const length = Buffer.from(own(result.length))
  length.copy(result, 0)
  write16(result, type, 4)
  write16(result, flags | REQUEST, 6)
  result.set(own(sequence), 8)
  return result
}

/** The messages in what the kernel answered. */
export function messages(answer: Buffer): Received[] {
  const result: Received[] = []
  for (let at = 0; at + HEADER_LENGTH <= answer.length; ) {
    const length = read32(answer, at)
    if (length < HEADER_LENGTH) break
    const body = answer.subarray(at + HEADER_LENGTH, at + length)
    result.push({ type: read16(answer, at + 4), flags: read16(answer, at + 6), body })
    at += aligned(length)
  }
  return result
}

/** Attributes by type; of several of one type the last counts. */
export function attributes(bytes: Buffer): Map<number, Buffer> {
  return new Map(list(bytes))
}

/** Attributes in their order. */
export function list(bytes: Buffer): [type: number, value: Buffer][] {
  const result: [number, Buffer][] = []
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = read16(bytes, at)
    if (length < 4) break
    result.push([read16(bytes, at + 2) & TYPE_MASK, bytes.subarray(at + 4, at + length)])
    at += aligned(length)
  }
  return result
}

/** Text of an attribute, without the zero that ends it; '' where there is none. */
export function textOf(value: Buffer | undefined): string {
  if (value === undefined) return ''
  const end = value.indexOf(0)
  return value.toString('latin1', 0, end < 0 ? value.length : end)
}

/** Sends one datagram in this process's namespace; throws a NativeError that names `subject`. */
export function request(family: number, datagram: Uint8Array, subject: string): Received[] {
  return messages(native.netlinkRequest('', family, datagram, subject))
}
