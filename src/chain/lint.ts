/**
 * What a ruleset says in vain: rules that no packet reaches, chains that nobody jumps to, names that nothing bears. Only what is certain is told:
 * a rule that is called unreachable never counts a packet.
 */
import type { Emit } from './extension.ts'
import { SLOW } from './extension.ts'
import { matchKind, targetKind } from './kinds.ts'
import type { Ip } from './match/ip.ts'
import type { Chain, Rule, Ruleset, Table } from './rule.ts'

export interface Finding {
  /** of the text, 0 where it came from elsewhere */
  line: number
  text: string
}

/** Words of a key: see lookup.ts. */
const WORDS = 5
/** Different sets of masks that earlier rules are looked for under; with more only the first are. */
const SHAPES_MAX = 256
/** What leaves the packet as it is for the rules behind. */
const HARMLESS = ['ACCEPT', 'DROP', 'RETURN', 'REJECT', 'LOG', 'NFLOG']
/** The gateway's own traffic with itself has no interface: rules for it are taken as they are. */
const LOOPBACK = 'lo'

/** What a rule asks: equality under masks, and other conditions as text. */
interface Asked {
  masks: number[]
  values: number[]
  rests: string[]
  /** a condition remembers, or changes something */
  isSlow: boolean
  /** the conditions contradict each other */
  isNever: boolean
}

/** Rules that end what reaches them, under the masks that they ask. */
interface Shape {
  masks: number[]
  rules: Map<string, Rule>
}

/** Looks at a checked ruleset; `known` says whether a port or network bears a name. */
export function lint(ruleset: Ruleset, known: (name: string) => boolean): Finding[] {
  const findings: Finding[] = []
  for (const table of ruleset.tables.values()) new Reader(table, known, findings).read()
  return findings.sort((a, b) => a.line - b.line)
}

class Reader {
  private readonly table: Table
  private readonly known: (name: string) => boolean
  private readonly findings: Finding[]
  private readonly emit = emitter()
  private readonly endings = new Map<Chain, boolean>()

  constructor(table: Table, known: (name: string) => boolean, findings: Finding[]) {
    this.table = table
    this.known = known
    this.findings = findings
  }

  read(): void {
    const { chains } = this.table
    const wanted = new Set<string>()
    for (const chain of chains.values()) {
      this.reach(chain)
      for (const rule of chain.rules) {
        this.name(rule)
        const called = this.called(rule)
        if (called === undefined) continue
        wanted.add(called.name)
        const verb = rule.goto ? 'goes' : 'jumps'
        if (called.rules.length === 0)
          this.tell(rule.line, `${rule.text}: ${verb} to ${called.name}, which has no rules`)
      }
    }
    for (const chain of chains.values())
      if (chain.policy === null && !wanted.has(chain.name))
        this.tell(chain.line, `chain ${chain.name} of table ${this.table.name}: no rule jumps to it`)
  }

  private tell(line: number, text: string): void {
    this.findings.push({ line, text })
  }

  /** Finds rules of a chain that no packet comes to. */
  private reach(chain: Chain): void {
    const shapes = new Map<string, Shape>()
    const equals = new Map<string, Rule>()
    let end: Rule | null = null
    for (const rule of chain.rules) {
      if (end !== null) {
        this.tell(rule.line, `${rule.text}: is never reached, ${where(end)} ends the chain for every packet`)
        continue
      }
      const asked = this.asked(rule)
      if (asked.isNever)
        this.tell(rule.line, `${rule.text}: never matches, its conditions exclude each other`)
      const earlier = shadow(shapes, asked) ?? equals.get(keyOf(asked))
      if (earlier !== undefined && !asked.isNever) {
        this.tell(rule.line, `${rule.text}: never matches, ${where(earlier)} takes all that it asks for`)
        continue
      }
      // From here on the packet may be another one than it was.
      if (rule.target !== null && !HARMLESS.includes(rule.target.name)) equals.clear()
      if (!this.ends(rule) || asked.isNever || asked.isSlow) continue
      if (asked.rests.length > 0) equals.set(keyOf(asked), rule)
      else if (asked.masks.every((mask) => mask === 0)) end = rule
      else keep(shapes, asked, rule)
    }
  }

  /** Tells of names in -i and -o that nothing bears. */
  private name(rule: Rule): void {
    const data = rule.matches.find(({ name }) => name === 'ip')?.data as Ip | undefined
    for (const [option, side] of [
      ['-i', data?.input],
      ['-o', data?.output],
    ] as const) {
      const name = side?.name ?? ''
      if (name === '' || name.endsWith('+') || name === LOOPBACK || this.known(name)) continue
      const what = side?.not ? 'always matches' : 'never matches'
      this.tell(rule.line, `${rule.text}: ${option} ${name} ${what}, no port or network has that name`)
    }
  }

