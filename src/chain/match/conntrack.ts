/** -m conntrack: state, tuples, status, direction and remaining life of the packet's connection. */
import {
  ASSURED,
  CONFIRMED,
  DEADLINE,
  DNAT,
  REPLY,
  SEEN_REPLY,
  SNAT,
  STATUS,
  WORDS,
} from '../../table/flow.ts'
import { type Net, parseAddress, parseNet, printAddress, printMask } from '../address.ts'
import { type MatchKind, type Nature, PURE, STATIC, Wrong } from '../extension.ts'
import { integer } from '../number.ts'
import { parsePorts, parseProtocol, printPorts } from '../protocol.ts'
import {
  DIRECTION,
  FLOW,
  NOW,
  STATE,
  STATE_ESTABLISHED,
  STATE_INVALID,
  STATE_NEW,
  STATE_RELATED,
  STATE_UNTRACKED,
} from '../registers.ts'
import { negation } from './ip.ts'
import { within } from './udp.ts'

/** What an option asks, and whether `!` stands before it. */
interface Not<T> {
  value: T
  not: boolean
}

type Tuple = 'ctorigsrc' | 'ctorigdst' | 'ctreplsrc' | 'ctrepldst'
type TuplePort = `${Tuple}port`

interface Conntrack {
  state?: Not<number>
  protocol?: Not<number>
  addresses: Partial<Record<Tuple, Not<Net>>>
  ports: Partial<Record<TuplePort, Not<[number, number]>>>
  status?: Not<number>
  expire?: Not<[number, number]>
  /** 0 original, 1 reply */
  direction?: number
}

/** Bits beyond those of STATE, for states that NAT gives. */
const STATE_SNAT = 0x80
const STATE_DNAT = 0x100

const STATES: [name: string, bit: number][] = [
  ['INVALID', STATE_INVALID],
  ['NEW', STATE_NEW],
  ['RELATED', STATE_RELATED],
  ['ESTABLISHED', STATE_ESTABLISHED],
  ['UNTRACKED', STATE_UNTRACKED],
  ['SNAT', STATE_SNAT],
  ['DNAT', STATE_DNAT],
]

/** Nothing here is ever EXPECTED: no helper announces connections. */
const EXPECTED = 1
const STATUSES: [name: string, bit: number][] = [
  ['EXPECTED', EXPECTED],
  ['SEEN_REPLY', SEEN_REPLY],
  ['ASSURED', ASSURED],
  ['CONFIRMED', CONFIRMED],
]

/** seconds */
const FOREVER = 0xffff_ffff

/** Word of a flow's tuples by what is asked of it. */
const TUPLES: Record<Tuple, number> = { ctorigsrc: 0, ctorigdst: 1, ctreplsrc: REPLY, ctrepldst: REPLY + 1 }
const NAMES = Object.keys(TUPLES) as Tuple[]
const TUPLE_PORTS = 2

/** An expression: the packet has a connection. */
export const TRACKED = `(x[${STATE}]&${STATE_INVALID | STATE_UNTRACKED})===0`

export function isTracked(x: Int32Array): boolean {
  return (x[STATE] & (STATE_INVALID | STATE_UNTRACKED)) === 0
}

export const conntrack: MatchKind<Conntrack> = {
  name: 'conntrack',
  options: {
    '--ctstate': { words: 1, negatable: true },
    '--ctproto': { words: 1, negatable: true },
    ...Object.fromEntries(
      NAMES.flatMap((name) => [`--${name}`, `--${name}port`]).map((name) => [
        name,
        { words: 1, negatable: true },
      ]),
    ),
    '--ctstatus': { words: 1, negatable: true },
    '--ctexpire': { words: 1, negatable: true },
    '--ctdir': { words: 1 },
  },
  begin: () => ({ addresses: {}, ports: {} }),
  take(data, option, [word], not) {
    const name = option.slice(2)
    if (option === '--ctstate') data.state = { value: parseStates(word, true), not }
    else if (option === '--ctproto') data.protocol = { value: parseProtocol(word), not }
    else if (option === '--ctstatus') data.status = { value: parseStatuses(word), not }
    else if (option === '--ctexpire') data.expire = { value: parseSeconds(word), not }
    else if (option === '--ctdir') data.direction = parseDirection(word)
    else if (name.endsWith('port')) data.ports[name as TuplePort] = { value: parsePorts(word), not }
    else data.addresses[name as Tuple] = { value: whole(word), not }
  },
  end(data) {
    if (print(data).length === 0) throw new Wrong('asks nothing', 0)
  },
  print,
  code(data) {
    const changes = data.status || data.expire
    return { text: text(data), nature: (changes ? PURE : STATIC) as Nature }
  },
  shows(_data, x, _view, words) {
    if (!isTracked(x)) return showState(x)
    const at = x[FLOW] * WORDS
    const tuple = (k: number) =>
      `${printAddress(words[at + k])}:${words[at + k + 2] >>> 16} > ${printAddress(words[at + k + 1])}:${words[at + k + 2] & 0xffff}`
    const status = printStatuses(words[at + STATUS])
    const direction = x[DIRECTION] === 0 ? 'ORIGINAL' : 'REPLY'
    return `${showState(x)}, direction ${direction}, original ${tuple(0)}, reply ${tuple(REPLY)}, status ${status}`
  },
}

