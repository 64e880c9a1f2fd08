/**
 * What a restored text does to the rules in force, as iptables-restore has it: tables that it names are replaced, others stay, and
 * with `noflush` it is added to what there is.
 */
import { Misread } from '../chain/misread.ts'
import { restore } from '../chain/restore.ts'
import { type Ruleset, TABLES, type Table, type TableName } from '../chain/rule.ts'
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

/** Throws a Misread for a ruleset that cannot be in force. */
type Check = (ruleset: Ruleset) => void

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

/** A text that grows, with the number that each line has in the text that was given; 0: in none. */
class Draft {
  private readonly lines: string[] = []
  private readonly numbers: number[] = []

  say(line: string, number: number): void {
    this.lines.push(line)
    this.numbers.push(number)
  }

  /** A table as it is, without its first and last line. */
  keep(table: Table): void {
    const text = save({ tables: new Map([[table.name, table]]) }, () => [0, 0], false)
    for (const line of text.split('\n').slice(1, -2)) this.say(line, 0)
  }

  /** What the text means. Throws a Misread with the place in the text that was given. */
  read(check: Check): Omit<Merged, 'named'> {
    const text = `${this.lines.join('\n')}\n`
    try {
      const ruleset = restore(text)
      check(ruleset)
      return { text, ruleset }
    } catch (error) {
      if (!(error instanceof Misread)) throw error
      const { column, word, why, remedy } = error
      throw new Misread(this.numbers[error.line - 1] ?? 0, column, word, why, remedy)
    }
  }
}

/** Adds `text` to `now`, to one table if it is given. A user chain that it declares is emptied, as iptables-restore does. */
function added(text: string, now: Ruleset, only: TableName | undefined, check: Check): Merged {
  const draft = new Draft()
  const named = new Set<TableName>()
  let present: Table | undefined
  let isSkipped = false
  text.split('\n').forEach((line, at) => {
    const table = /^\s*\*(\S+)/.exec(line)?.[1] as TableName | undefined
    const chain = present?.chains.get(/^\s*:(\S+)/.exec(line)?.[1] ?? '')
    if (table !== undefined) {
      isSkipped = only !== undefined && table !== only
      if (isSkipped) return
      if (named.has(table))
        throw new Misread(at + 1, 1, line, 'stands there twice', 'write each table once to add to it')
      named.add(table)
      present = now.tables.get(table)
      draft.say(line, at + 1)
      if (present !== undefined) draft.keep(present)
    } else if (!isSkipped) draft.say(chain?.policy === null ? `-F ${chain.name}` : line, at + 1)
    if (/^\s*COMMIT\s*$/.test(line)) isSkipped = false
  })
  for (const table of now.tables.values()) {
    if (named.has(table.name)) continue
    draft.say(`*${table.name}`, 0)
    draft.keep(table)
    draft.say('COMMIT', 0)
  }
  return { ...draft.read(check), named }
}

/** What is to be in force once `text` is restored over `now`, and stands `check`. Throws a Misread with the place in `text`. */
export function merge(text: string, now: Ruleset, how: Restoring, check: Check): Merged {
  const { table, noflush = false } = how
  if (noflush) return added(text, now, table, check)
  const given = restore(text)
  check(given)
  const named = new Set(given.tables.keys())
  if (table !== undefined) for (const name of named) if (name !== table) named.delete(name)
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
