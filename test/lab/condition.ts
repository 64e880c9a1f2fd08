/** One match or target by itself: its options read, its code compiled, and run on a packet and registers made by hand. */
import type {
  Action,
  Condition,
  Emit,
  MatcherSpec,
  MatchKind,
  TargetKind,
} from '../../src/chain/extension.ts'
import { Wrong } from '../../src/chain/extension.ts'
import { targetKind } from '../../src/chain/kinds.ts'
import type { Addresses, Footing, Matcher } from '../../src/chain/matcher.ts'
import * as R from '../../src/chain/registers.ts'
import type { TableName } from '../../src/chain/rule.ts'
import { FORWARD, TABLES } from '../../src/chain/rule.ts'
import { Arena } from '../../src/memory/arena.ts'
import { FlowTable, lengthOf } from '../../src/table/flow.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'

type Make = (spec: MatcherSpec, footing: Footing) => Matcher
type Run = (
  x: Int32Array,
  v: DataView,
  w: Int32Array,
  M: Matcher[],
  T: Int32Array[],
  count: () => void,
) => unknown
type Kind = Pick<MatchKind, 'name' | 'options' | 'begin' | 'take' | 'end'>

const FLOWS = 64
const PACKET_AT = 128
const protocolsWithPorts = [6, 17, 33, 132, 136]

/** Reads the options of one use as the rules' reader does; throws Wrong. `options` are words, or a line of them. */
export function use<D>(kind: MatchKind<D> | TargetKind<D>, options: string | string[]): D {
  const words = typeof options === 'string' ? options.split(' ').filter(Boolean) : options
  const data = kind.begin()
  for (let at = 0; at < words.length; ) {
    const negated = words[at] === '!'
    if (negated) at++
    at = take(kind as Kind, data, words, at, negated)
  }
  kind.end?.(data)
  return data
}

function take(kind: Kind, data: unknown, words: string[], at: number, negated: boolean): number {
  let option = words[at] ?? ''
  let form = kind.options[option]
  if (typeof form === 'string') {
    option = form
    form = kind.options[form]
  }
  if (!form || typeof form === 'string') throw new Wrong(`${option} is no option of ${kind.name}`, 0)
  if (negated && !form.negatable) throw new Wrong(`${option} may not stand behind !`, 0)
  const given = words.slice(at + 1, at + 1 + form.words)
  const next = given.findIndex((word) => word.startsWith('--') || word === '!')
  if (form.optional && next >= 0) given.length = next
  if (given.length < form.words && !form.optional) throw new Wrong(`${option} needs ${form.words} words`, 0)
  kind.take(data, option, given, negated)
  return at + 1 + given.length
}

/** What the compiler gives an extension, as far as one rule needs it. Names are numbered as they come; those in `networks` are networks'. */
export class Compiler implements Emit {
  readonly specs: MatcherSpec[] = []
  readonly tables: Int32Array[] = []
  readonly names: string[] = ['']
  networks: string[] = []
  rule = 7
  tableName: TableName = 'filter'
  sets: (name: string) => { name: string; type: string; at: number } = (name) => {
    throw new Wrong(`there is no set ${name}`)
  }

  matcher(spec: MatcherSpec): number {
    return this.specs.push(spec) - 1
  }

  table(values: Int32Array): number {
    return this.tables.push(values) - 1
  }

  name(name: string): { id: number; isPort: boolean } {
    if (!this.names.includes(name)) this.names.push(name)
    return { id: this.names.indexOf(name), isPort: !this.networks.includes(name) }
  }

  wildcard(prefix: string, register: number): string {
    const ids = this.names.flatMap((name, id) => (id > 0 && name.startsWith(prefix) ? [id] : []))
    return `(${ids.map((id) => `x[${register}]===${id}`).join('||') || 'false'})`
  }

  set(name: string): { name: string; type: string; at: number } {
    return this.sets(name)
  }
}

const nobody: Make = (spec) => {
  throw new Error(`nobody makes a ${spec.type} here`)
}

/** The target of that name. */
export function kindOf(name: string): TargetKind {
  const found = targetKind(name)
  if (!found) throw new Error(`no target ${name}`)
  return found
}

