/**
 * Messages of the vhost-user protocol (QEMU's docs/interop/vhost-user.rst), in the machine's byte order, which is little-endian
 * wherever we run. A front-end asks, a back-end answers with the same request number.
 *
 *    0               4               8              12
 *   | request       | flags         | payload bytes | payload …
 *
 *   flags: bits 0 and 1 the version, bit 2 "this is an answer", bit 3 "say whether it worked"
 *
 * Descriptors travel beside a message. How long each message is and how many descriptors it brings stands in `RULES`: what
 * differs is refused before anybody looks at it.
 */
export const HEADER = 12
export const VERSION = 1
const VERSION_MASK = 3
export const ANSWER = 4
export const NEED_ANSWER = 8

export const GET_FEATURES = 1
export const SET_FEATURES = 2
export const SET_OWNER = 3
export const RESET_OWNER = 4
export const SET_MEM_TABLE = 5
export const SET_LOG_BASE = 6
export const SET_LOG_FD = 7
export const SET_VRING_NUM = 8
export const SET_VRING_ADDR = 9
export const SET_VRING_BASE = 10
export const GET_VRING_BASE = 11
export const SET_VRING_KICK = 12
export const SET_VRING_CALL = 13
export const SET_VRING_ERR = 14
export const GET_PROTOCOL_FEATURES = 15
export const SET_PROTOCOL_FEATURES = 16
export const GET_QUEUE_NUM = 17
export const SET_VRING_ENABLE = 18
export const SEND_RARP = 19
export const NET_SET_MTU = 20
export const SET_BACKEND_REQ_FD = 21
export const GET_INFLIGHT_FD = 31
export const SET_INFLIGHT_FD = 32
export const RESET_DEVICE = 34
export const GET_MAX_MEM_SLOTS = 36
export const ADD_MEM_REG = 37
export const REM_MEM_REG = 38
export const SET_STATUS = 39
export const GET_STATUS = 40

/** bytes of a region, and of what stands before the regions of a table */
const REGION = 32
const TABLE_HEAD = 8
/** A message has at most as many descriptors as the kernel passes on at once (SCM_MAX_FD), and a table one for each region. */
export const DESCRIPTORS_MAX = 253
/** Nothing that we take is longer. */
export const PAYLOAD_MAX = TABLE_HEAD + DESCRIPTORS_MAX * REGION

/** What a message looks like. */
export interface Rule {
  name: string
  /** bytes of the payload: one of these; a table of regions tells its length itself */
  lengths: readonly number[]
  /** the fewest and the most descriptors */
  descriptors: readonly [number, number]
}

function rule(name: string, lengths: number | number[], most = 0, fewest = most): Rule {
  return { name, lengths: [lengths].flat(), descriptors: [fewest, most] }
}

const NOTHING = 0
const U64 = 8
/** a vring's number and a value */
const STATE = 8
const ADDRESSES = 40
/** The C structure ends with padding, which some leave out. */
const INFLIGHT = [24, 20]

export const RULES: ReadonlyMap<number, Rule> = new Map([
  [GET_FEATURES, rule('GET_FEATURES', NOTHING)],
  [SET_FEATURES, rule('SET_FEATURES', U64)],
  [SET_OWNER, rule('SET_OWNER', NOTHING)],
  [RESET_OWNER, rule('RESET_OWNER', NOTHING)],
  [SET_MEM_TABLE, rule('SET_MEM_TABLE', [], DESCRIPTORS_MAX, 0)],
  [SET_LOG_BASE, rule('SET_LOG_BASE', [16, U64], 1, 0)],
  [SET_LOG_FD, rule('SET_LOG_FD', NOTHING, 1, 0)],
  [SET_VRING_NUM, rule('SET_VRING_NUM', STATE)],
  [SET_VRING_ADDR, rule('SET_VRING_ADDR', ADDRESSES)],
  [SET_VRING_BASE, rule('SET_VRING_BASE', STATE)],
  [GET_VRING_BASE, rule('GET_VRING_BASE', STATE)],
  [SET_VRING_KICK, rule('SET_VRING_KICK', U64, 1, 0)],
  [SET_VRING_CALL, rule('SET_VRING_CALL', U64, 1, 0)],
  [SET_VRING_ERR, rule('SET_VRING_ERR', U64, 1, 0)],
  [GET_PROTOCOL_FEATURES, rule('GET_PROTOCOL_FEATURES', NOTHING)],
  [SET_PROTOCOL_FEATURES, rule('SET_PROTOCOL_FEATURES', U64)],
  [GET_QUEUE_NUM, rule('GET_QUEUE_NUM', NOTHING)],
  [SET_VRING_ENABLE, rule('SET_VRING_ENABLE', STATE)],
  [SEND_RARP, rule('SEND_RARP', U64)],
  [NET_SET_MTU, rule('NET_SET_MTU', U64)],
  [SET_BACKEND_REQ_FD, rule('SET_BACKEND_REQ_FD', NOTHING, 1)],
  [GET_INFLIGHT_FD, rule('GET_INFLIGHT_FD', INFLIGHT)],
  [SET_INFLIGHT_FD, rule('SET_INFLIGHT_FD', INFLIGHT, 1)],
  [RESET_DEVICE, rule('RESET_DEVICE', NOTHING)],
  [GET_MAX_MEM_SLOTS, rule('GET_MAX_MEM_SLOTS', NOTHING)],
  [ADD_MEM_REG, rule('ADD_MEM_REG', TABLE_HEAD + REGION, 1)],
  // "No descriptors should be passed … the back-end may accept messages with one."
  [REM_MEM_REG, rule('REM_MEM_REG', TABLE_HEAD + REGION, 1, 0)],
  [SET_STATUS, rule('SET_STATUS', U64)],
  [GET_STATUS, rule('GET_STATUS', NOTHING)],
])

