/** An event of the flow log as a line of JSON; its names are those of the API's connections. */
import { BEGIN } from '../../table/chronicle.ts'
import { DNAT, SNAT, STATUS } from '../../table/flow.ts'
import { type FlowSource, row, type WayRow } from '../flows.ts'
import type { FlowEvent } from './reader.ts'

/** By the kinds of table/chronicle.ts. */
const REASONS = [null, 'timeout', 'closed', 'evicted', 'forgotten'] as const

/** Addresses and ports of one direction. */
type Tuple = Omit<WayRow, 'packets' | 'bytes'>

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

function tuple({ packets: _, bytes: __, ...own }: WayRow): Tuple {
  return own
}

/** The packets of a direction whose answers are `reply`. */
function turned({ source, destination, sourcePort, destinationPort, id }: WayRow): Tuple {
  const addresses = { source: destination, destination: source }
  if (id !== undefined) return { ...addresses, id }
  if (sourcePort === undefined || destinationPort === undefined) return addresses
  return { ...addresses, sourcePort: destinationPort, destinationPort: sourcePort }
}

export function lineOf({ kind, timeMs, beganMs, lastMs, words }: FlowEvent, source: FlowSource): FlowLine {
  const { network, egress, protocol, number, state, original, reply, replied, assured, mark, zone } = row(
    words,
    source,
  )
  const isBegin = kind === BEGIN
  const place = { network, egress, protocol, number, state }
  const ways = isBegin ? { original: tuple(original), reply: tuple(reply) } : { original, reply }
  const translated = (words[STATUS] & (SNAT | DNAT)) === 0 ? null : turned(reply)
  const durationSeconds = beganMs === null ? null : (lastMs - beganMs) / 1000
  return {
    time: new Date(timeMs).toISOString(),
    event: isBegin ? 'begin' : 'end',
    ...place,
    ...ways,
    translated,
    mark,
    ...(zone === 0 ? {} : { zone }),
    ...(isBegin ? {} : { replied, assured, reason: REASONS[kind], durationSeconds }),
  }
}
