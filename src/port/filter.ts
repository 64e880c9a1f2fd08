/**
 * What the host's filters would do with a packet, worked out from their rules: no packet is sent and no rule is touched. A rule that
 * asks for something a packet in general does not tell (an address outside, a time, a rate) is passed over.
 */
import { native } from '../memory/native.ts'
import { attributes, own, read16, textOf } from './netlink.ts'
import { type Chain, chains, type Element, type Expression, elements } from './ruleset.ts'

/** A packet on its way through the host. */
export interface Way {
  ingress: string
  egress: string
  /** int32, 0 where any may stand */
  source: number
  destination: number
  /** of a connection that was let pass before */
  established: boolean
}

/** Who stops it: a chain, by a rule or because nothing accepts it, and all names of chains in its table. */
export interface Stop {
  /** ip or inet of nf_tables, or legacy: iptables without nf_tables */
  family: Chain['family'] | 'legacy'
  table: string
  chain: string
  chains: string[]
}

/** Bits of a connection's state in nf_tables and in xt_conntrack alike. */
const STATE_ESTABLISHED = 2
const STATE_NEW = 8
/** verdicts: NF_DROP, NF_ACCEPT, and nf_tables' own */
const DROP = 0
const ACCEPT = 1
const JUMP = -3
const GOTO = -4
const RETURN = -5
/** keys of `meta`, by what we can say of them */
const META_PROTOCOL = 1
const META_IIF = 4
const META_OIF = 5
const META_IIFNAME = 6
const META_OIFNAME = 7
const META_NFPROTO = 15
const META_L4PROTO = 16
const NFPROTO_IPV4 = 2
const TCP = 6
const NAME_LENGTH = 16
/** offsets of RFC 791 */
const PROTOCOL_AT = 9
const SOURCE_AT = 12
const DESTINATION_AT = 16
/** struct xt_conntrack_mtinfo3: which fields count, which are inverted, the states */
const XT_FLAGS_AT = 146
const XT_INVERT_AT = 148
const XT_STATE_AT = 150
const XT_STATE = 1
const DEPTH_MAX = 16

type Outcome = 'accept' | 'drop' | 'return' | 'next'

function name(text: string): Buffer {
  const bytes = Buffer.alloc(NAME_LENGTH)
  bytes.write(text, 'latin1')
  return bytes
}

/** The number of an interface as registers have it, null where there is none of that name yet. */
function index(ifname: string): Buffer | null {
  const found = native.linkGet('', ifname)
  return found === null ? null : Buffer.from(own(found.ifindex))
}

/** 32-bit registers have the numbers 8 and on, the first four stand for four of those each. */
function register(found: Buffer | undefined): number {
  const number = found?.readUInt32BE(0) ?? 0
  return number <= 4 ? 4 + number * 4 : number
}

function u32(found: Buffer | undefined): number {
  return found?.readUInt32BE(0) ?? 0
}

/** One packet in front of the rules. */
class Walk {
  private readonly way: Way
  private readonly all: Chain[]
  private registers = new Map<number, Buffer | null>()

  constructor(way: Way, all: Chain[]) {
    this.way = way
    this.all = all
  }

  run(chain: Chain, depth: number): Outcome {
    if (depth > DEPTH_MAX) return 'next'
    for (const rule of chain.rules) {
      const outcome = this.rule(rule, chain, depth)
      if (outcome !== 'next') return outcome
    }
    return 'next'
  }

  private rule(rule: Expression[], chain: Chain, depth: number): Outcome {
    this.registers = new Map()
    for (const expression of rule) {
      const verdict = this.verdict(expression, chain)
      if (verdict !== null) {
        const outcome = this.follow(verdict, chain, depth)
        if (outcome !== 'next') return outcome
      } else if (!this.passes(expression, chain)) return 'next'
    }
    return 'next'
  }

  /** What an expression decides, or null if it is none that decides: the attributes of a verdict. */
  private verdict({ name, data }: Expression, chain: Chain): Map<number, Buffer> | null {
    if (name === 'reject') return new Map([[1, Buffer.alloc(4)]])
    if (name === 'target' && textOf(data.get(1)) === 'REJECT') return new Map([[1, Buffer.alloc(4)]])
    if (name === 'immediate') {
      const nested = attributes(data.get(2) ?? Buffer.alloc(0)).get(2)
      return nested === undefined ? null : attributes(nested)
    }
    if (name !== 'lookup' || data.get(3) === undefined || u32(data.get(3)) !== 0) return null
    const found = this.find(data, chain)
    return found === null || found.verdict === null ? null : attributes(found.verdict)
  }

  private follow(verdict: Map<number, Buffer>, chain: Chain, depth: number): Outcome {
    const code = verdict.get(1)?.readInt32BE(0) ?? 0
    if (code === DROP) return 'drop'
    if (code === ACCEPT) return 'accept'
    if (code === RETURN) return 'return'
    if (code !== JUMP && code !== GOTO) return 'next'
    const to = textOf(verdict.get(2))
    const target = this.all.find(
      (each) => each.family === chain.family && each.table === chain.table && each.name === to,
    )
    const outcome = target === undefined ? 'next' : this.run(target, depth + 1)
    if (outcome === 'accept' || outcome === 'drop') return outcome
    return code === GOTO ? 'return' : 'next'
  }

