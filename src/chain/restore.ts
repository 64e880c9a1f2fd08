/** Reads the text of iptables-save: tables, chains, commands. What stands in a rule is read by phrase.ts. */
import { targetKind } from './kinds.ts'
import { Misread } from './misread.ts'
import { PhraseReader } from './phrase.ts'
import { BASES, type Chain, type Rule, type Ruleset, TABLES, type Table } from './rule.ts'
import { print } from './save.ts'
import { split, type Word } from './words.ts'

export { Misread }

/** As iptables-restore has it. */
const LINE_LENGTH = 10_240
const CHAIN_LENGTH = 28

const COMMANDS: Record<string, string> = {
  '--append': '-A',
  '--insert': '-I',
  '--delete': '-D',
  '--replace': '-R',
  '--new-chain': '-N',
  '--delete-chain': '-X',
  '--flush': '-F',
  '--policy': '-P',
  '--zero': '-Z',
}
const REMEDY =
  'a line is a comment, *TABLE, :CHAIN POLICY [0:0], a rule (-A -I -D -R), -N -P -F -X -Z or COMMIT'

/** The rules that a text says; throws Misread for the first thing that cannot be understood. */
export function restore(text: string): Ruleset {
  return new Reader().read(text)
}

class Reader {
  private readonly ruleset: Ruleset = { tables: new Map() }
  private table: Table | null = null
  private number = 0
  private line = ''
  private words: Word[] = []

  read(text: string): Ruleset {
    let opened = 0
    let from = 0
    while (from < text.length) {
      const newline = text.indexOf('\n', from)
      const end = newline < 0 ? text.length : newline
      this.number++
      this.line = end - from > LINE_LENGTH ? text.slice(from, from + LINE_LENGTH + 1) : text.slice(from, end)
      this.take()
      if (this.line.startsWith('*')) opened = this.number
      from = end + 1
    }
    if (this.table !== null) {
      this.words = []
      throw this.wrong(null, `table ${this.table.name} of line ${opened} has no end`, 'end it with COMMIT')
    }
    for (const table of this.ruleset.tables.values()) finish(table)
    return this.ruleset
  }

  private take(): void {
    const { line } = this
    if (line.startsWith('#')) return
    if (line.length > LINE_LENGTH) {
      throw this.wrong(
        { text: line, column: 1, quoted: false },
        `is longer than ${LINE_LENGTH} characters`,
        REMEDY,
      )
    }
    const counters = /^\s*\[(\d+):(\d+)\](?=\s)/.exec(line)
    const { words, open } = split(line, counters?.[0].length ?? 0)
    this.words = words
    if (open > 0) {
      throw this.wrong(
        { text: '"', column: open, quoted: false },
        'is a quote that nothing closes',
        'close it',
      )
    }
    if (counters) this.command(Number(counters[1]), Number(counters[2]))
    else if (words.length === 0) return
    else if (words[0].text.startsWith('*')) this.open()
    else if (words[0].text.startsWith(':')) this.declare()
    else if (words[0].text === 'COMMIT') this.commit()
    else this.command(0, 0)
  }

  private open(): void {
    const [first] = this.words
    if (this.table) throw this.wrong(first, `table ${this.table.name} has no end yet`, 'end it with COMMIT')
    const name = TABLES.find((each) => each === first.text.slice(1))
    if (!name) throw this.wrong(first, 'is no table that is known here', `known are *${TABLES.join(', *')}`)
    this.nothing(1)
    this.table = { name, chains: new Map() }
    for (const base of BASES[name]) this.table.chains.set(base, begin(base, 'ACCEPT', 0))
    // A table that is written twice holds what the second text says, as the kernel would.
    this.ruleset.tables.delete(name)
    this.ruleset.tables.set(name, this.table)
  }

  private commit(): void {
    if (!this.table) throw this.wrong(this.words[0], 'ends no table', 'begin one with *TABLE')
    this.nothing(1)
    this.table = null
  }

