/** Reads the text of iptables-save: tables and their chains. What commands do is in edit.ts, what stands in a rule is read by phrase.ts. */
import { begin, Edit, REMEDY } from './edit.ts'
import { Line } from './line.ts'
import { brief, Misread } from './misread.ts'
import { BASES, RULES, type Ruleset, TABLES, type Table } from './rule.ts'
import { split, type Word } from './words.ts'

export { Misread }

/** As iptables-restore has it. */
const LINE_LENGTH = 10_240

/** The rules that a text says; throws Misread for the first thing that cannot be understood. */
export function restore(text: string): Ruleset {
  return new Reader().read(text)
}

class Reader {
  private readonly ruleset: Ruleset = { tables: new Map() }
  private table: Table | null = null
  private opened = 0
  private rules = 0
  private line = new Line(0, 0, [])

  read(text: string): Ruleset {
    let number = 0
    for (let from = 0; from < text.length; ) {
      const newline = text.indexOf('\n', from)
      const end = newline < 0 ? text.length : newline
      this.take(text.slice(from, Math.min(end, from + LINE_LENGTH + 1)), ++number)
      from = end + 1
    }
    if (this.table !== null) {
      const why = `table ${this.table.name} of line ${this.opened} has no end`
      throw new Line(number + 1, 0, []).wrong(null, why, 'end it with COMMIT')
    }
    for (const table of this.ruleset.tables.values()) finish(table)
    return this.ruleset
  }

  private take(text: string, number: number): void {
    if (text.startsWith('#')) return
    const counters = text.startsWith('-') ? null : /^\s*\[(\d+):(\d+)\]/.exec(text)
    const { words, open } = split(text, counters?.[0].length ?? 0)
    this.line = new Line(number, text.length, words)
    const whole = (shown: string, column: number): Word => ({ text: shown, column, quoted: false })
    if (text.length > LINE_LENGTH) {
      throw this.line.wrong(whole(text, 1), `is longer than ${LINE_LENGTH} characters`, 'cut the line in two')
    }
    if (open > 0) throw this.line.wrong(whole('"', open), 'is a quote that nothing closes', 'close it')
    if (words.length === 0) {
      if (counters) throw this.line.wrong(null, 'a rule is missing behind its counters', 'write -A CHAIN …')
    } else if (counters) this.command(Number(counters[1]), Number(counters[2]))
    else if (words[0].text.startsWith('*')) this.open(words[0])
    else if (words[0].text.startsWith(':')) this.declare(words[0])
    else if (words[0].text === 'COMMIT') this.commit(words[0])
    else this.command(0, 0)
  }

  private open(first: Word): void {
    const { line } = this
    if (this.table) throw line.wrong(first, `table ${this.table.name} has no end yet`, 'end it with COMMIT')
    const name = TABLES.find((each) => each === first.text.slice(1))
    if (!name) throw line.wrong(first, 'is no table that is known here', `known are *${TABLES.join(', *')}`)
    line.nothing(1)
    this.opened = line.number
    this.table = { name, chains: new Map() }
    for (const base of BASES[name]) this.table.chains.set(base, begin(base, 'ACCEPT', 0))
    // A table that is written twice holds what the second text says, as the kernel would.
    this.ruleset.tables.delete(name)
    this.ruleset.tables.set(name, this.table)
  }

  private commit(first: Word): void {
    if (!this.table) throw this.line.wrong(first, 'ends no table', 'begin one with *TABLE')
    this.line.nothing(1)
    this.table = null
  }

  private declare(first: Word): void {
    const { line } = this
    const table = this.within(first)
    const edit = new Edit(line, table)
    const policy = line.words[1]
    const counters = line.words[2] as Word | undefined
    if (!policy) throw line.wrong(null, 'the policy is missing', 'add ACCEPT or DROP, - for a user chain')
    const name: Word = { ...first, text: first.text.slice(1), column: first.column + 1 }
    let chain = table.chains.get(name.text)
    if (chain?.policy) edit.policy(chain, policy)
    else if (policy.text !== '-') {
      throw line.wrong(
        policy,
        `stands behind ${brief(name.text)}, which is no base chain of ${table.name}`,
        'write -',
      )
    } else chain = edit.create(name)
    const count = /^\[(\d+):(\d+)\]$/.exec(counters?.text ?? '[0:0]')
    if (!count)
      throw line.wrong(counters ?? null, 'is no pair of counters', 'write [packets:bytes] or nothing')
    line.nothing(3)
    chain.line = line.number
    chain.packets = Number(count[1])
    chain.bytes = Number(count[2])
  }

  private command(packets: number, bytes: number): void {
    const [first] = this.line.words
    const edit = new Edit(this.line, this.within(first))
    edit.run(packets, bytes)
    this.rules += edit.made
    if (this.rules > RULES) throw this.line.wrong(first, `is rule ${this.rules}`, `have ${RULES} at most`)
  }

  private within(first: Word): Table {
    if (this.table) return this.table
    const known = /^[-:]/.test(first.text)
    if (!known) throw this.line.wrong(first, 'begins no line of iptables-save', REMEDY)
    throw this.line.wrong(first, 'stands in no table', `begin one before: *${TABLES.join(', *')}`)
  }
}

/** User chains stand behind the base chains, in the order of their names. */
function finish(table: Table): void {
  const chains = [...table.chains.values()]
  const users = chains.filter((chain) => chain.policy === null).sort((a, b) => (a.name < b.name ? -1 : 1))
  const bases = chains.filter((chain) => chain.policy !== null)
  table.chains = new Map([...bases, ...users].map((each) => [each.name, each]))
}
