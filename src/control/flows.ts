/** Connections as listings and metrics show them: read from the arena while the worker goes on. */
import { stateNames } from '../gateway/transition.ts'
import type { Arena } from '../memory/arena.ts'
import {
  ASSURED,
  BYTES,
  CONFIRMED,
  COUNT,
  CREATED,
  DEADLINE,
  DESTINATION,
  EARLY,
  HEADER,
  HIGH,
  MARK,
  NETWORKS,
  PACKETS,
  PORTS,
  REPLY,
  SEEN_REPLY,
  SOURCE,
  STATE,
  STATUS,
  WORDS,
} from '../table/flow.ts'
import { ipv4, ipv4Text } from './address.ts'
import { monotonicMs } from './listing.ts'
import type { Plant } from './plant.ts'
import { ICMP, protocolName, protocolNames, select, TCP, type Test } from './select.ts'

/** One direction of a connection, as its sender writes the packets. What the protocol does not have is absent. */
export interface WayRow {
  source: string
  destination: string
  sourcePort?: number
  destinationPort?: number
  /** of ICMP */
  type?: number
  code?: number
  id?: number
  packets: number
  bytes: number
}

export interface FlowRow {
  /** where the first packet came in, and the network that it left by */
  network: string
  egress: string
  /** tcp, udp, icmp, gre or unknown, as conntrack(8) has it */
  protocol: string
  number: number
  /** of TCP; null for every other protocol */
  state: string | null
  timeoutSeconds: number
  original: WayRow
  reply: WayRow
  replied: boolean
  assured: boolean
  mark: number
  zone: number
}

/** Which flows are asked for; what is absent matches all. Addresses are dotted quads, of the original direction. */
export interface FlowQuery {
  network?: string
  protocol?: string
  source?: string
  destination?: string
  /** words that must all fit, see select.ts */
  search?: string
  limit?: number
}

/** What a listing needs: the table's place, the worker's clock, and a network's name by the port that stands for its gateway. */
export interface FlowSource {
  arena: Arena
  at: number
  capacity: number
  nowMs: number
  networkOf: (port: number) => string | undefined
}

/** The flows of a running switch. */
export function source(plant: Plant): FlowSource {
  const { flowsAt: at, flowCapacity: capacity } = plant.ground.memory
  const networks = new Map([...plant.members.values()].map(({ index, spec }) => [index, spec.network]))
  return { arena: plant.arena, at, capacity, nowMs: monotonicMs(), networkOf: (port) => networks.get(port) }
}

/** The selection of an order to forget flows. */
export function selection({ protocol, source, destination }: FlowQuery): Record<string, number> {
  const number = Object.keys(protocolNames).find((key) => protocolNames[Number(key)] === protocol)
  const address = (text: string | undefined) => ipv4(text ?? '') ?? 0
  return { protocol: Number(number ?? 0), source: address(source), destination: address(destination) }
}

/** The table's words, and the highest number that a flow has. */
export function table({ arena, at, capacity }: FlowSource): { words: Int32Array; high: number } {
  const words = new Int32Array(arena.buffer, at + HEADER * 4, (capacity + 1) * WORDS)
  return { words, high: Math.min(Atomics.load(new Int32Array(arena.buffer, at, HEADER), HIGH), capacity) }
}

/** Copies a live flow's words; false for one that ended, and perhaps made place for another, meanwhile. */
export function copy(words: Int32Array, flow: number, to: Int32Array): boolean {
  const f = flow * WORDS
  if ((Atomics.load(words, f + STATUS) & CONFIRMED) === 0) return false
  for (let word = 0; word < WORDS; word++) to[word] = words[f + word]
  const isSame = [SOURCE, PORTS, REPLY + PORTS].every((word) => Atomics.load(words, f + word) === to[word])
  return isSame && (Atomics.load(words, f + STATUS) & CONFIRMED) !== 0
}

/** Copies of the live flows' words that pass a test, one after the other in the same array. */
function* live(source: FlowSource, test?: Test): Generator<Int32Array> {
  const { words, high } = table(source)
  const one = new Int32Array(WORDS)
  for (let flow = 1; flow <= high; flow++) {
    if (test !== undefined && !test(words, flow * WORDS)) continue
    // What was tested may have become another flow.
    if (copy(words, flow, one) && (test === undefined || test(one, 0))) yield one
  }
}