  private declare(): void {
    const { chains } = this.opened()
    const [first, policy, counters] = this.words
    const name: Word = { ...first, text: first.text.slice(1), column: first.column + 1 }
    if (!policy) throw this.wrong(null, 'the policy is missing', 'add ACCEPT or DROP, - for a user chain')
    const known = chains.get(name.text)
    if (known?.policy) this.policy(known, policy)
    else if (policy.text !== '-')
      throw this.wrong(policy, 'is a policy, which only base chains have', 'write -')
    else this.create(name)
    const count = /^\[(\d+):(\d+)\]$/.exec(counters?.text ?? '[0:0]')
    if (!count) throw this.wrong(counters, 'is no pair of counters', 'write [packets:bytes] or nothing')
    const chain = chains.get(name.text) as Chain
    chain.line = this.number
    chain.packets = Number(count[1])
    chain.bytes = Number(count[2])
    this.nothing(3)
  }

  private policy(chain: Chain, word: Word): void {
    if (word.text === 'ACCEPT' || word.text === 'DROP') chain.policy = word.text
    else if (word.text !== '-') throw this.wrong(word, 'is no policy', 'write ACCEPT or DROP')
  }

  private create(name: Word): void {
    const { chains } = this.opened()
    const { text } = name
    if (text === '') throw this.wrong(name, 'a chain has a name', 'write it behind the colon')
    if (text.length > CHAIN_LENGTH)
      throw this.wrong(name, `is longer than ${CHAIN_LENGTH} bytes`, 'shorten it')
    if (/^[-!]/.test(text))
      throw this.wrong(name, `begins with ${text[0]}`, 'begin a chain with another character')
    if (/[^\x21-\x7e]|["\\]/.test(text))
      throw this.wrong(name, 'has a character no chain has', 'use letters, digits, - and _')
    if (targetKind(text)) throw this.wrong(name, 'is the name of a target', 'name the chain otherwise')
    if (chains.has(text)) throw this.wrong(name, 'is a chain already', 'declare it once')
    chains.set(text, begin(text, null, this.number))
  }

  private command(packets: number, bytes: number): void {
    const [first] = this.words
    if (!first) throw this.wrong(null, 'a rule is missing behind its counters', 'write -A CHAIN …')
    const command = COMMANDS[first.text] ?? first.text
    const table = this.opened()
    if (command === '-A' || command === '-I' || command === '-D' || command === '-R') {
      this.rule(command, this.chain(1), packets, bytes)
    } else if (command === '-N') {
      this.create(this.word(1, 'the name of the chain is missing'))
      this.nothing(2)
    } else if (command === '-P') this.setPolicy()
    else if (command === '-F') this.each((chain) => (chain.rules = []))
    else if (command === '-X') this.remove(table)
    else if (command === '-Z') this.each((chain) => zero(chain))
    else if (/^(-[CELS]|--check|--rename-chain|--list|--list-rules)$/.test(first.text)) {
      throw this.wrong(first, 'is a command, but none that says which rules there shall be', REMEDY)
    } else throw this.wrong(first, 'begins no line of iptables-save', REMEDY)
  }

  private rule(command: string, chain: Chain, packets: number, bytes: number): void {
    const { chains } = this.opened()
    const position = command === '-A' ? undefined : this.words[2]
    const numbered = position !== undefined && /^\d+$/.test(position.text)
    if (command === '-D' && numbered) {
      chain.rules.splice(this.index(chain, position, chain.rules.length), 1)
      this.nothing(3)
      return
    }
    if (command === '-R' && !numbered) {
      throw this.wrong(position ?? null, 'no number says which rule to replace', 'write -R CHAIN NUMBER …')
    }
    const index = numbered ? this.index(chain, position, chain.rules.length + (command === '-I' ? 1 : 0)) : 0
    const phrases = new PhraseReader(
      this.number,
      this.line.length,
      this.words,
      numbered ? 3 : 2,
      chains,
    ).read()
    if (command === '-R' && phrases.length > 1) {
      throw this.wrong(
        this.words[0],
        'replaces one rule, this says several',
        'write one address for -s and -d',
      )
    }
    const rules = phrases.map((phrase): Rule => {
      const counted = packets > 0 || bytes > 0 ? { packets, bytes } : {}
      return { ...phrase, ...counted, line: this.number, text: print(chain.name, phrase) }
    })
    if (command === '-A') chain.rules.push(...rules)
    else if (command === '-R') chain.rules[index] = rules[0]
    else if (command === '-I') chain.rules.splice(index, 0, ...rules.reverse())
    else for (const rule of rules) this.strike(chain, rule)
  }

  /** Takes away the first rule that reads the same. */
  private strike(chain: Chain, rule: Rule): void {
    const index = chain.rules.findIndex((each) => each.text === rule.text)
    if (index < 0)
      throw this.wrong(this.words[0], `chain ${chain.name} has no such rule`, 'write it as it was added')
    chain.rules.splice(index, 1)
  }

  private index(chain: Chain, word: Word, most: number): number {
    const number = Number(word.text)
    if (number >= 1 && number <= most) return number - 1
    throw this.wrong(
      word,
      `chain ${chain.name} has ${chain.rules.length} rules so far`,
      'count them from 1 on',
    )
  }

  private setPolicy(): void {
    const chain = this.chain(1)
    const word = this.word(2, 'the policy is missing')
    if (chain.policy === null)
      throw this.wrong(this.words[1], 'is a user chain, which has no policy', 'leave it out')
    if (word.text === '-') throw this.wrong(word, 'is no policy', 'write ACCEPT or DROP')
    this.policy(chain, word)
    this.nothing(3)
  }

  /** For the chain that is named, or for all. */
  private each(body: (chain: Chain) => void): void {
    if (this.words.length > 1) body(this.chain(1))
    else for (const chain of this.opened().chains.values()) body(chain)
    this.nothing(2)
  }

  private remove({ chains }: Table): void {
    const all = [...chains.values()].filter((chain) => chain.policy === null)
    const named = this.words.length > 1
    for (const chain of named ? [this.chain(1)] : all) {
      const word = this.words[named ? 1 : 0]
      if (chain.policy) throw this.wrong(word, 'is a base chain', 'it cannot be removed, leave the line out')
      if (chain.rules.length > 0)
        throw this.wrong(word, `chain ${chain.name} has rules`, `-F ${chain.name} before`)
      for (const { rules } of chains.values()) {
        const user = rules.find(({ target }) => target?.name === chain.name)
        if (user)
          throw this.wrong(
            word,
            `line ${user.line} leads to chain ${chain.name}`,
            'take that rule away before',
          )
      }
    }
    for (const chain of named ? [this.chain(1)] : all) chains.delete(chain.name)
    this.nothing(2)
  }

  private opened(): Table {
    if (this.table) return this.table
    throw this.wrong(this.words[0] ?? null, 'stands in no table', `begin one before: *${TABLES.join(', *')}`)
  }

  private chain(at: number): Chain {
    const word = this.word(at, 'the name of the chain is missing')
    const { name, chains } = this.opened()
    const chain = chains.get(word.text)
    if (chain) return chain
    const remedy = `declare it with \`:${word.text} - [0:0]\` behind *${name}`
    throw this.wrong(
      word,
      `is no chain of table ${name}`,
      `${remedy}, or name one of ${[...chains.keys()].slice(0, 20).join(', ')}`,
    )
  }

  private word(at: number, why: string): Word {
    const word = this.words[at]
    if (word) return word
    throw this.wrong(null, why, 'add it')
  }

  /** Refuses words from `at` on. */
  private nothing(at: number): void {
    if (this.words.length > at)
      throw this.wrong(this.words[at], 'is one word too many', 'end the line before it')
  }

  /** null: at the end of the line. */
  private wrong(word: Word | null, why: string, remedy: string): Misread {
    return new Misread(this.number, word?.column ?? this.line.length + 1, word?.text ?? '', why, remedy)
  }
}

function begin(name: string, policy: Chain['policy'], line: number): Chain {
  return { name, policy, line, packets: 0, bytes: 0, rules: [] }
}

function zero(chain: Chain): void {
  chain.packets = 0
  chain.bytes = 0
  for (const rule of chain.rules) {
    rule.packets = 0
    rule.bytes = 0
  }
}

/** User chains stand behind the base chains, by their names' bytes. */
function finish(table: Table): void {
  const chains = [...table.chains.values()]
  const users = chains.filter((chain) => chain.policy === null).sort((a, b) => (a.name < b.name ? -1 : 1))
  table.chains = new Map(
    [...chains.filter((chain) => chain.policy !== null), ...users].map((each) => [each.name, each]),
  )
}
