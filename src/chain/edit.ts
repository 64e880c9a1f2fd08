/** What a line does to a table: its commands are those of iptables that say which chains and rules there shall be. */
import { targetKind } from './kinds.ts'
import type { Line } from './line.ts'
import { brief } from './misread.ts'
import { PhraseReader } from './phrase.ts'
import type { Chain, Rule, Table } from './rule.ts'
import { print } from './save.ts'
import type { Word } from './words.ts'

/** Bytes, as in the kernel. */
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

/** What may stand at the beginning of a line. */
export const REMEDY =
  'a line is a comment, *TABLE, :CHAIN POLICY [0:0], a rule (-A -I -D -R), -N -P -F -X -Z or COMMIT'

export class Edit {
  private readonly line: Line
  private readonly table: Table
  /** how many rules the line said */
  made = 0

  constructor(line: Line, table: Table) {
    this.line = line
    this.table = table
  }

  /** Does what the first word says; the counters are for the rules that it says. */
  run(packets: number, bytes: number): void {
    const { line } = this
    const first = line.words[0]
    const command = COMMANDS[first.text] ?? first.text
    if (command === '-A' || command === '-I' || command === '-D' || command === '-R') {
      this.rule(command, this.chain(1), packets, bytes)
    } else if (command === '-N') {
      this.create(line.word(1, 'the name of the chain is missing'))
      line.nothing(2)
    } else if (command === '-P') this.setPolicy()
    else if (command === '-F') this.each(clear)
    else if (command === '-X') this.remove()
    else if (command === '-Z') this.each(zero)
    else if (/^(-[CELS]|--check|--rename-chain|--list|--list-rules)$/.test(first.text)) {
      throw line.wrong(first, 'is a command, but none that says which rules there shall be', REMEDY)
    } else throw line.wrong(first, 'begins no line of iptables-save', REMEDY)
  }

  /** Gives a base chain its policy; `-` leaves it. */
  policy(chain: Chain, word: Word): void {
    if (word.text === 'ACCEPT' || word.text === 'DROP') chain.policy = word.text
    else if (word.text !== '-') throw this.line.wrong(word, 'is no policy', 'write ACCEPT or DROP')
  }

