/**
 * The templates of the flow log's IPFIX records (RFC 7011 3.4). Numbers of elements are IANA's "IPFIX Information Elements"; NAT44 events
 * bear what RFC 8158 asks of a session's create and delete, in the record of the begin or end itself. Answers are counted by the
 * reverse elements of RFC 5103.
 *
 * A template's number is FIRST + END if the record is of an end + NAT if addresses are translated + ICMP if it has a type for a port.
 */
import { BEGIN, CLOSED, EVICTED, FORGOTTEN, TIMEOUT } from '../../table/chronicle.ts'
import { BYTES, DESTINATION, DNAT, PACKETS, PORTS, REPLY, SNAT, SOURCE, STATUS } from '../../table/flow.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import type { FlowEvent } from './reader.ts'

/** RFC 7011 3.4.3: data sets begin at 256. */
const FIRST = 256
const END = 1
const NAT = 2
const ICMP = 4
/** the options that say which network is behind an interface's number */
export const NAMES = FIRST + 8

/** An event, and the interfaces that it is about. */
export interface Told {
  event: FlowEvent
  ingress: number
  egress: number
  /** it came in from outside */
  isOutside: boolean
}

export interface Field {
  id: number
  /** bytes: 1, 2, 4 or 8 */
  length: number
  /** of an enterprise's element; RFC 5103 6.1 has 29305 for those of the reverse direction */
  enterprise?: number
  value(told: Told): number
}

export interface Template {
  id: number
  fields: readonly Field[]
  /** bytes of a record */
  length: number
}

const REVERSE = 29305

/** flowEndReason by the kinds of table/chronicle.ts: idle timeout, end detected, lack of resources, forced end. */
const REASONS: Record<number, number> = { [TIMEOUT]: 1, [CLOSED]: 3, [EVICTED]: 5, [FORGOTTEN]: 4 }

type Value = Field['value']
const field = (id: number, length: number, value: Value): Field => ({ id, length, value })
const reverse = (id: number, value: Value): Field => ({ id, length: 8, enterprise: REVERSE, value })
const address = (id: number, word: number) => field(id, 4, ({ event }) => event.words[word] >>> 0)
const high = (id: number, word: number) => field(id, 2, ({ event }) => event.words[word] >>> 16)
const low = (id: number, word: number) => field(id, 2, ({ event }) => event.words[word] & 0xffff)
const isBegin = ({ event }: Told) => event.kind === BEGIN
const packets = (direction: number): Value => {
  return ({ event }) => event.words[PACKETS + direction] >>> 0
}
const octets = (direction: number): Value => {
  return ({ event }) => new Float64Array(event.words.buffer)[BYTES + direction]
}

const times = [
  field(152, 8, ({ event }) => event.beganMs ?? event.lastMs),
  field(153, 8, ({ event }) => event.lastMs),
]
const identity = [
  address(8, SOURCE),
  address(12, DESTINATION),
  field(4, 1, ({ event }) => event.words[STATUS] & 0xff),
  field(10, 4, ({ ingress }) => ingress),
  field(14, 4, ({ egress }) => egress),
  // firewallEvent: flow created, flow deleted
  field(233, 1, (told) => (isBegin(told) ? 1 : 2)),
]
const counts = [
  field(136, 1, ({ event }) => REASONS[event.kind]),
  field(1, 8, octets(0)),
  field(2, 8, packets(0)),
  reverse(1, octets(1)),
  reverse(2, packets(1)),
]
const session = [
  field(323, 8, ({ event }) => event.timeMs),
  // natEvent: NAT44 session create, delete
  field(230, 1, (told) => (isBegin(told) ? 4 : 5)),
  // natOriginatingAddressRealm: private, public
  field(229, 1, ({ isOutside }) => (isOutside ? 2 : 1)),
  address(225, REPLY + DESTINATION),
  address(226, REPLY + SOURCE),
]
/** An answer's ports are the other way round; a message's identifier stands where a source port would. */
const ports = [high(7, PORTS), low(11, PORTS)]
const message = [high(7, PORTS), low(32, PORTS)]
const translatedPorts = [low(227, REPLY + PORTS), high(228, REPLY + PORTS)]
const translatedMessage = [high(227, REPLY + PORTS)]

function template(traits: number): Template {
  const isIcmp = (traits & ICMP) !== 0
  const fields = [...times, ...identity, ...(isIcmp ? message : ports)]
  if ((traits & END) !== 0) fields.push(...counts)
  if ((traits & NAT) !== 0) fields.push(...session, ...(isIcmp ? translatedMessage : translatedPorts))
  return { id: FIRST + traits, fields, length: fields.reduce((sum, { length }) => sum + length, 0) }
}

export const TEMPLATES: readonly Template[] = Array.from({ length: 8 }, (_, traits) => template(traits))

/** The template of an event's record. */
export function templateOf({ kind, words }: FlowEvent): Template {
  const status = words[STATUS]
  const isNat = (status & (SNAT | DNAT)) !== 0
  const isIcmp = (status & 0xff) === ipv4.PROTOCOL_ICMP
  return TEMPLATES[(kind === BEGIN ? 0 : END) + (isNat ? NAT : 0) + (isIcmp ? ICMP : 0)]
}