/** Names of states, comma between them, each a beginning of the name, as iptables reads them. */
export function parseStates(text: string, withNat: boolean): number {
  return parseList(text, withNat ? STATES : STATES.slice(0, 5), 'state')
}

export function printStates(states: number): string {
  return printList(states, STATES)
}

export function showState(x: Int32Array): string {
  return `state ${printStates(x[STATE])}`
}

function parseStatuses(text: string): number {
  return parseList(text, [['NONE', 0], ...STATUSES], 'status')
}

function printStatuses(statuses: number): string {
  return printList(statuses, STATUSES) || 'NONE'
}

function parseList(text: string, names: [string, number][], what: string): number {
  let bits = 0
  for (const word of text.split(',')) {
    const found = word === '' ? undefined : names.find(([name]) => name.startsWith(word.toUpperCase()))
    if (!found)
      throw new Wrong(`is no list of a connection's ${what}: ${names.map(([name]) => name).join(', ')}`)
    bits |= found[1]
  }
  return bits
}

function printList(bits: number, names: [string, number][]): string {
  return names
    .filter(([, bit]) => bits & bit)
    .map(([name]) => name)
    .join(',')
}

function parseDirection(text: string): number {
  const direction = ['ORIGINAL', 'REPLY'].indexOf(text.toUpperCase())
  if (direction < 0) throw new Wrong('is neither ORIGINAL nor REPLY')
  return direction
}

/** `first[:last]`; one that ends before it begins holds nothing, as in the kernel. */
function parseSeconds(text: string): [number, number] {
  const [low, high, more] = text.split(':')
  if (more !== undefined) throw new Wrong('has more than two times')
  const seconds = (half: string, missing: number) => (half === '' ? missing : integer(half, 0, FOREVER))
  const first = seconds(low, 0)
  return [first, high === undefined ? first : seconds(high, FOREVER)]
}

/** The address keeps its bits outside of the mask: iptables prints them. */
function whole(text: string): Net {
  const { mask } = parseNet(text)
  return { address: parseAddress(text.split('/')[0]), mask }
}

function printNet({ address, mask }: Net): string {
  return mask === -1 ? printAddress(address) : printAddress(address) + printMask(mask)
}

function print(data: Conntrack): string[] {
  const words: string[] = []
  const say = <T>(name: string, asked: Not<T> | undefined, show: (value: T) => string) => {
    if (asked) words.push(...negation(asked.not), `--${name}`, show(asked.value))
  }
  say('ctstate', data.state, printStates)
  say('ctproto', data.protocol, String)
  for (const name of NAMES) say(name, data.addresses[name], printNet)
  for (const name of NAMES) say(`${name}port`, data.ports[`${name}port`], printPorts)
  say('ctstatus', data.status, printStatuses)
  say('ctexpire', data.expire, printPorts)
  if (data.direction !== undefined) words.push('--ctdir', data.direction === 0 ? 'ORIGINAL' : 'REPLY')
  return words
}

function word(k: number): string {
  return `w[x[${FLOW}]*${WORDS}+${k}]`
}

/** Without a connection its state alone is asked; the kernel then takes all else for true. */
function text(data: Conntrack): string {
  const asked = tests(data)
  const { state } = data
  if (state === undefined) return [TRACKED, ...asked].join('&&')
  const held = stateText(state)
  if (asked.length === 0) return held
  return `${held}&&(!(${TRACKED})||(${asked.join('&&')}))`
}

function stateText({ value, not }: Not<number>): string {
  const nat = (value & STATE_SNAT ? SNAT : 0) | (value & STATE_DNAT ? DNAT : 0)
  const plain = value & ~(STATE_SNAT | STATE_DNAT)
  if (nat === 0) return `(x[${STATE}]&${plain})${not ? '===' : '!=='}0`
  const either = `(x[${STATE}]&${plain})!==0||${TRACKED}&&(${word(STATUS)}&${nat})!==0`
  return `${not ? '!' : ''}(${either})`
}

function tests(data: Conntrack): string[] {
  const asked: string[] = []
  if (data.direction !== undefined) asked.push(`x[${DIRECTION}]===${data.direction}`)
  for (const name of NAMES) {
    const net = data.addresses[name]
    if (net) {
      const held = `(${word(TUPLES[name])}&${net.value.mask})`
      asked.push(`${held}${net.not ? '!==' : '==='}${net.value.address & net.value.mask}`)
    }
  }
  const { protocol, status, expire } = data
  if (protocol) asked.push(`(${word(STATUS)}&255)${protocol.not ? '!==' : '==='}${protocol.value}`)
  for (const name of NAMES) {
    const ports = data.ports[`${name}port`]
    const both = word(TUPLE_PORTS + (TUPLES[name] & REPLY))
    if (ports)
      asked.push(within(TUPLES[name] & 1 ? `(${both}&65535)` : `(${both}>>>16)`, ports.value, ports.not))
  }
  if (status) asked.push(`(${word(STATUS)}&${status.value & ~EXPECTED})${status.not ? '===' : '!=='}0`)
  if (expire) {
    // The flow of a first packet has no deadline yet.
    const left = `(x[${FLOW}]===0?0:Math.max(0,Math.trunc((${word(DEADLINE)}-x[${NOW}]|0)/1000)))`
    const [first, last] = expire.value
    asked.push(`${expire.not ? '!' : ''}(${left}>=${first}&&${left}<=${last})`)
  }
  return asked
}
