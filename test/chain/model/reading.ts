/** The plain reading of a ruleset: rule after rule, each match asked by its own code alone. */
import { type Emit, Wrong } from '../../../src/chain/extension.ts'
import { matchKind, targetKind } from '../../../src/chain/kinds.ts'
import * as x from '../../../src/chain/registers.ts'
import type { Chain, Rule, Ruleset } from '../../../src/chain/rule.ts'
import type { Chains } from '../../lab/chains.ts'
import { world } from './ruleset.ts'

export interface Told {
  verdict: number
  met: number[]
  mark: number
}

interface Line {
  number: number
  rule: Rule
  asks: (() => boolean)[]
  act: (() => void) | null
}

const VERDICTS: Record<string, number> = { ACCEPT: x.ACCEPT, DROP: x.DROP, RETURN: x.CONTINUE }

export class Reading {
  /** by number: what makes a rule the same in another ruleset */
  readonly identities: string[] = []
  private readonly chains = new Map<string, { chain: Chain; lines: Line[]; policy: number }>()
  private readonly registers: Int32Array
  private met: number[] = []

  constructor(ruleset: Ruleset, { registers, arena }: Chains, names: readonly string[]) {
    this.registers = registers
    const { chains } = ruleset.tables.get('mangle')!
    for (const chain of chains.values()) {
      const lines = chain.rules.map((rule) => {
        const number = this.identities.push(`${chain.name} ${rule.text}`) - 1
        return this.line(rule, number, names, arena.view)
      })
      this.chains.set(chain.name, { chain, lines, policy: -1 })
    }
    for (const each of this.chains.values()) {
      if (each.chain.policy === null) continue
      each.policy = this.identities.push(`${each.chain.name} ${each.chain.policy}`) - 1
    }
  }

  private line(rule: Rule, number: number, names: readonly string[], v: DataView): Line {
    const { registers } = this
    const emit: Emit = {
      rule: number,
      tableName: 'mangle',
      matcher: () => refuse(),
      table: () => refuse(),
      set: () => refuse(),
      name: (name) => ({ id: names.indexOf(name) + 1, isPort: world.kindOf(name) !== 'network' }),
      wildcard: (prefix, register) => `begins('${prefix}',x[${register}])`,
    }
    const begins = (prefix: string, id: number) => id > 0 && names[id - 1].startsWith(prefix)
    const asks = rule.matches.map(({ name, data }) => {
      const { text } = matchKind(name)!.code(data, emit)
      const ask = new Function('x', 'v', 'begins', `return ${text}`)
      return () => Boolean(ask(registers, v, begins))
    })
    const kind = rule.target && !(rule.target.name in VERDICTS) ? targetKind(rule.target.name) : undefined
    const text = kind?.code(rule.target!.data, emit).text
    const act = text === undefined ? null : new Function('x', text)
    return { number, rule, asks, act: act && (() => void act(registers)) }
  }

  run(base: string): Told {
    this.met = []
    const { chain, policy } = this.chains.get(base)!
    let verdict = this.walk(base)
    if (verdict === x.CONTINUE) {
      this.met.push(policy)
      verdict = chain.policy === 'DROP' ? x.DROP : x.ACCEPT
    }
    return { verdict, met: this.met, mark: this.registers[x.MARK] }
  }

  private walk(name: string): number {
    for (const { rule, number, asks, act } of this.chains.get(name)!.lines) {
      if (!asks.every((ask) => ask())) continue
      this.met.push(number)
      if (rule.target === null) continue
      const known = VERDICTS[rule.target.name]
      if (known !== undefined) return known
      if (act) act()
      else {
        const verdict = this.walk(rule.target.name)
        if (verdict !== x.CONTINUE || rule.goto) return verdict
      }
    }
    return x.CONTINUE
  }
}

function refuse(): never {
  throw new Wrong('is not in the model')
}