  /** The user chain that a rule jumps or goes to. */
  private called({ target }: Rule): Chain | undefined {
    if (target === null || targetKind(target.name) !== undefined) return undefined
    return this.table.chains.get(target.name)
  }

  /** True if no packet that matches the rule comes to the next one. */
  private ends(rule: Rule): boolean {
    if (rule.goto) return true
    const { target } = rule
    if (target === null) return false
    const called = this.called(rule)
    if (called !== undefined) return this.swallows(called)
    if (target.name === 'RETURN') return true
    return targetKind(target.name)?.code(target.data, this.emit).ends ?? false
  }

  /** True if no packet comes back from a user chain. */
  private swallows(chain: Chain): boolean {
    const known = this.endings.get(chain)
    if (known !== undefined) return known
    // A chain that is asked about while it is being looked at calls itself: checked rulesets have none.
    this.endings.set(chain, false)
    let result = false
    for (const rule of chain.rules) {
      const called = this.called(rule)
      if (rule.target?.name === 'RETURN' || (rule.goto && called !== undefined && !this.swallows(called)))
        break
      const asked = this.asked(rule)
      const isAll = asked.rests.length === 0 && asked.masks.every((mask) => mask === 0)
      result = isAll && this.ends(rule)
      if (result) break
    }
    this.endings.set(chain, result)
    return result
  }

  private asked(rule: Rule): Asked {
    const asked: Asked = {
      masks: new Array<number>(WORDS).fill(0),
      values: new Array<number>(WORDS).fill(0),
      rests: [],
      isSlow: false,
      isNever: false,
    }
    for (const { name, data } of rule.matches) {
      const condition = matchKind(name)?.code(data, this.emit)
      if (condition === undefined || condition.nature === SLOW) asked.isSlow = true
      if (condition === undefined) continue
      const rest = condition.key === undefined ? condition.text : (condition.rest ?? 'true')
      if (rest === 'false') asked.isNever = true
      if (rest !== 'true') asked.rests.push(rest)
      for (const { word, value, mask } of condition.key ?? []) {
        const both = asked.masks[word] & mask
        if ((asked.values[word] & both) !== (value & both)) asked.isNever = true
        asked.masks[word] |= mask
        asked.values[word] |= value & mask
      }
    }
    asked.rests.sort()
    return asked
  }
}

function where({ line, text }: Rule): string {
  return line === 0 ? text : `line ${line}`
}

function keyOf({ masks, values, rests }: Asked): string {
  return [masks.join(), values.join(), ...rests].join('|')
}

/** An earlier rule that takes every packet that matches what is asked. */
function shadow(shapes: Map<string, Shape>, asked: Asked): Rule | undefined {
  for (const { masks, rules } of shapes.values()) {
    if (masks.some((mask, word) => (asked.masks[word] & mask) !== mask)) continue
    const rule = rules.get(masks.map((mask, word) => asked.values[word] & mask).join())
    if (rule !== undefined) return rule
  }
  return undefined
}

function keep(shapes: Map<string, Shape>, { masks, values }: Asked, rule: Rule): void {
  const name = masks.join()
  let shape = shapes.get(name)
  if (shape === undefined) {
    if (shapes.size >= SHAPES_MAX) return
    shape = { masks, rules: new Map() }
    shapes.set(name, shape)
  }
  const key = values.join()
  if (!shape.rules.has(key)) shape.rules.set(key, rule)
}

/** Code that is compared, never run: alike descriptions have alike numbers. */
function emitter(): Emit {
  const seen = new Map<string, number>()
  const number = (text: string) => {
    const known = seen.get(text)
    if (known !== undefined) return known
    seen.set(text, seen.size + 1)
    return seen.size
  }
  let own = 0
  return {
    rule: 0,
    tableName: 'filter',
    matcher: (spec) => number(`matcher ${JSON.stringify(spec)} ${spec.own ? ++own : ''}`),
    table: (values) => number(`table ${values.join()}`),
    name: (name) => ({ id: number(`name ${name}`), isPort: true }),
    wildcard: (prefix, register) => `W${number(`wildcard ${prefix}`)}(${register})`,
    set: (name) => ({ name, type: '', at: number(`set ${name}`) }),
  }
}
