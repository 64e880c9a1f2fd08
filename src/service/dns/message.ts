/**
 * DNS messages as bytes (RFC 1035 4.1). What passes through the forwarder is never taken apart and built anew, so record types
 * that nobody here knows come out as they went in; only the header, the question's letters, TTLs and OPT (RFC 6891) are touched.
 *
 *    |      id       |qr|opcode|aa|tc|rd|ra|z|ad|cd|rcode|
 *    |    questions  |    answers    |   authority   |  additional   |
 */
export const HEADER_LENGTH = 12
/** RFC 6891 6.2.5 leaves the size open; 1232 is what passes everywhere unfragmented: the IPv6 minimum MTU without its headers. */
export const UDP_LENGTH_MAX = 1232
/** RFC 1035 2.3.4: what a UDP message may have without EDNS. */
export const PLAIN_LENGTH_MAX = 512
export const LENGTH_MAX = 65535

export const NOERROR = 0
export const FORMERR = 1
export const SERVFAIL = 2
export const NXDOMAIN = 3
export const NOTIMP = 4
export const REFUSED = 5
/** RFC 6891 9: the upper eight bits stand in OPT */
export const BADVERS = 16

export const TYPE_A = 1
export const TYPE_SOA = 6
export const TYPE_PTR = 12
export const TYPE_OPT = 41
export const TYPE_IXFR = 251
export const TYPE_AXFR = 252
export const TYPE_ANY = 255
export const CLASS_IN = 1
export const CLASS_ANY = 255

export const QR = 0x8000
export const AA = 0x0400
export const TC = 0x0200
export const RD = 0x0100
export const RA = 0x0080
export const AD = 0x0020
export const CD = 0x0010
const OPCODE = 0x7800
const DO = 0x8000

const OPT_LENGTH = 11
/** RFC 1035 2.3.4 */
const NAME_LENGTH_MAX = 255

/** What a message says beside its records. */
export interface Message {
  bytes: Uint8Array
  view: DataView
  flags: number
  /** in lower case, labels joined by dots; '' is the root */
  name: string
  /** the same as it was written */
  written: string
  type: number
  class: number
  /** where the question ends and the records begin */
  questionEnd: number
  /** places of the TTLs of all records but OPT */
  ttls: number[]
  /** place of the SOA record's last word, its MINIMUM, -1 without SOA in the authority section */
  minimum: number
  /** place of OPT, -1 without */
  optAt: number
  /** records of the additional section before OPT */
  beforeOpt: number
}

export function opcode({ flags }: Message): number {
  return (flags & OPCODE) >> 11
}

export function answers({ view }: Message): number {
  return view.getUint16(6)
}

/** UDP payload that the sender takes. */
export function capacity({ optAt, view }: Message): number {
  return optAt < 0 ? PLAIN_LENGTH_MAX : Math.max(PLAIN_LENGTH_MAX, view.getUint16(optAt + 3))
}

export function version({ optAt, view }: Message): number {
  return optAt < 0 ? 0 : view.getUint8(optAt + 6)
}

/** RFC 3225: the sender understands DNSSEC's records. */
export function wantsSecurity({ optAt, view }: Message): boolean {
  return optAt >= 0 && (view.getUint16(optAt + 7) & DO) !== 0
}

/** All twelve bits. */
export function rcode({ flags, optAt, view }: Message): number {
  return (flags & 0x0f) | (optAt < 0 ? 0 : view.getUint8(optAt + 5) << 4)
}

/** The question's name at `at`, or null: it may not be compressed, there is nothing before it. */
function nameAt(bytes: Uint8Array, at: number): { written: string; end: number } | null {
  const labels: string[] = []
  let place = at
  for (;;) {
    const length = bytes[place++]
    if (length === undefined || length > 63 || place + length > bytes.length) return null
    if (length === 0) break
    const label = Buffer.from(bytes.buffer, bytes.byteOffset + place, length).toString('latin1')
    // A dot inside of a label is written so that it cannot be taken for one between two.
    labels.push(label.replace(/[\\.]/g, '\\$&'))
    place += length
    if (place - at > NAME_LENGTH_MAX) return null
  }
  return { written: labels.join('.'), end: place }
}

/** The end of a name in a record, -1 if it leaves the message. */
function skipName(bytes: Uint8Array, at: number): number {
  let place = at
  for (;;) {
    const length = bytes[place]
    if (length === undefined) return -1
    if (length === 0) return place + 1
    if (length >= 0xc0) return place + 2 <= bytes.length ? place + 2 : -1
    if (length > 63) return -1
    place += 1 + length
  }
}

/** Notes what stands in the three sections of records; false if they are malformed. */
function walk(message: Message): boolean {
  const { bytes, view } = message
  const [answers, authority, additional] = [6, 8, 10].map((at) => view.getUint16(at))
  let at = message.questionEnd
  for (let index = 0; index < answers + authority + additional; index++) {
    const fixed = skipName(bytes, at)
    if (fixed < 0 || fixed + 10 > bytes.length) return false
    const end = fixed + 10 + view.getUint16(fixed + 8)
    if (end > bytes.length) return false
    const type = view.getUint16(fixed)
    const isAdditional = index >= answers + authority
    if (type === TYPE_OPT) {
      // RFC 6891 6.1.1: one, of the root, in the additional section.
      if (!isAdditional || fixed !== at + 1 || message.optAt >= 0) return false
      message.optAt = at
      message.beforeOpt = index - answers - authority
    } else message.ttls.push(fixed + 4)
    if (type === TYPE_SOA && index >= answers && !isAdditional && end - fixed >= 10 + 22)
      message.minimum = end - 4
    at = end
  }
  return true
}

