/**
 * pcapng (draft-ietf-opsawg-pcapng), little-endian: the blocks beside the frames', which workers write (pipeline/record.ts).
 *
 *   type 4 | bytes of the block 4 | body … | options … | bytes of the block 4
 *   option: code 2 | bytes of the value 2 | value, padded to 32 bits
 */
import { BLOCK, REASON_SHIFT } from '../../pipeline/record.ts'

const SECTION = 0x0a0d0d0a
const INTERFACE = 1
const STATISTICS = 5
const ORDER = 0x1a2b3c4d
const ETHERNET = 1
/** a resolution of 10^-9 s */
const NANOSECONDS = 9
/** what an if_filter begins with: it is text of libpcap */
const FILTER_TEXT = 0

const COMMENT = 1
const OPTION_LENGTH_MAX = 0xffff

/** Bytes of a frame that can be kept: libpcap's own largest. */
export const SNAP_MAX = 262_144

/** The header of an answer that says which capture it is: its end is asked by that number. */
export const CAPTURE_HEADER = 'bridgeport-capture'

/** A port as a capture names it. */
export interface Interface {
  name: string
  description: string
  /** bytes of a frame that are kept */
  snap: number
  /** '' for none */
  filter: string
}

/** What an interface's share of a capture was. */
export interface Statistics {
  interface: number
  /** milliseconds since 1970 */
  beganMs: number
  endedMs: number
  /** frames that passed the port, null if that is not known */
  received: number | null
  accepted: number
  dropped: number
  comment: string
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, i * 4)
  return bytes
}

function option(code: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(4 + ((value.length + 3) & ~3))
  bytes.writeUInt16LE(code, 0)
  bytes.writeUInt16LE(value.length, 2)
  value.copy(bytes, 4)
  return bytes
}

/** None if there is no text. */
function text(code: number, value: string): Buffer {
  return value === '' ? Buffer.alloc(0) : option(code, Buffer.from(value).subarray(0, OPTION_LENGTH_MAX))
}

function count(code: number, value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return option(code, bytes)
}

/** The upper and the lower half of a time in nanoseconds since 1970. */
export function halves(timeMs: number): [number, number] {
  const nanoseconds = BigInt(Math.round(timeMs)) * 1_000_000n
  return [Number(nanoseconds >> 32n), Number(nanoseconds & 0xffffffffn)]
}

function block(type: number, body: Buffer, options: readonly Buffer[]): Buffer {
  const length = 12 + body.length + options.reduce((sum, each) => sum + each.length, 0) + 4
  return Buffer.concat([words(type, length), body, ...options, words(0, length)])
}

/** A section's header; how long the section gets is not known. */
export function section(hardware: string, system: string, application: string): Buffer {
  const body = words(ORDER, 1, 0xffffffff, 0xffffffff)
  return block(SECTION, body, [text(2, hardware), text(3, system), text(4, application)])
}

export function description({ name, description: says, snap, filter }: Interface): Buffer {
  const asked = filter === '' ? [] : [option(11, Buffer.from(`${String.fromCharCode(FILTER_TEXT)}${filter}`))]
  const resolution = option(9, Buffer.of(NANOSECONDS))
  return block(INTERFACE, words(ETHERNET, snap), [text(2, name), text(3, says), resolution, ...asked])
}

export function statistics(each: Statistics): Buffer {
  const { beganMs, endedMs, received, accepted, dropped, comment } = each
  return block(STATISTICS, words(each.interface, ...halves(endedMs)), [
    text(COMMENT, comment),
    option(2, words(...halves(beganMs))),
    option(3, words(...halves(endedMs))),
    ...(received === null ? [] : [count(4, received)]),
    count(5, dropped),
    count(6, accepted),
  ])
}

export function comment(says: string): Buffer {
  return text(COMMENT, says)
}

/** Copies the block of a dropped frame's record, with a comment among its options; returns its bytes. */
export function annotate(into: Buffer, record: Uint8Array, comment: Uint8Array): number {
  const length = record.length + comment.length
  // The end of the options, which in a record says more, and the length stand behind it.
  const end = record.length - 8
  into.set(record.subarray(0, end))
  into.set(comment, end)
  into.writeUInt32LE(BLOCK, 0)
  into.writeUInt32LE(length, 4)
  into.writeUInt32LE(0, length - 8)
  into.writeUInt32LE(length, length - 4)
  return length
}

/** Why a record's frame was dropped, a number of reason.ts; -1 if it was not. */
export function reasonOf(type: number): number {
  return (type >>> REASON_SHIFT) - 1
}
