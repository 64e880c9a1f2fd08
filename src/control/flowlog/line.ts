/**
 * An event of the flow log as a line of JSON; its names are those of the API's connections. The text is put together from the flow's words:
 * where 10,000 connections begin and end in a second, objects on the way to it would take half of the control thread's time.
 */
import { stateNames } from '../../gateway/transition.ts'
import { BEGIN } from '../../table/chronicle.ts'
import {
  ASSURED,
  BYTES,
  DESTINATION,
  DNAT,
  MARK,
  NETWORKS,
  PACKETS,
  PORTS,
  REPLY,
  SEEN_REPLY,
  SNAT,
  SOURCE,
  STATE,
  STATUS,
} from '../../table/flow.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import { ipv4Text } from '../address.ts'
import type { WayRow } from '../flows.ts'
import { protocolName } from '../select.ts'
import type { FlowEvent } from './reader.ts'

/** By the kinds of table/chronicle.ts. */
const REASONS = [null, 'timeout', 'closed', 'evicted', 'forgotten'] as const

/** Addresses and ports of one direction. */
type Tuple = Omit<WayRow, 'packets' | 'bytes'>

/** What a line says. */
export interface FlowLine {
  time: string
  event: 'begin' | 'end'
  network: string
  egress: string
  protocol: string
  number: number
  /** of TCP; null for every other protocol */
  state: string | null
  /** at an end with packets and bytes */
  original: Tuple | WayRow
  reply: Tuple | WayRow
  /** what the original direction's packets bear once they are translated; null where nothing is */
  translated: Tuple | null
  mark: number
  /** absent for 0 */
  zone?: number
  /** of an end */
  replied?: boolean
  assured?: boolean
  reason?: (typeof REASONS)[number]
  /** from the first packet to the last; null if the connection is older than the log */
  durationSeconds?: number | null
}

function addresses(source: number, destination: number): string {
  return `"source":"${ipv4Text(source)}","destination":"${ipv4Text(destination)}"`
}

/** Addresses and ports of a direction as its sender writes them. */
function way(words: Int32Array, direction: number): string {
  const key = direction * REPLY
  const ports = words[key + PORTS]
  const [high, low] = [ports >>> 16, ports & 0xffff]
  const own = addresses(words[key + SOURCE], words[key + DESTINATION])
  if ((words[STATUS] & 0xff) === ipv4.PROTOCOL_ICMP)
    return `${own},"type":${low >>> 8},"code":${low & 0xff},"id":${high}`
  return ports === 0 ? own : `${own},"sourcePort":${high},"destinationPort":${low}`
}

function counts(words: Int32Array, direction: number): string {
  const bytes = new Float64Array(words.buffer)[BYTES + direction]
  return `,"packets":${words[PACKETS + direction] >>> 0},"bytes":${bytes}`
}

function translated(words: Int32Array): string {
  if ((words[STATUS] & (SNAT | DNAT)) === 0) return 'null'
  const ports = words[REPLY + PORTS]
  const [high, low] = [ports >>> 16, ports & 0xffff]
  const own = addresses(words[REPLY + DESTINATION], words[REPLY + SOURCE])
  if ((words[STATUS] & 0xff) === ipv4.PROTOCOL_ICMP) return `{${own},"id":${high}}`
  return ports === 0 ? `{${own}}` : `{${own},"sourcePort":${low},"destinationPort":${high}}`
}

function outcome({ kind, beganMs, lastMs, words }: FlowEvent): string {
  const [replied, assured] = [SEEN_REPLY, ASSURED].map((bit) => (words[STATUS] & bit) !== 0)
  const seconds = beganMs === null ? null : (lastMs - beganMs) / 1000
  return `,"replied":${replied},"assured":${assured},"reason":"${REASONS[kind]}","durationSeconds":${seconds}`
}

/** The line; `nameOf` names the network of a gateway's port, by characters that JSON has as they are. */
export function lineOf(event: FlowEvent, nameOf: (port: number) => string): string {
  const { kind, timeMs, words } = event
  const isEnd = kind !== BEGIN
  const status = words[STATUS]
  const number = status & 0xff
  const zone = (status >>> 8) & 0xff
  const state = number === ipv4.PROTOCOL_TCP ? `"${stateNames[words[STATE] & 0x0f] ?? 'NONE'}"` : 'null'
  const [original, reply] = [0, 1].map((d) => `{${way(words, d)}${isEnd ? counts(words, d) : ''}}`)
  return (
    `{"time":"${new Date(timeMs).toISOString()}","event":"${isEnd ? 'end' : 'begin'}",` +
    `"network":"${nameOf(words[NETWORKS] >>> 16)}","egress":"${nameOf(words[NETWORKS] & 0xffff)}",` +
    `"protocol":"${protocolName(number)}","number":${number},"state":${state},` +
    `"original":${original},"reply":${reply},"translated":${translated(words)},"mark":${words[MARK] >>> 0}` +
    `${zone === 0 ? '' : `,"zone":${zone}`}${isEnd ? outcome(event) : ''}}`
  )
}
