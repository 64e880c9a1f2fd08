/**
 * Which connections are asked for, as tests of a flow's words: numbers are compared where they lie, and no row is made of a flow that is
 * not wanted. Searching 100,000 flows takes 4 ms.
 */
import { stateNames } from '../gateway/transition.ts'
import { PORT_COUNT_MAX } from '../memory/counters.ts'
import {
  ASSURED,
  DESTINATION,
  NETWORKS,
  PORTS,
  REPLY,
  SEEN_REPLY,
  SOURCE,
  STATE,
  STATUS,
} from '../table/flow.ts'
import { cidr, ipv4, mask, networkOf } from './address.ts'
import type { FlowQuery, FlowSource } from './flows.ts'
import { Refusal } from './refusal.ts'

/** Whether the flow whose words begin at `f` is wanted. */
export type Test = (words: Int32Array, f: number) => boolean

export const TCP = 6
export const ICMP = 1
export const protocolNames: Readonly<Record<number, string>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  47: 'gre',
  132: 'sctp',
}
const UNKNOWN = 'unknown'
/** Words in a search; more would be a mistake. */
const TOKENS_MAX = 16

/** The name of a protocol's number, as conntrack(8) has it. */
export function protocolName(number: number): string {
  return protocolNames[number] ?? UNKNOWN
}

function byProtocol(name: string): Test {
  return (words, f) => protocolName(words[f + STATUS] & 0xff) === name
}

function byState(state: number): Test {
  return (words, f) => (words[f + STATUS] & 0xff) === TCP && (words[f + STATE] & 0x0f) === state
}

/** That one of its four ends, both directions' source and destination, has the address, the port or, on the same end, both; port 0 is any. */
function byEnd(address: number, netmask: number, port: number): Test {
  const isThere = (has: number, number: number) =>
    (has & netmask) === address && (port === 0 || number === port)
  return (words, f) => {
    const hasPorts = (words[f + STATUS] & 0xff) !== ICMP
    for (let key = f; key <= f + REPLY; key += REPLY) {
      const ports = hasPorts ? words[key + PORTS] : 0
      if (isThere(words[key + SOURCE], ports >>> 16)) return true
      if (isThere(words[key + DESTINATION], ports & 0xffff)) return true
    }
    return false
  }
}

/** That it began in the network, or else left by it; null for a network that there is not. */
function byNetwork({ networkOf: nameOf }: FlowSource, name: string, orLeft: boolean): Test | null {
  const isOf = new Uint8Array(0x10000)
  for (let port = 0; port < PORT_COUNT_MAX; port++) if (nameOf(port) === name) isOf[port] = 1
  if (!isOf.includes(1)) return null
  return (words, f) => {
    const ports = words[f + NETWORKS]
    return isOf[ports >>> 16] === 1 || (orLeft && isOf[ports & 0xffff] === 1)
  }
}

/** What a word of a search means; null if nothing. */
function meaning(source: FlowSource, word: string): Test | null {
  const range = cidr(word.includes('/') ? word : `${word}/32`)
  if (range !== null) return byEnd(networkOf(range), mask(range.prefix), 0)
  const [, host = '', digits] = /^(?:([\d.]*):)?(\d{1,5})$/.exec(word) ?? []
  const address = host === '' ? 0 : ipv4(host)
  const port = Number(digits ?? 0)
  if (address !== null && port > 0 && port <= 0xffff) return byEnd(address, host === '' ? 0 : -1, port)
  const lower = word.toLowerCase()
  if (lower === UNKNOWN || Object.values(protocolNames).includes(lower)) return byProtocol(lower)
  const state = (stateNames as readonly string[]).indexOf(word.toUpperCase())
  if (state >= 0) return byState(state)
  if (lower === 'unreplied') return (words, f) => (words[f + STATUS] & SEEN_REPLY) === 0
  if (lower === 'assured') return (words, f) => (words[f + STATUS] & ASSURED) !== 0
  return byNetwork(source, word, true)
}

/** The tests of a search, of which all must hold. Throws a Refusal with every word that means nothing. */
function searched(source: FlowSource, text: string): Test[] {
  const words = text.split(/[\s,]+/).filter((word) => word !== '')
  if (words.length > TOKENS_MAX)
    throw new Refusal('search', `${words.length} words`, `write at most ${TOKENS_MAX}`)
  const tests = words.map((word) => meaning(source, word))
  const expected =
    'expected an address, a prefix such as 10.0.2.0/24, a port, an address:port, a protocol, a state of TCP, unreplied, assured or a network'
  const mistakes = words.filter((_, at) => tests[at] === null)
  if (mistakes.length > 0)
    throw Refusal.of(mistakes.map((word) => `search: found ${JSON.stringify(word)}, ${expected}`))
  return tests as Test[]
}

/** One test for all that a query asks for; an address there is of the original direction. */
export function select(source: FlowSource, query: FlowQuery): Test {
  const { network, protocol } = query
  const tests = searched(source, query.search ?? '')
  if (network !== undefined) tests.push(byNetwork(source, network, false) ?? (() => false))
  if (protocol !== undefined) tests.push(byProtocol(protocol))
  for (const [text, word] of [
    [query.source, SOURCE],
    [query.destination, DESTINATION],
  ] as const) {
    const address = text === undefined ? null : ipv4(text)
    if (text !== undefined) tests.push((words, f) => words[f + word] === address)
  }
  return (words, f) => {
    for (const test of tests) if (!test(words, f)) return false
    return true
  }
}
