/**
 * A walk through chains for one packet, slowly and in words: which rules it meets, which it passes, and why. What a rule asks and does is the
 * very code that the compiler makes of it, each match on its own; only the way through chains is written here once more.
 */
import { printAddress } from './address.ts'
import type { Emit, MatcherSpec, MatchKind, SetPlace } from './extension.ts'
import { matchKind, targetKind } from './kinds.ts'
import type { Ip } from './match/ip.ts'
import type { Footing, Matcher } from './matcher.ts'
import { printProtocol } from './protocol.ts'
import {
  ACCEPT,
  CONTINUE,
  DESTINATION,
  DROP,
  EXPLICIT,
  HOOK,
  HOTDROP,
  IN_NETWORK,
  IN_PORT,
  OUT_NETWORK,
  OUT_PORT,
  PROTOCOL,
  SOURCE,
  TABLE,
} from './registers.ts'
import {
  type Chain,
  HOOKS,
  type Hook,
  type Rule,
  type Ruleset,
  TABLES,
  type TableName,
  type Use,
} from './rule.ts'

/** What the answer of these depends on is not in the packet: they are taken to match. */
const REMEMBERING = ['limit', 'hashlimit', 'connlimit', 'statistic', 'recent', 'quota']
/** What these do is done for real packets only. */
const TELLING = ['LOG', 'NFLOG', 'TRACE', 'SET']
/** Chains within chains; a checked ruleset never comes near. */
const DEPTH_MAX = 1000

/** One rule, or the policy, that a packet came by. */
export interface Step {
  table: TableName
  hook: Hook
  chain: string
  /** 0 in a base chain, one more with each jump */
  depth: number
  /** its place in the chain from 1 on; a policy's is behind the last rule's */
  rule: number
  /** of the text that brought it, 0 where it came from elsewhere */
  line: number
  text: string
  matched: boolean
  /** the first condition that does not hold and what the packet has there, or what a rule did that matched */
  why: string
  /** matches that remember other packets, and were taken to match */
  depends: string[]
}

/** What a walk stands on. Words and packet are the walker's own: rules may change them. */
export interface Scene {
  footing: Footing
  view: DataView
  words: Int32Array
  make(spec: MatcherSpec, footing: Footing): Matcher
  /** what bears a name now */
  kindOf(name: string): 'port' | 'network' | null
  set(name: string): SetPlace | null
}

type Ask = (x: Int32Array, v: DataView, w: Int32Array, M: Matcher[], T: Int32Array[]) => boolean
type Act = (x: Int32Array, v: DataView, w: Int32Array, M: Matcher[], T: Int32Array[]) => number

export class Walk {
  readonly steps: Step[] = []
  readonly x: Int32Array
  private readonly ruleset: Ruleset
  private readonly scene: Scene
  private readonly names: string[] = ['']
  private readonly numbers = new Map([['', 0]])
  private readonly matchers: Matcher[] = []
  private readonly tables: Int32Array[] = []
  private readonly asks = new Map<unknown, Ask>()
  private readonly acts = new Map<Use, Act>()
  private readonly broken = new Map<unknown, string>()

  constructor(ruleset: Ruleset, scene: Scene) {
    this.ruleset = ruleset
    this.scene = scene
    this.x = scene.footing.x
  }

  /** The number that a name has in the registers of this walk; '' has 0. */
  number(name: string): number {
    const known = this.numbers.get(name)
    if (known !== undefined) return known
    this.numbers.set(name, this.names.length)
    return this.names.push(name) - 1
  }

  /** Walks the base chain of a table at a hook, if there is one: a verdict of registers.ts other than CONTINUE. */
  run(table: TableName, hook: Hook): number {
    const chain = this.ruleset.tables.get(table)?.chains.get(hook)
    const { x } = this
    x[TABLE] = TABLES.indexOf(table)
    x[HOOK] = HOOKS.indexOf(hook)
    x[EXPLICIT] = 0
    x[HOTDROP] = 0
    if (chain === undefined) return ACCEPT
    const verdict = this.chain(table, hook, chain, 0)
    if (verdict !== CONTINUE) {
      x[EXPLICIT] = 1
      return verdict
    }
    const policy = chain.policy ?? 'ACCEPT'
    this.steps.push({
      ...{ table, hook, chain: chain.name, depth: 0, rule: chain.rules.length + 1, line: chain.line },
      ...{ text: `policy ${policy}`, matched: true, why: '', depends: [] },
    })
    return policy === 'DROP' ? DROP : ACCEPT
  }

  private chain(table: TableName, hook: Hook, chain: Chain, depth: number): number {
    if (depth > DEPTH_MAX) throw new Error(`chain ${chain.name} is reached from itself`)
    for (const [index, rule] of chain.rules.entries()) {
      const { line, text, target } = rule
      const place = { table, hook, chain: chain.name, depth, rule: index + 1, line, text }
      const depends: string[] = []
      const failed = this.first(rule, depends)
      const step: Step = {
        ...place,
        matched: failed === null,
        why: failed ?? '',
        depends: failed ? [] : depends,
      }
      this.steps.push(step)
      if (failed !== null && this.x[HOTDROP] !== 0) {
        step.why = `${failed}; a header that is cut off drops the packet`
        return DROP
      }
      if (failed !== null || target === null) continue
      if (target.name === 'RETURN') return CONTINUE
      const user = targetKind(target.name)
        ? undefined
        : this.ruleset.tables.get(table)?.chains.get(target.name)
      const verdict = user === undefined ? this.act(target, step) : this.chain(table, hook, user, depth + 1)
      if (verdict !== CONTINUE) return verdict
      // Who went to a chain with -g does not come back here.
      if (rule.goto) return CONTINUE
    }
    return CONTINUE
  }