/** Memory, flows, registers and one packet. */
export class Ground {
  readonly arena = Arena.create(4 * 2 ** 20)
  readonly flows: FlowTable
  readonly x = new Int32Array(R.COUNT)
  readonly emit = new Compiler()
  readonly footing: Footing
  private readonly make: Make
  private readonly at: number
  addresses: Addresses = { kind: () => 1, returns: () => true }

  /** `journalAt` is where a journal lies, if one is needed; `make` makes matchers. */
  constructor(make: Make = nobody, journalAt = 0) {
    this.make = make
    this.flows = new FlowTable(this.arena, this.arena.allocate('flows', lengthOf(FLOWS)).at, FLOWS)
    const kind = (address: number, side: number) => this.addresses.kind(address, side)
    const returns = (x: Int32Array, loose: boolean) => this.addresses.returns(x, loose)
    const { arena, flows, x } = this
    this.footing = { arena, flows, x, journalAt, addresses: { kind, returns } }
    this.at = this.arena.allocate('packet', 70_000).at + PACKET_AT
  }

  close(): void {
    this.arena.close()
  }

  /** Lays the packet (from its IPv4 header on) down and fills the registers as the gateway would for a new one in FORWARD. */
  load(packet: Uint8Array, registers: Record<number, number> = {}): this {
    const { x, at } = this
    const view = this.arena.view
    this.arena.u8.fill(0xa5, at - PACKET_AT, at + packet.length + 64)
    this.arena.u8.set(packet, at)
    x.fill(0)
    x[R.AT] = at - 14
    x[R.NETWORK] = at
    x[R.TRANSPORT] = at + ipv4.headerLength(view, at)
    x[R.END] = at + packet.length
    x[R.LENGTH] = packet.length
    x[R.SOURCE] = ipv4.source(view, at)
    x[R.DESTINATION] = ipv4.destination(view, at)
    x[R.PROTOCOL] = ipv4.protocol(view, at)
    x[R.STATE] = R.STATE_NEW
    x[R.HOOK] = FORWARD
    x[R.TABLE] = TABLES.indexOf(this.emit.tableName)
    const whole = x[R.END] - x[R.TRANSPORT] >= 4
    if (whole && protocolsWithPorts.includes(x[R.PROTOCOL])) x[R.PORTS] = view.getInt32(x[R.TRANSPORT])
    if (whole && x[R.PROTOCOL] === 1) x[R.PORTS] = view.getUint16(x[R.TRANSPORT])
    for (const [register, value] of Object.entries(registers)) x[Number(register)] = value
    return this
  }

  /** The packet as it is now, from its IPv4 header on. */
  packet(): Uint8Array {
    return this.arena.u8.slice(this.x[R.NETWORK], this.x[R.END])
  }

  /** The condition's function: true if what was loaded matches. */
  match<D>(kind: MatchKind<D>, options: string | string[] | D): (() => boolean) & Condition {
    const condition = kind.code(this.data(kind, options), this.emit)
    return Object.assign(this.compile(`return ${condition.text}`) as () => boolean, condition)
  }

  /** The target of `NAME --options`, as it stands behind -j. */
  made(text: string): (() => number) & Action {
    const [name, ...words] = text.split(' ')
    return this.target(kindOf(name), words)
  }

  /** The action's function: its verdict, CONTINUE if the text returns none. */
  target<D>(kind: TargetKind<D>, options: string | string[] | D): (() => number) & Action {
    const action = kind.code(this.data(kind, options), this.emit)
    return Object.assign(this.compile(`${action.text};return 0`) as () => number, action)
  }

  /** What the match says of what was loaded. */
  shows<D>(kind: MatchKind<D>, options: string | string[] | D): string {
    return kind.shows(this.data(kind, options), this.x, this.arena.view, this.flows.words)
  }

  private data<D>(kind: MatchKind<D> | TargetKind<D>, options: string | string[] | D): D {
    const written = typeof options === 'string' || Array.isArray(options)
    return written ? use(kind, options as string | string[]) : (options as D)
  }

  private compile(body: string): () => unknown {
    const { emit, x, footing, arena, flows } = this
    const run = new Function('x', 'v', 'w', 'M', 'T', 'count', body) as Run
    const matchers = emit.specs.map((spec) => this.make(spec, footing))
    return () => run(x, arena.view, flows.words, matchers, emit.tables, () => {})
  }
}
