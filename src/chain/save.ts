/** Prints a ruleset as iptables-save does. */
import { matchKind, targetKind } from './kinds.ts'
import type { Chain, Rule, Ruleset, TableName, Use } from './rule.ts'

/** Packets and bytes of a rule by its position in the chain, of a policy at -1. */
export type Count = (table: TableName, chain: string, index: number) => readonly [number, number]

/** The text of a ruleset; counters stand before rules only if asked for, and always behind policies. */
export function save(ruleset: Ruleset, count: Count, withCounters: boolean): string {
  const lines: string[] = []
  for (const table of ruleset.tables.values()) {
    lines.push(`*${table.name}`)
    for (const chain of table.chains.values()) lines.push(head(table.name, chain, count))
    for (const chain of table.chains.values()) {
      for (let i = 0; i < chain.rules.length; i++) {
        const { text } = chain.rules[i]
        lines.push(withCounters ? `${pair(count(table.name, chain.name, i))} ${text}` : text)
      }
    }
    lines.push('COMMIT')
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

function head(table: TableName, chain: Chain, count: Count): string {
  // The kernel counts nothing at the end of a user chain.
  const counters = chain.policy === null ? ([0, 0] as const) : count(table, chain.name, -1)
  return `:${chain.name} ${chain.policy ?? '-'} ${pair(counters)}`
}

function pair([packets, bytes]: readonly [number, number]): string {
  return `[${packets}:${bytes}]`
}

/** The text of a rule, from -A on. */
export function print(chain: string, rule: Pick<Rule, 'matches' | 'target' | 'goto'>): string {
  const words = ['-A', chain]
  for (const use of rule.matches) words.push(...printMatch(use))
  if (rule.target !== null) words.push(...printTarget(rule.target, rule.goto))
  return words.join(' ')
}

/** The words of a match, `-m NAME` included. */
function printMatch(use: Use): string[] {
  const words = matchKind(use.name)?.print(use.data) ?? []
  return use.name === 'ip' ? words : ['-m', use.name, ...words]
}

function printTarget(use: Use, goto: boolean): string[] {
  const words = use.data === null ? [] : (targetKind(use.name)?.print(use.data) ?? [])
  return [goto ? '-g' : '-j', use.name, ...words]
}
