/** The assembly of a plan's functions: each chain's rules in pieces that V8 optimises well, long chains as trees of pieces. */
import { jump, NUMBER, PROLOGUE, RETURNED, ruleCode, verdict } from './code.ts'
import type { Context } from './compile.ts'
import { type Action, type Condition, type Emit, type MatcherSpec, SLOW, STATIC, Wrong } from './extension.ts'
import { runsOf } from './group.ts'
import type { Key } from './key.ts'
import { shapeOf } from './kind.ts'
import { matchKind, targetKind } from './kinds.ts'
import type { LookupPlan } from './plan.ts'
import * as x from './registers.ts'
import type { Chain, Rule, TableName } from './rule.ts'
import { rowsSource, runSource } from './run.ts'
import { lookupPlan } from './tuple.ts'

/** Rules, or calls of pieces, in one function: V8 gives up on huge ones. */
const PIECE = 24

/** Consecutive rules of one kind that are worth a loop over their numbers: plain code is twice as fast while the caches hold it. */
const ROWS = 1024
/** In rulesets larger than this, rules of all kinds become such loops: a plain rule takes half a kilobyte of the worker's heap. */
const PLAIN_MAX = 20_000

interface Part {
  conditions: Condition[]
  action: Action
}

export class Assembly {
  /** names and wildcards in the order in which rules say them, each with its position */
  private readonly named = new Map<string, number>()
  private readonly wild = new Map<string, number>()
  private readonly context: Context
  private readonly isLarge: boolean
  private readonly sources: string[] = []
  private readonly lookups: LookupPlan[] = []
  private readonly tables: Int32Array[] = []
  readonly specs: MatcherSpec[] = []
  /** the same as JSON */
  private readonly matchers: string[] = []
  /** the rule that a matcher belongs to, -1 if it is shared */
  private readonly owners: number[] = []
  private readonly shared = new Map<string, number>()
  private asksEgress = false
  private decidesTracking = false

  private readonly addTable = (values: Int32Array) => this.tables.push(values) - 1

  constructor(context: Context, rules: number) {
    this.context = context
    this.isLarge = rules > PLAIN_MAX
  }

  /** Functions of a table's chains by name, those alone that packets can reach and that have rules; rules are numbered from `first` on. */
  table(table: TableName, chains: ReadonlyMap<string, Chain>, first: number): Map<string, number> {
    const functions = new Map<string, number>()
    for (const name of reachable(chains)) {
      functions.set(name, this.sources.length)
      this.sources.push('')
    }
    let rule = first
    for (const { name, rules } of chains.values()) {
      const place = functions.get(name)
      if (place !== undefined) this.chain(place, rules, rule, table, functions)
      rule += rules.length
    }
    return functions
  }

  get names(): string[] {
    return [...this.named.keys()]
  }

  get wildcards(): string[] {
    return [...this.wild.keys()]
  }

  parts() {
    const { sources, lookups, tables, matchers, asksEgress, decidesTracking } = this
    return {
      sources,
      lookups,
      tables,
      matchers,
      owners: Int32Array.from(this.owners),
      asksEgress,
      decidesTracking,
    }
  }

  /** Fills function `place` with a chain of rules. */
  private chain(
    place: number,
    rules: readonly Rule[],
    first: number,
    table: TableName,
    functions: ReadonlyMap<string, number>,
  ): void {
    const parts = rules.map((rule, index) => {
      const emit = this.emit(first + index, table)
      return { conditions: this.conditions(rule, emit), action: this.action(rule, emit, functions) }
    })
    const texts: string[] = []
    let done = 0
    for (const { first: from, keys } of runsOf(parts.map(({ conditions }) => conditions))) {
      texts.push(...this.plain(parts.slice(done, from), first + done))
      done = from + keys.length
      const actions = parts.slice(from, done).map(({ action }) => action)
      texts.push(this.run(keys, actions, first + from))
    }
    texts.push(...this.plain(parts.slice(done), first + done))
    this.gather(place, texts)
  }

  /** Statements of rules one after the other; many of one kind become a loop of their own. */
  private plain(parts: readonly Part[], first: number): string[] {
    const statements = parts.map(({ conditions, action }) => ruleCode(conditions, action, PROLOGUE))
    const shapes = statements.map((statement) => shapeOf(statement).shape)
    const texts: string[] = []
    for (let from = 0, end = 0; from < parts.length; from = end) {
      while (end < parts.length && (this.isLarge || shapes[end] === shapes[from])) end++
      if (end - from >= ROWS) {
        texts.push(this.call(rowsSource(statements.slice(from, end), first + from, this.addTable)))
        continue
      }
      for (let at = from; at < end; at++) {
        const { conditions, action } = parts[at]
        texts.push(ruleCode(conditions, action).replaceAll(NUMBER, String(first + at)))
      }
    }
    return texts
  }

