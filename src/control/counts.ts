/** What rules counted, as listings and metrics show it. */
import { createHash } from 'node:crypto'
import type { Numbering } from '../chain/compile.ts'
import type { Rule, Ruleset, TableName } from '../chain/rule.ts'
import { labels } from './metrics/exposition.ts'

export interface RuleRow {
  table: TableName
  chain: string
  /** from 1 on in its chain; 0 is the chain's policy */
  number: number
  /** as iptables-save prints it */
  rule: string
  packets: number
  bytes: number
  /** of the text that it was read from, 0 if it stands in none */
  line: number
}

/** What metrics show, in columns: a place for all rules of a chain with one label. */
export interface RuleSamples {
  /** table, chain and rule, as a metric's labels */
  series: string[]
  packets: Float64Array
  bytes: Float64Array
}

/** Rules that metrics tell apart; what is beyond is summed by table, as chain and rule OTHER. */
export const SAMPLES = 16_384
const OTHER = 'other'

/** Twelve digits: two of 100,000 rules share them once in 50,000 rulesets. */
const DIGITS = 12
const POLICY = 'policy'

/** How metrics name a rule: by its comment, else by what it says, never by its place. */
export function labelOf({ text, matches }: Rule): string {
  const data = matches.find(({ name }) => name === 'comment')?.data as { text?: string | null } | undefined
  const comment = data?.text ?? ''
  if (comment !== '' && comment !== POLICY) return comment
  return createHash('sha256').update(text).digest('hex').slice(0, DIGITS)
}

/** Which of the rules are wanted: those that have a text in their own, chain or table, and of these a part. */
export interface Excerpt {
  search?: string
  offset?: number
  limit?: number
}

/** The rules of a ruleset and the policies of its base chains, in the order in which they are met. */
function* all(ruleset: Ruleset): Generator<Omit<RuleRow, 'packets' | 'bytes'>> {
  for (const { name: table, chains } of ruleset.tables.values())
    for (const { name: chain, policy, line, rules } of chains.values()) {
      if (policy !== null) yield { table, chain, number: 0, rule: `-P ${chain} ${policy}`, line }
      for (const [index, rule] of rules.entries())
        yield { table, chain, number: index + 1, rule: rule.text, line: rule.line }
    }
}

/** Those that are wanted; `counts` are packets and bytes in the numbering's order. */
export function rows(
  ruleset: Ruleset,
  places: Places,
  counts: Float64Array,
  { search = '', offset = 0, limit = Number.POSITIVE_INFINITY }: Excerpt = {},
): RuleRow[] {
  const wanted = search.toLowerCase()
  const result: RuleRow[] = []
  let skipped = 0
  for (const each of all(ruleset)) {
    const { table, chain, number, rule } = each
    if (wanted !== '' && !`${table} ${chain} ${rule}`.toLowerCase().includes(wanted)) continue
    if (skipped++ < offset) continue
    if (result.length >= limit) break
    const [packets, bytes] = places.count(counts, table, chain, number - 1)
    result.push({ ...each, packets, bytes })
  }
  return result
}

/** Where the counters of rules are, and under which label they are summed. */
export class Places {
  private readonly byRule = new Map<string, number[]>()
  /** null until somebody scrapes */
  private samples: RuleSamples | null = null
  /** by counter: its place among the samples */
  private readonly sampleOf: Int32Array
  private readonly ruleset: Ruleset

  constructor(ruleset: Ruleset, numbering: Numbering | null) {
    this.ruleset = ruleset
    const counters = numbering?.counters ?? []
    this.sampleOf = new Int32Array(counters.length)
    counters.forEach(({ table, chain, index }, counter) => {
      const key = `${table} ${chain}`
      const chainCounters = this.byRule.get(key) ?? []
      this.byRule.set(key, chainCounters)
      chainCounters[index + 1] = counter
    })
  }

  /** Packets and bytes of a rule, of a policy at -1. */
  count(counts: Float64Array, table: TableName, chain: string, index: number): [number, number] {
    const counter = this.byRule.get(`${table} ${chain}`)?.[index + 1]
    return counter === undefined ? [0, 0] : [counts[2 * counter] ?? 0, counts[2 * counter + 1] ?? 0]
  }

  /** Sums by label, which the next call changes. Labels are made at the first call: a switch that nobody scrapes needs none. */
  sum(counts: Float64Array): RuleSamples {
    this.samples ??= this.label()
    const { samples, sampleOf } = this
    const { packets, bytes } = samples
    packets.fill(0)
    bytes.fill(0)
    for (let counter = 0; counter < sampleOf.length; counter++) {
      packets[sampleOf[counter]] += counts[2 * counter] ?? 0
      bytes[sampleOf[counter]] += counts[2 * counter + 1] ?? 0
    }
    return samples
  }

  private label(): RuleSamples {
    const known = new Map<string, number>()
    for (const [key, counters] of this.byRule) {
      const [table = '', chain = ''] = key.split(' ')
      const rules = this.ruleset.tables.get(table as TableName)?.chains.get(chain)?.rules ?? []
      counters.forEach((counter, at) => {
        const own = { table, chain, rule: at === 0 ? POLICY : labelOf(rules[at - 1]) }
        const name = labels(own)
        const isBeyond = !known.has(name) && known.size >= SAMPLES
        const shown = isBeyond ? labels({ table, chain: OTHER, rule: OTHER }) : name
        const place = known.get(shown) ?? known.size
        known.set(shown, place)
        this.sampleOf[counter] = place
      })
    }
    const columns = { packets: new Float64Array(known.size), bytes: new Float64Array(known.size) }
    return { series: [...known.keys()], ...columns }
  }
}
