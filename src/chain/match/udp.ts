/** -m udp: ports. What other matches ask of ports is here too. */
import { type Form, type MatchKind, STATIC } from '../extension.ts'
import { cover, KEY_PORTS } from '../lookup.ts'
import { parsePorts, printPorts, UDP } from '../protocol.ts'
import { PORTS } from '../registers.ts'
import { negation, type Parts, Parts as PartsOf } from './ip.ts'

export interface PortRange {
  ports: [number, number]
  not: boolean
}

export interface Ports {
  source: PortRange | null
  destination: PortRange | null
}

export const portOptions: Record<string, Form> = {
  '--sport': { words: 1, negatable: true },
  '--dport': { words: 1, negatable: true },
  '--source-port': '--sport',
  '--destination-port': '--dport',
}

export const udp: MatchKind<Ports> = {
  name: 'udp',
  protocols: [UDP],
  options: portOptions,
  begin: () => ({ source: null, destination: null }),
  take(data, option, [word], not) {
    const range: PortRange = { ports: parsePorts(word), not }
    if (option === '--sport') data.source = range
    else data.destination = range
  },
  print: (data) => [...printPort('--sport', data.source), ...printPort('--dport', data.destination)],
  code(data) {
    const parts = new PartsOf()
    addPort(parts, data.source, 16)
    addPort(parts, data.destination, 0)
    return parts.condition()
  },
  shows: (data, x) => showPorts(data, x[PORTS]),
}

/** The port in the upper (shift 16) or lower half of the ports' register, as an expression. */
export function portOf(shift: number): string {
  return shift === 0 ? `(x[${PORTS}]&65535)` : `(x[${PORTS}]>>>16)`
}

/** An expression for a value within a range. */
export function within(value: string, [first, last]: readonly [number, number], not: boolean): string {
  if (first === last) return `${value}${not ? '!==' : '==='}${first}`
  // One comparison, that is seldom true: two of which each is true half of the time cost a misprediction a rule.
  return `(${value}-${first}>>>0)${not ? '>' : '<='}${last - first}`
}

export function addPort(parts: Parts, range: PortRange | null, shift: number): void {
  if (range === null) return
  const text = within(portOf(shift), range.ports, range.not)
  const [first, last] = range.ports
  if (range.not) parts.ask(text)
  else if (first !== last) parts.ask(text, STATIC, cover(KEY_PORTS, shift, 16, first, last))
  else parts.fix(text, { word: KEY_PORTS, value: (first << shift) | 0, mask: (0xffff << shift) | 0 })
}

/** All ports are not printed unless `!` makes it none. */
export function printPort(option: string, range: PortRange | null): string[] {
  if (range === null || (range.ports[0] === 0 && range.ports[1] === 65_535 && !range.not)) return []
  return [...negation(range.not), option, printPorts(range.ports)]
}

export function showPorts(data: Ports, ports: number): string {
  const both = data.source === null && data.destination === null
  const words: string[] = []
  if (data.source || both) words.push(`sport ${ports >>> 16}`)
  if (data.destination || both) words.push(`dport ${ports & 0xffff}`)
  return words.join(', ')
}
