/** From rules to a plan: numbers for all that is counted, functions of a few rules each, and what they stand on. */
import { COUNTERS } from '../table/tally.ts'
import { Assembly } from './assembly.ts'
import type { MatcherSpec, SetPlace } from './extension.ts'
import { MEMORY_MAX, memoryOf } from './matchers.ts'
import type { Plan } from './plan.ts'
import * as x from './registers.ts'
import { BASES, type Chain, HOOKS, type Ruleset, TABLES, type TableName } from './rule.ts'

/** What the compiler has to know of the world. */
export interface Context {
  /** what bears a name: null if nothing does */
  kindOf(name: string): 'port' | 'network' | null
  set(name: string): SetPlace | null
  /** flows that the gateway has room for */
  flows?: number
}

/** What is counted: a rule, or with index -1 a policy. */
export interface Counted {
  table: TableName
  chain: string
  index: number
  text: string
  line: number
}

/** What numbers mean: a counter's is its position, a name's its position + 1. */
export interface Numbering {
  counters: Counted[]
  names: string[]
  wildcards: string[]
}

/** As many as there are counters. */
const COUNTED_MAX = COUNTERS
/** One takes up to 3 KiB of the worker's heap, which for a moment holds those of the rules before, too: 400 MiB together. */
const MATCHERS_MAX = 65_536
/** One takes up to 5 KiB, likewise. */
const FUNCTIONS_MAX = 32_768
/** A byte for each name under each wildcard: 16 MiB. */
const NAMES_MAX = 2 ** 24

/** Throws an Error if there is more than fits, and Wrong for a set that is not there. */
export function compile(
  ruleset: Ruleset,
  context: Context,
  before: Numbering | null,
): { plan: Plan; numbering: Numbering } {
  const { counters, initial, rules } = number(ruleset)
  if (counters.length > COUNTED_MAX) {
    throw new Error(
      `${rules} rules: at most ${COUNTED_MAX} rules and policies fit; use sets for lists of addresses`,
    )
  }
  const assembly = new Assembly(context, rules)
  const bases = new Int32Array(TABLES.length * HOOKS.length).fill(-1)
  const policies = bases.slice()
  const verdicts = bases.slice().fill(x.ACCEPT)
  let first = 0
  let policy = rules
  for (const [name, { chains }] of inOrder(ruleset)) {
    const functions = assembly.table(name, chains, first)
    for (const hook of BASES[name]) {
      const base = TABLES.indexOf(name) * HOOKS.length + HOOKS.indexOf(hook)
      const chain = chains.get(hook)
      bases[base] = functions.get(hook) ?? -1
      policies[base] = policy++
      verdicts[base] = chain?.policy === 'DROP' ? x.DROP : x.ACCEPT
    }
    for (const chain of chains.values()) first += chain.rules.length
  }
  const parts = assembly.parts()
  fit(assembly.specs, parts.sources.length, context)
  const { names, wildcards } = assembly
  if (names.length * wildcards.length > NAMES_MAX) {
    throw new Error(
      `${names.length} names of interfaces beside ${wildcards.length} with +: a table of them would be too large; use sets or marks`,
    )
  }
  const isEmpty = bases.every((each) => each < 0) && !verdicts.includes(x.DROP)
  const numbering = { counters, names, wildcards }
  const plan: Plan = {
    rules,
    counted: counters.length,
    bases,
    policies,
    verdicts,
    ...parts,
    carried: carry(counters, initial, before),
    initial,
    names: { ports: new Int32Array(0), networks: new Int32Array(0), wild: new Uint8Array(0), count: 0 },
    empty: isEmpty,
  }
  return { plan, numbering }
}

/** Throws an Error if a worker has no room for what was compiled. */
function fit(matchers: readonly MatcherSpec[], functions: number, context: Context): void {
  if (matchers.length > MATCHERS_MAX) {
    throw new Error(
      `${matchers.length} matches like limit, string and u32: at most ${MATCHERS_MAX} fit; use sets, or one hashlimit for many addresses`,
    )
  }
  if (functions > FUNCTIONS_MAX) {
    throw new Error(
      `${functions} chains and pieces of chains: at most ${FUNCTIONS_MAX} fit; put rules into fewer chains`,
    )
  }
  const bytes = memoryOf(matchers, context.flows ?? 0)
  if (bytes > MEMORY_MAX) {
    const megabytes = (count: number) => Math.ceil(count / 2 ** 20)
    throw new Error(
      `hashlimit, recent and connlimit would take ${megabytes(bytes)} MiB, more than ${megabytes(MEMORY_MAX)}: make their tables smaller`,
    )
  }
}

/** Tables in the order of their numbers. */
function inOrder({ tables }: Ruleset) {
  return TABLES.flatMap((name) => {
    const table = tables.get(name)
    return table === undefined ? [] : [[name, table] as const]
  })
}

/** Numbers rules in the order of tables, chains and lines, and behind them the policies in the order of hooks. */
function number(ruleset: Ruleset) {
  const counters: Counted[] = []
  const values: number[] = []
  for (const [table, { chains }] of inOrder(ruleset)) {
    for (const { name: chain, rules } of chains.values()) {
      rules.forEach(({ text, line, packets, bytes }, index) => {
        counters.push({ table, chain, index, text, line })
        values.push(packets, bytes)
      })
    }
  }
  const rules = counters.length
  for (const [table, { chains }] of inOrder(ruleset)) {
    for (const chain of BASES[table]) {
      const { policy, line, packets, bytes } = chains.get(chain) ?? noChain(chain)
      counters.push({ table, chain, index: -1, text: `-P ${chain} ${policy}`, line })
      values.push(packets, bytes)
    }
  }
  return { counters, initial: Float64Array.from(values), rules }
}

function noChain(name: string): Chain {
  return { name, policy: 'ACCEPT', line: 0, packets: 0, bytes: 0, rules: [] }
}

/** Who goes on counting where an equal one of the numbering before left off; equal ones in their order. Who brings counts begins with those. */
function carry(counters: Counted[], initial: Float64Array, before: Numbering | null): Int32Array {
  const carried = new Int32Array(counters.length).fill(-1)
  if (before === null) return carried
  const keyOf = ({ table, chain, text }: Counted) => `${table} ${chain} ${text}`
  const places = new Map<string, number[]>()
  for (let n = before.counters.length - 1; n >= 0; n--) {
    const key = keyOf(before.counters[n])
    const there = places.get(key)
    if (there === undefined) places.set(key, [n])
    else there.push(n)
  }
  counters.forEach((each, n) => {
    const from = places.get(keyOf(each))?.pop()
    if (from !== undefined && initial[2 * n] === 0 && initial[2 * n + 1] === 0) carried[n] = from
  })
  return carried
}