const pair = new Int32Array(2)
const float = new Float64Array(pair.buffer)

/** The bytes of a direction, a float64 among copied words. */
function bytesOf(words: Int32Array, direction: number): number {
  const at = (BYTES + direction) * 2
  pair[0] = words[at]
  pair[1] = words[at + 1]
  return float[0]
}

function way(words: Int32Array, direction: number): WayRow {
  const key = direction * REPLY
  const ports = words[key + PORTS]
  const source = ipv4Text(words[key + SOURCE])
  const destination = ipv4Text(words[key + DESTINATION])
  const packets = words[PACKETS + direction] >>> 0
  const bytes = bytesOf(words, direction)
  if ((words[STATUS] & 0xff) === ICMP) {
    const [type, code, id] = [(ports >>> 8) & 0xff, ports & 0xff, ports >>> 16]
    return { source, destination, type, code, id, packets, bytes }
  }
  if (ports === 0) return { source, destination, packets, bytes }
  return { source, destination, sourcePort: ports >>> 16, destinationPort: ports & 0xffff, packets, bytes }
}

/** A copy of a flow's words as a listing shows it. Listings have 100,000 of them: spreads, and a view for each number of bytes, cost ten times as much. */
export function row(words: Int32Array, { networkOf, nowMs }: FlowSource): FlowRow {
  const status = words[STATUS]
  const number = status & 0xff
  return {
    network: networkOf(words[NETWORKS] >>> 16) ?? '',
    egress: networkOf(words[NETWORKS] & 0xffff) ?? '',
    protocol: protocolName(number),
    number,
    state: number === TCP ? (stateNames[words[STATE] & 0x0f] ?? 'NONE') : null,
    timeoutSeconds: Math.floor(((words[DEADLINE] - nowMs) | 0) / 1000),
    original: way(words, 0),
    reply: way(words, 1),
    replied: (status & SEEN_REPLY) !== 0,
    assured: (status & ASSURED) !== 0,
    mark: words[MARK] >>> 0,
    zone: (status >>> 8) & 0xff,
  }
}

/** The flows that match, at most `limit`. Throws a Refusal for a search that means nothing. */
export function rows(source: FlowSource, query: FlowQuery = {}): FlowRow[] {
  const found: FlowRow[] = []
  const limit = query.limit ?? Number.POSITIVE_INFINITY
  for (const words of live(source, select(source, query))) {
    if (((words[DEADLINE] - source.nowMs) | 0) <= 0) continue
    if (found.length >= limit) break
    found.push(row(words, source))
  }
  return found
}

/** A key of a flow, as one side writes it; without `isExact` an ICMP identifier may be any. */
export interface FlowKey {
  protocol: number
  zone: number
  source: number
  destination: number
  ports: number
  isExact: boolean
}

/** A copy of the words of the flow that has the key, and in which direction its packets go; null if there is none. */
export function search(source: FlowSource, key: FlowKey): { words: Int32Array; direction: number } | null {
  const care = key.isExact ? -1 : 0xffff
  for (const words of live(source)) {
    if ((words[STATUS] & 0xffff) !== (key.protocol | (key.zone << 8))) continue
    if (((words[DEADLINE] - source.nowMs) | 0) <= 0) continue
    for (const direction of [0, 1]) {
      const at = direction * REPLY
      if (words[at + SOURCE] !== key.source || words[at + DESTINATION] !== key.destination) continue
      if (((words[at + PORTS] ^ key.ports) & care) === 0) return { words: words.slice(), direction }
    }
  }
  return null
}

/** Flows ever made. */
export function created({ arena, at }: FlowSource): number {
  return new Float64Array(arena.buffer, at, HEADER / 2)[CREATED]
}

/** Those that had to go early for others. */
export function evicted({ arena, at }: FlowSource): number {
  return new Float64Array(arena.buffer, at, HEADER / 2)[EARLY]
}

/** Flows that live. */
export function count({ arena, at }: FlowSource): number {
  return new Int32Array(arena.buffer, at, HEADER)[COUNT]
}
