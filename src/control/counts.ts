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

/** Rules with one label in one chain, together. */
export interface RuleSample {
  /** table, chain and rule, as a metric's labels */
  labels: string
  packets: number
  bytes: number
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
  private readonly samples: RuleSample[] = []
  /** by counter: its sample */
  private readonly sampleOf: Int32Array
  private readonly ruleset: Ruleset
  private isLabelled = false

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

  /** Sums by label. Labels are made at the first call: a switch that nobody scrapes needs none. */
  sum(counts: Float64Array): readonly RuleSample[] {
    if (!this.isLabelled) this.label()
    for (const sample of this.samples) {
      sample.packets = 0
      sample.bytes = 0
    }
    this.sampleOf.forEach((at, counter) => {
      const sample = this.samples[at]
      sample.packets += counts[2 * counter] ?? 0
      sample.bytes += counts[2 * counter + 1] ?? 0
    })
    return this.samples
  }

  private label(): void {
    this.isLabelled = true
    const known = new Map<string, number>()
    for (const [key, counters] of this.byRule) {
      const [table = '', chain = ''] = key.split(' ')
      const rules = this.ruleset.tables.get(table as TableName)?.chains.get(chain)?.rules ?? []
      counters.forEach((counter, at) => {
        const own = { table, chain, rule: at === 0 ? POLICY : labelOf(rules[at - 1]) }
        const name = labels(own)
        const isBeyond = !known.has(name) && known.size >= SAMPLES
        const shown = isBeyond ? labels({ table, chain: OTHER, rule: OTHER }) : name
        const place = known.get(shown) ?? this.samples.length
        if (place === this.samples.length) {
          known.set(shown, place)
          this.samples.push({ labels: shown, packets: 0, bytes: 0 })
        }
        this.sampleOf[counter] = place
      })
    }
  }
}