/** Reads a message with one question; null if it has not exactly one or is malformed. */
export function parse(bytes: Uint8Array): Message | null {
  if (bytes.length < HEADER_LENGTH) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const name = view.getUint16(4) === 1 ? nameAt(bytes, HEADER_LENGTH) : null
  if (name === null || name.end + 4 > bytes.length) return null
  const message: Message = {
    bytes,
    view,
    flags: view.getUint16(2),
    name: lower(name.written),
    written: name.written,
    type: view.getUint16(name.end),
    class: view.getUint16(name.end + 2),
    questionEnd: name.end + 4,
    ttls: [],
    minimum: -1,
    optAt: -1,
    beforeOpt: 0,
  }
  return walk(message) ? message : null
}

/** RFC 4343: names compare without regard to the case of ASCII letters, and of no others. */
export function lower(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

/** True if a reply is one to the question that was asked. */
export function isAnswer(reply: Message, query: Message): boolean {
  return (
    (reply.flags & QR) !== 0 &&
    opcode(reply) === 0 &&
    reply.view.getUint16(0) === query.view.getUint16(0) &&
    reply.type === query.type &&
    reply.class === query.class &&
    reply.name === query.name
  )
}

/** OPT of ours: the size that we take, the upper bits of the rcode, DO as it was asked. */
function writeOpt(view: DataView, at: number, code: number, security: boolean): void {
  view.setUint16(at + 1, TYPE_OPT)
  view.setUint16(at + 3, UDP_LENGTH_MAX)
  view.setUint8(at + 5, code >> 4)
  view.setUint16(at + 7, security ? DO : 0)
  view.setUint16(10, view.getUint16(10) + 1)
}

/** The question of a guest as the forwarder asks it: with an id of its own, and OPT unless the server takes none. */
export function question(query: Message, id: number, edns: boolean): Uint8Array {
  const bytes = new Uint8Array(query.questionEnd + (edns ? OPT_LENGTH : 0))
  bytes.set(query.bytes.subarray(0, query.questionEnd))
  const view = new DataView(bytes.buffer)
  view.setUint16(0, id)
  view.setUint16(2, RD | (query.flags & (CD | AD)))
  view.setUint16(4, 1)
  for (const at of [6, 8, 10]) view.setUint16(at, 0)
  if (edns) writeOpt(view, query.questionEnd, 0, wantsSecurity(query))
  return bytes
}

/** A message without its OPT; what stands behind OPT goes too, since names there may point to places that moved. */
export function strip({ bytes, optAt, beforeOpt }: Message): Uint8Array {
  if (optAt < 0) return bytes.slice()
  const kept = bytes.slice(0, optAt)
  new DataView(kept.buffer).setUint16(10, beforeOpt)
  return kept
}

/**
 * What the guest gets: `body`, a message without OPT, made the answer to its query. Longer than `limit`, it is the question
 * alone and says so (TC), so that the guest asks again by TCP.
 */
export function reply(query: Message, body: Uint8Array, code: number, limit: number): Uint8Array {
  const edns = query.optAt >= 0
  const whole = body.length + (edns ? OPT_LENGTH : 0) <= limit
  const length = whole ? body.length : query.questionEnd
  const bytes = new Uint8Array(length + (edns ? OPT_LENGTH : 0))
  bytes.set(body.subarray(0, length))
  bytes.set(query.bytes.subarray(HEADER_LENGTH, query.questionEnd), HEADER_LENGTH)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, query.view.getUint16(0))
  // RFC 6840 5.8: AD is for those who ask for it.
  const secure = (query.flags & AD) !== 0 || wantsSecurity(query) ? AD : 0
  const kept = view.getUint16(2) & (AA | TC | secure)
  view.setUint16(2, QR | RA | kept | (query.flags & (OPCODE | RD | CD)) | (whole ? 0 : TC) | (code & 0x0f))
  if (!whole) for (const at of [6, 8, 10]) view.setUint16(at, 0)
  if (edns) writeOpt(view, length, code, wantsSecurity(query))
  return bytes
}

/** A body without records. */
export function bare(query: Message): Uint8Array {
  const body = query.bytes.slice(0, query.questionEnd)
  const view = new DataView(body.buffer)
  view.setUint16(2, 0)
  for (const at of [6, 8, 10]) view.setUint16(at, 0)
  return body
}

/** An answer without records. */
export function empty(query: Message, code: number): Uint8Array {
  return reply(query, bare(query), code, LENGTH_MAX)
}

/** The answer to what is no question at all: a header that says so, or null where even an answer would be wrong. */
export function malformed(bytes: Uint8Array): Uint8Array | null {
  if (bytes.length < HEADER_LENGTH || (bytes[2] & 0x80) !== 0) return null
  const header = new Uint8Array(HEADER_LENGTH)
  header.set(bytes.subarray(0, 2))
  header[2] = 0x80 | (bytes[2] & 0x79)
  header[3] = 0x80 | ((bytes[2] & 0x78) !== 0 ? NOTIMP : FORMERR)
  return header
}