/** A message as it came. Whoever takes a descriptor out of `fds` owns it, the others are closed. */
export interface Message {
  request: number
  flags: number
  payload: Buffer
  fds: number[]
}

export interface Header {
  request: number
  flags: number
  length: number
}

export function header(bytes: Buffer): Header {
  return { request: bytes.readUInt32LE(0), flags: bytes.readUInt32LE(4), length: bytes.readUInt32LE(8) }
}

export function name(request: number): string {
  return RULES.get(request)?.name ?? `request ${request}`
}

/** What is wrong with a header, '' if its payload may be read. */
export function misheaded({ request, flags, length }: Header): string {
  const known = RULES.get(request)
  if (!known) return `request ${request} is none that was offered`
  if ((flags & VERSION_MASK) !== VERSION) return `${known.name} is of version ${flags & VERSION_MASK}`
  if ((flags & ANSWER) !== 0) return `${known.name} is an answer, and nothing was asked`
  const fits = request === SET_MEM_TABLE ? isTable(length) : known.lengths.includes(length)
  return fits ? '' : `${known.name} with ${length} bytes`
}

function isTable(length: number): boolean {
  return length >= TABLE_HEAD && length <= PAYLOAD_MAX && (length - TABLE_HEAD) % REGION === 0
}

/** What is wrong with the number of descriptors, '' if nothing is. */
export function misequipped({ request, fds }: Message): string {
  const [fewest, most] = RULES.get(request)!.descriptors
  if (fds.length >= fewest && fds.length <= most) return ''
  return `${name(request)} with ${fds.length} descriptors`
}

export function u64(payload: Buffer): bigint {
  return payload.readBigUInt64LE(0)
}

/** A vring's number and a value about it. */
export function state(payload: Buffer): { index: number; value: number } {
  return { index: payload.readUInt32LE(0), value: payload.readUInt32LE(4) }
}

/** A vring's number, and whether a descriptor belongs to the message. */
export function file(payload: Buffer): { index: number; none: boolean } {
  const word = payload.readUInt32LE(0)
  return { index: word & 0xff, none: (word & 0x100) !== 0 }
}

/** Where a vring lies, in the front-end's own addresses. */
export interface Addresses {
  descriptors: bigint
  used: bigint
  avail: bigint
}

export function addresses(payload: Buffer): Addresses & { index: number } {
  const [descriptors, used, avail] = [8, 16, 24].map((at) => payload.readBigUInt64LE(at))
  return { index: payload.readUInt32LE(0), descriptors, used, avail }
}

/** A piece of the guest's memory: its address for the guest and for the front-end, its bytes, and where it begins in its file. */
export interface Region {
  guest: bigint
  length: bigint
  user: bigint
  offset: bigint
}

/** The regions of a table, or null if it does not hold as many as it says. */
export function regions(payload: Buffer): Region[] | null {
  const count = payload.readUInt32LE(0)
  if (payload.length !== TABLE_HEAD + count * REGION) return null
  return Array.from({ length: count }, (_, i) => regionAt(payload, TABLE_HEAD + i * REGION))
}

/** The region of a message that has one. */
export function region(payload: Buffer): Region {
  return regionAt(payload, TABLE_HEAD)
}

function regionAt(payload: Buffer, at: number): Region {
  const [guest, length, user, offset] = [0, 8, 16, 24].map((word) => payload.readBigUInt64LE(at + word))
  return { guest, length, user, offset }
}

export interface Inflight {
  length: bigint
  offset: bigint
  queues: number
  size: number
}

export function inflight(payload: Buffer): Inflight {
  return {
    length: payload.readBigUInt64LE(0),
    offset: payload.readBigUInt64LE(8),
    queues: payload.readUInt16LE(16),
    size: payload.readUInt16LE(18),
  }
}

/** The same as a payload of `bytes` bytes. */
export function inflightPayload({ length, offset, queues, size }: Inflight, bytes: number): Buffer {
  const payload = Buffer.alloc(bytes)
  payload.writeBigUInt64LE(length, 0)
  payload.writeBigUInt64LE(offset, 8)
  payload.writeUInt16LE(queues, 16)
  payload.writeUInt16LE(size, 18)
  return payload
}

export function statePayload(index: number, value: number): Buffer {
  const payload = Buffer.alloc(STATE)
  payload.writeUInt32LE(index, 0)
  payload.writeUInt32LE(value, 4)
  return payload
}

export function u64Payload(value: bigint): Buffer {
  const payload = Buffer.alloc(U64)
  payload.writeBigUInt64LE(value)
  return payload
}

/** An answer to `request`, whole. */
export function answer(request: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(HEADER + payload.length)
  bytes.writeUInt32LE(request, 0)
  bytes.writeUInt32LE(VERSION | ANSWER, 4)
  bytes.writeUInt32LE(payload.length, 8)
  bytes.set(payload, HEADER)
  return bytes
}
