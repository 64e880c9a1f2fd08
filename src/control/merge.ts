/**
 * What a restored text does to the rules in force, as iptables-restore has it: tables that it names are replaced, others stay, and
 * with `noflush` it is added to what there is.
 */
import { Misread } from '../chain/misread.ts'
import { restore } from '../chain/restore.ts'
import { HOOKS, type Ruleset, TABLES, type Table, type TableName } from '../chain/rule.ts'
import { save } from '../chain/save.ts'

export interface Restoring {
  /** counters begin with what the text says */
  counters?: boolean
  /** chains and rules that there are stay */
  noflush?: boolean
  /** this table only */
  table?: TableName
}

/** A whole text for the rules that are to be, and the tables that the restored one named. */
export interface Merged {
  text: string
  ruleset: Ruleset
  named: Set<TableName>
}

/** A rule's counters as the text had them. */
function written(ruleset: Ruleset) {
  return (table: TableName, chain: string, index: number): [number, number] => {
    const of = ruleset.tables.get(table)?.chains.get(chain)
    const counted = index < 0 ? of : of?.rules[index]
    return [counted?.packets ?? 0, counted?.bytes ?? 0]
  }
}

function isPlain({ chains }: Table): boolean {
  return [...chains.values()].every(({ policy, rules }) => policy === 'ACCEPT' && rules.length === 0)
}

/** The lines of a text by table, with their numbers; `*` and COMMIT are left out. */
function sections(text: string): Map<string, { number: number; line: string }[]> {
  const result = new Map<string, { number: number; line: string }[]>()
  let name = ''
  text.split('\n').forEach((line, at) => {
    const begin = /^\s*\*(\S+)/.exec(line)?.[1]
    if (begin !== undefined) {
      name = begin
      result.set(name, result.get(name) ?? [])
    } else if (/^\s*COMMIT\s*$/.test(line)) name = ''
    else if (name !== '') result.get(name)?.push({ number: at + 1, line })
  })
  return result
}

/** The text that adds `text` to `now`. A chain that it declares is emptied, as iptables-restore does. Throws a Misread with the place in `text`. */
function added(text: string, now: Ruleset, table: TableName | undefined): string {
  const lines: string[] = []
  const numbers: number[] = []
  const say = (line: string, number: number) => {
    lines.push(line)
    numbers.push(number)
  }
  const given = sections(text)
  for (const name of TABLES) {
    const present = now.tables.get(name)
    if (present === undefined) continue
    const own = table === undefined || table === name ? (given.get(name) ?? []) : []
    const alone = { tables: new Map([[name, present]]) }
    for (const line of save(alone, () => [0, 0], false).split('\n')) {
      const policy = /^:(\S+) (?:ACCEPT|DROP)/.exec(line)?.[1]
      const other = own.findLast(({ line: each }) => policy !== undefined && each.startsWith(`:${policy} `))
      if (line !== 'COMMIT' && line !== '') say(other?.line ?? line, other?.number ?? 0)
    }
    for (const { line, number } of own) {
      const chain = /^\s*:(\S+)/.exec(line)?.[1]
      if (chain === undefined || !present.chains.has(chain)) say(line, number)
      else if (!(HOOKS as readonly string[]).includes(chain)) say(`-F ${chain}`, number)
    }
    say('COMMIT', 0)
  }
  const whole = `${lines.join('\n')}\n`
  try {
    restore(whole)
  } catch (error) {
    if (!(error instanceof Misread)) throw error
    const { column, word, why, remedy } = error
    throw new Misread(numbers[error.line - 1] ?? 0, column, word, why, remedy)
  }
  return whole
}

/** What is to be in force once `text` is restored over `now`. Throws a Misread. */
export function merge(text: string, now: Ruleset, how: Restoring): Merged {
  const { table, noflush = false } = how
  const named = new Set(
    [...sections(text).keys()].filter((name): name is TableName =>
      (TABLES as readonly string[]).includes(name),
    ),
  )
  if (table !== undefined) for (const name of named) if (name !== table) named.delete(name)
  if (noflush) {
    const whole = added(text, now, table)
    return { text: whole, ruleset: restore(whole), named }
  }
  const given = restore(text)
  const stays = [...now.tables.values()].filter((each) => !named.has(each.name) && !isPlain(each))
  const leaves = [...given.tables.values()].some((each) => !named.has(each.name) && !isPlain(each))
  if (stays.length === 0 && !leaves) return { text, ruleset: given, named }
  const tables = new Map<TableName, Table>()
  for (const name of TABLES) {
    const one = (named.has(name) ? given : now).tables.get(name)
    if (one !== undefined) tables.set(name, one)
  }
  const whole = save({ tables }, written({ tables }), how.counters === true)
  return { text: whole, ruleset: restore(whole), named }
}