  private run(keys: readonly Key[], actions: readonly Action[], first: number): string {
    const lookup = this.lookups.push(lookupPlan(keys)) - 1
    return this.call(runSource(keys, actions, first, lookup, this.addTable))
  }

  /** A statement that runs a function of rules within the same chain. */
  private call(source: string): string {
    const callee = this.sources.push(source) - 1
    return `{const r=C[${callee}]();if(r!==${x.CONTINUE})return r}`
  }

  /** Makes `place` a function of these statements one after the other, or of calls of functions that have them. */
  private gather(place: number, texts: string[]): void {
    if (texts.length <= PIECE) {
      this.sources[place] = `function(){${PROLOGUE}${texts.join('')}return ${x.CONTINUE}}`
      return
    }
    const calls: string[] = []
    const share = shareOf(texts.length)
    for (let at = 0; at < texts.length; at += share) {
      const piece = this.sources.push('') - 1
      this.gather(piece, texts.slice(at, at + share))
      calls.push(`if((r=C[${piece}]())!==${x.CONTINUE})return r;`)
    }
    this.sources[place] = `function(){let r;${calls.join('')}return ${x.CONTINUE}}`
  }

  private conditions(rule: Rule, emit: Emit): Condition[] {
    return rule.matches.map(({ name, data }) => {
      const kind = matchKind(name)
      if (kind === undefined) throw new Error(`line ${rule.line}: no match is called ${name}`)
      const condition = kind.code(data, emit)
      if (condition.text.includes(`x[${x.OUT_PORT}]`)) this.asksEgress = true
      return condition
    })
  }

  private action(rule: Rule, emit: Emit, functions: ReadonlyMap<string, number>): Action {
    const { target, goto } = rule
    if (target === null) return { text: '', nature: STATIC, ends: false }
    if (target.name === 'ACCEPT') return verdict(x.ACCEPT)
    if (target.name === 'DROP') return verdict(x.DROP)
    if (target.name === 'RETURN') return verdict(RETURNED)
    // Behind TRACE, what is met from here on in the log is told of.
    if (target.name === 'TRACE') {
      return { text: `if(!x[${x.TRACED}])x[${x.TRACED}]=x[${x.MET}];`, nature: SLOW, ends: false }
    }
    if (target.name === 'CT' || target.name === 'NOTRACK') this.decidesTracking = true
    const kind = targetKind(target.name)
    if (kind === undefined) return jump(functions.get(target.name)?.toString() ?? null, goto)
    const action = kind.code(target.data, emit)
    return { ...action, text: `{${action.text}}` }
  }

  private emit(rule: number, tableName: TableName): Emit {
    return {
      rule,
      tableName,
      matcher: (spec) => this.matcher(spec, rule),
      table: this.addTable,
      name: (name) => ({
        id: 1 + position(this.named, name),
        isPort: this.context.kindOf(name) !== 'network',
      }),
      wildcard: (prefix, register) => `N.wild[${position(this.wild, prefix)}*N.count+x[${register}]]!==0`,
      set: (name) => {
        const place = this.context.set(name)
        if (place === null) throw new Wrong(`there is no set ${name}`)
        return place
      },
    }
  }

  private matcher(spec: MatcherSpec, rule: number): number {
    const text = JSON.stringify(spec)
    const known = spec.own ? undefined : this.shared.get(text)
    if (known !== undefined) return known
    this.owners.push(spec.own ? rule : -1)
    this.specs.push(spec)
    const made = this.matchers.push(text) - 1
    if (!spec.own) this.shared.set(text, made)
    return made
  }
}

function position(positions: Map<string, number>, name: string): number {
  const known = positions.get(name) ?? positions.size
  if (known === positions.size) positions.set(name, known)
  return known
}

/** How many of `count` statements each of at most PIECE functions takes. */
function shareOf(count: number): number {
  let share = PIECE
  while (share * PIECE < count) share *= PIECE
  return share
}

/** Names of chains that packets can come to and that have rules. */
function reachable(chains: ReadonlyMap<string, Chain>): Set<string> {
  const found = new Set<string>()
  const open = [...chains.values()].filter(({ policy }) => policy !== null)
  for (let chain = open.pop(); chain !== undefined; chain = open.pop()) {
    if (found.has(chain.name) || chain.rules.length === 0) continue
    found.add(chain.name)
    for (const { target } of chain.rules) {
      const next = target === null || targetKind(target.name) ? undefined : chains.get(target.name)
      if (next !== undefined) open.push(next)
    }
  }
  return found
}