  /** The first condition of a rule that does not hold, in words; null if all hold. */
  private first(rule: Rule, depends: string[]): string | null {
    for (const use of rule.matches) {
      const kind = matchKind(use.name)
      if (kind === undefined) return `match ${use.name} is not known`
      const words = kind.print(use.data).join(' ')
      const shown = use.name === 'ip' ? words : `-m ${use.name} ${words}`.trim()
      if (REMEMBERING.includes(use.name)) depends.push(shown)
      else if (!this.holds(kind, use.data)) {
        const broken = this.broken.get(use.data)
        if (broken !== undefined) return `${shown}: ${broken}`
        return use.name === 'ip'
          ? this.firstOf(kind as MatchKind<Ip>, use.data as Ip)
          : `${shown}: ${this.shows(kind, use.data)}`
      }
    }
    return null
  }

  private shows(kind: MatchKind, data: unknown): string {
    return `the packet has ${kind.shows(data, this.x, this.scene.view, this.scene.words)}`
  }

  /** Which of what a rule asks without -m does not hold. */
  private firstOf(kind: MatchKind<Ip>, data: Ip): string {
    const { source, destination, input, output, protocol, notProtocol, fragment } = data
    const { x } = this
    const parts: [Partial<Ip>, () => string][] = [
      [{ source }, () => `the packet has source ${printAddress(x[SOURCE])}`],
      [{ destination }, () => `the packet has destination ${printAddress(x[DESTINATION])}`],
      [{ input }, () => `the packet ${this.sides('came in by', IN_NETWORK, IN_PORT)}`],
      [{ output }, () => `the packet ${this.sides('leaves by', OUT_NETWORK, OUT_PORT)}`],
      [{ protocol, notProtocol }, () => `the packet has protocol ${printProtocol(x[PROTOCOL])}`],
      [{ fragment }, () => 'fragments are put together before the first hook'],
    ]
    for (const [part, has] of parts) {
      const single = { ...kind.begin(), ...part }
      if (!this.holds(kind as MatchKind, single)) return `${kind.print(single).join(' ')}: ${has()}`
    }
    return kind.print(data).join(' ')
  }

  private sides(verb: string, network: number, port: number): string {
    const [of, by] = [this.names[this.x[network]], this.names[this.x[port]]]
    if (of === '' && by === '') return verb === 'leaves by' ? 'does not leave yet' : 'came in by none'
    return by === '' || by === of ? `${verb} network ${of}` : `${verb} port ${by} of network ${of}`
  }

  private holds(kind: MatchKind, data: unknown): boolean {
    let ask = this.asks.get(data)
    if (ask === undefined) {
      ask = this.compile(kind, data)
      this.asks.set(data, ask)
    }
    return ask(this.x, this.scene.view, this.scene.words, this.matchers, this.tables)
  }

  private compile(kind: MatchKind, data: unknown): Ask {
    try {
      const { text } = kind.code(data, this.emit())
      return new Function('x', 'v', 'w', 'M', 'T', `return ${text}`) as Ask
    } catch (error) {
      this.broken.set(data, (error as Error).message)
      return () => false
    }
  }

  /** Does what a target does, and says what in the step; its verdict. */
  private act(target: Use, step: Step): number {
    const kind = targetKind(target.name)
    if (kind === undefined || TELLING.includes(target.name)) return CONTINUE
    let act = this.acts.get(target)
    if (act === undefined) {
      const { text } = kind.code(target.data, this.emit())
      act = new Function('x', 'v', 'w', 'M', 'T', `${text}\nreturn ${CONTINUE}`) as Act
      this.acts.set(target, act)
    }
    const verdict = act(this.x, this.scene.view, this.scene.words, this.matchers, this.tables)
    step.why = [target.name, ...kind.print(target.data)].join(' ')
    return verdict
  }

  private emit(): Emit {
    const { scene, matchers, tables, names } = this
    return {
      rule: 0,
      tableName: TABLES[this.x[TABLE]],
      matcher: (spec) => matchers.push(scene.make(spec, scene.footing)) - 1,
      table: (values) => tables.push(values) - 1,
      name: (name) => ({ id: this.number(name), isPort: scene.kindOf(name) !== 'network' }),
      wildcard: (prefix, register) => {
        const ask = (x: Int32Array) => x[register] !== 0 && names[x[register]].startsWith(prefix)
        return `M[${matchers.push({ ask }) - 1}].ask(x)`
      },
      set: (name) => {
        const place = scene.set(name)
        if (place === null) throw new Error(`there is no set ${name}`)
        return place
      },
    }
  }
}