  /** True if the rule goes on behind this expression. */
  private passes({ name, data }: Expression, chain: Chain): boolean {
    switch (name) {
      case 'meta':
        return this.load(data.get(1), this.meta(u32(data.get(2))))
      case 'payload':
        return this.load(data.get(1), this.payload(data))
      case 'ct':
        return this.load(data.get(1), u32(data.get(2)) === 0 ? this.state() : null)
      case 'bitwise':
        return this.mask(data)
      case 'cmp':
        return this.compare(data)
      case 'lookup':
        return data.get(3) === undefined ? this.isIn(data, chain) : false
      case 'match':
        return this.match(data)
      // What marks, counts or writes down decides nothing.
      case 'target':
      case 'counter':
      case 'log':
      case 'notrack':
      case 'immediate':
        return true
      default:
        return false
    }
  }

  private load(to: Buffer | undefined, value: Buffer | null): boolean {
    if (to !== undefined) this.registers.set(register(to), value)
    return true
  }

  private meta(key: number): Buffer | null {
    if (key === META_IIFNAME) return name(this.way.ingress)
    if (key === META_OIFNAME) return name(this.way.egress)
    if (key === META_IIF) return index(this.way.ingress)
    if (key === META_OIF) return index(this.way.egress)
    if (key === META_NFPROTO) return Buffer.of(NFPROTO_IPV4)
    if (key === META_L4PROTO) return Buffer.of(TCP)
    return key === META_PROTOCOL ? Buffer.of(8, 0) : null
  }

  private state(): Buffer {
    return Buffer.from(own(this.way.established ? STATE_ESTABLISHED : STATE_NEW))
  }

  private payload(data: Map<number, Buffer>): Buffer | null {
    const [base, at, length] = [u32(data.get(2)), u32(data.get(3)), u32(data.get(4))]
    if (base !== 1) return null
    if (at === PROTOCOL_AT && length === 1) return Buffer.of(TCP)
    const address = at === SOURCE_AT ? this.way.source : at === DESTINATION_AT ? this.way.destination : 0
    if (address === 0 || length > 4) return null
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(address)
    return bytes.subarray(0, length)
  }

  private mask(data: Map<number, Buffer>): boolean {
    const value = this.registers.get(register(data.get(1))) ?? null
    const mask = attributes(data.get(4) ?? Buffer.alloc(0)).get(1)
    const flip = attributes(data.get(5) ?? Buffer.alloc(0)).get(1)
    const known = u32(data.get(6)) === 0 && value !== null && mask !== undefined && flip !== undefined
    return this.load(
      data.get(2),
      known ? Buffer.from(value.map((byte, i) => (byte & (mask[i] ?? 0)) ^ (flip[i] ?? 0))) : null,
    )
  }

  private compare(data: Map<number, Buffer>): boolean {
    const value = this.registers.get(register(data.get(1))) ?? null
    const wanted = attributes(data.get(3) ?? Buffer.alloc(0)).get(1)
    if (value === null || wanted === undefined) return false
    const order = Buffer.compare(value.subarray(0, wanted.length), wanted)
    // NFT_CMP_EQ, NEQ, LT, LTE, GT, GTE
    return [order === 0, order !== 0, order < 0, order <= 0, order > 0, order >= 0][u32(data.get(2))] ?? false
  }

  private find(data: Map<number, Buffer>, chain: Chain): Element | null {
    const value = this.registers.get(register(data.get(2))) ?? null
    if (value === null) return null
    const all = elements(chain, textOf(data.get(1))).filter(({ key }) => key.length === value.length)
    const exact = all.find(({ key, isEnd }) => !isEnd && key.equals(value))
    if (exact !== undefined || !all.some(({ isEnd }) => isEnd)) return exact ?? null
    const below = all
      .filter(({ key }) => Buffer.compare(key, value) <= 0)
      .sort((a, b) => Buffer.compare(a.key, b.key))
      .at(-1)
    return below === undefined || below.isEnd ? null : below
  }

  private isIn(data: Map<number, Buffer>, chain: Chain): boolean {
    const value = this.registers.get(register(data.get(2))) ?? null
    if (value === null) return false
    const inverted = u32(data.get(5)) === 1
    return (this.find(data, chain) !== null) !== inverted
  }

  /** A match of iptables in nf_tables' clothes. */
  private match(data: Map<number, Buffer>): boolean {
    const kind = textOf(data.get(1))
    const info = data.get(3)
    if (kind === 'comment') return true
    if (kind !== 'conntrack' || info === undefined || info.length < XT_STATE_AT + 2) return false
    return matchesState(info, this.way.established)
  }
}

/** True if a connection's state is one that xt_conntrack names, and it asks for nothing else. */
export function matchesState(info: Buffer, established: boolean): boolean {
  if (read16(info, XT_FLAGS_AT) !== XT_STATE) return false
  const state = established ? STATE_ESTABLISHED : STATE_NEW
  const isOne = (read16(info, XT_STATE_AT) & state) !== 0
  return isOne !== ((read16(info, XT_INVERT_AT) & XT_STATE) !== 0)
}

/** Every base chain that would stop the packet; nothing if all let it pass. Throws a NativeError. */
export function stops(way: Way): Stop[] {
  const all = chains()
  const filters = all
    .filter(({ base }) => base !== null)
    .sort((a, b) => (a.base?.priority ?? 0) - (b.base?.priority ?? 0))
  const walk = new Walk(way, all)
  return filters
    .filter((chain) => {
      const outcome = walk.run(chain, 0)
      return outcome === 'drop' || (outcome !== 'accept' && chain.base?.drops === true)
    })
    .map(({ family, table, name: chain }) => ({
      family,
      table,
      chain,
      chains: all.filter((each) => each.family === family && each.table === table).map((each) => each.name),
    }))
}