  /** Makes a user chain. */
  create(name: Word): Chain {
    const { line } = this
    const { chains } = this.table
    const { text } = name
    if (text === '') throw line.wrong(name, 'has no name', 'write one behind the colon')
    if (Buffer.byteLength(text) > CHAIN_LENGTH) {
      throw line.wrong(name, `is longer than ${CHAIN_LENGTH} bytes`, 'shorten the name')
    }
    if (/^[-!]/.test(text))
      throw line.wrong(name, `begins with ${text[0]}`, 'begin it with another character')
    if (/[\s\p{C}"\\]/u.test(text)) {
      throw line.wrong(name, 'has a character that no chain has in its name', 'use letters, digits, - and _')
    }
    if (targetKind(text)) throw line.wrong(name, 'is the name of a target', 'name the chain otherwise')
    if (chains.has(text)) throw line.wrong(name, 'is a chain already', 'declare it once')
    const chain = begin(text, null, line.number)
    chains.set(text, chain)
    return chain
  }

  private rule(command: string, chain: Chain, packets: number, bytes: number): void {
    const { line } = this
    const position = command === '-A' ? undefined : line.words[2]
    const numbered = position !== undefined && /^\d+$/.test(position.text)
    if (command === '-D' && numbered) {
      chain.rules.splice(this.index(chain, position, chain.rules.length), 1)
      line.nothing(3)
      return
    }
    if (command === '-R' && !numbered) {
      throw line.wrong(position ?? null, 'no number says which rule to replace', 'write -R CHAIN NUMBER …')
    }
    const most = chain.rules.length + (command === '-I' ? 1 : 0)
    const index = numbered ? this.index(chain, position, most) : 0
    const phrases = new PhraseReader(line, numbered ? 3 : 2, chain, this.table.chains).read()
    if (command === '-R' && phrases.length > 1) {
      throw line.wrong(
        line.words[0],
        'replaces one rule, this says several',
        'write one address for -s and -d',
      )
    }
    const isCounted = packets > 0 || bytes > 0
    for (const phrase of phrases) {
      const { matches, target, goto } = phrase
      const text = print(chain.name, phrase)
      const counted = isCounted ? { packets, bytes } : { packets: phrase.packets, bytes: phrase.bytes }
      const rule: Rule = { matches, target, goto, ...counted, line: line.number, text }
      if (command === '-A') chain.rules.push(rule)
      else if (command === '-R') chain.rules[index] = rule
      else if (command === '-I') chain.rules.splice(index, 0, rule)
      else this.strike(chain, rule)
    }
    this.made = phrases.length
  }

  /** Takes away the first rule that reads the same. */
  private strike(chain: Chain, rule: Rule): void {
    const index = chain.rules.findIndex((each) => each.text === rule.text)
    const [first] = this.line.words
    if (index < 0)
      throw this.line.wrong(first, `chain ${chain.name} has no such rule`, 'write it as it was added')
    chain.rules.splice(index, 1)
  }

  private index(chain: Chain, word: Word, most: number): number {
    const number = Number(word.text)
    if (number >= 1 && number <= most) return number - 1
    throw this.line.wrong(
      word,
      `chain ${chain.name} has ${chain.rules.length} rules so far`,
      'count them from 1 on',
    )
  }

  private setPolicy(): void {
    const { line } = this
    const chain = this.chain(1)
    const word = line.word(2, 'the policy is missing')
    if (chain.policy === null) {
      throw line.wrong(line.words[1], 'is a user chain, which has no policy', 'leave the line out')
    }
    if (word.text === '-') throw line.wrong(word, 'is no policy', 'write ACCEPT or DROP')
    this.policy(chain, word)
    line.nothing(3)
  }

  /** For the chain that is named, or for all. */
  private each(body: (chain: Chain) => void): void {
    if (this.line.words.length > 1) body(this.chain(1))
    else for (const chain of this.table.chains.values()) body(chain)
    this.line.nothing(2)
  }

  private remove(): void {
    const { line } = this
    const { chains } = this.table
    const named = line.words.length > 1
    const word = line.words[named ? 1 : 0]
    const gone = named ? [this.chain(1)] : [...chains.values()].filter((chain) => chain.policy === null)
    const names = new Set(gone.map((chain) => chain.name))
    for (const chain of gone) {
      if (chain.policy) throw line.wrong(word, 'is a base chain', 'it cannot be removed, leave the line out')
      if (chain.rules.length > 0)
        throw line.wrong(word, `chain ${chain.name} has rules`, `-F ${chain.name} before`)
    }
    for (const { rules } of chains.values()) {
      const user = rules.find(({ target }) => target !== null && names.has(target.name))
      if (user) {
        throw line.wrong(
          word,
          `line ${user.line} leads to chain ${user.target?.name}`,
          'take that rule away before',
        )
      }
    }
    for (const name of names) chains.delete(name)
    line.nothing(2)
  }

  private chain(at: number): Chain {
    const word = this.line.word(at, 'the name of the chain is missing')
    const { name, chains } = this.table
    const chain = chains.get(word.text)
    if (chain) return chain
    const known = [...chains.keys()].slice(0, 20).join(', ')
    const remedy = `declare it with \`:${brief(word.text)} - [0:0]\` behind *${name}, or name one of ${known}`
    throw this.line.wrong(word, `is no chain of table ${name}`, remedy)
  }
}

/** A chain without rules. */
export function begin(name: string, policy: Chain['policy'], line: number): Chain {
  return { name, policy, line, packets: 0, bytes: 0, rules: [] }
}

function clear(chain: Chain): void {
  chain.rules = []
}

function zero(chain: Chain): void {
  chain.packets = 0
  chain.bytes = 0
  for (const rule of chain.rules) {
    rule.packets = 0
    rule.bytes = 0
  }
}
