/** Reads the words of one rule, behind its chain, into matches and a target. */
import type { MatchKind } from './extension.ts'
import { Wrong } from './extension.ts'
import { matchKind, matchNames, targetKind, targetNames } from './kinds.ts'
import type { Line } from './line.ts'
import { asksAnything, type Ip, ip } from './match/ip.ts'
import { brief } from './misread.ts'
import { COMMON, type Loaded, loaded, type Option } from './option.ts'
import { printProtocol } from './protocol.ts'
import { type Chain, RULES, type Rule, type Use } from './rule.ts'
import type { Word } from './words.ts'

/** What a rule's words became: several rules where -s or -d list several addresses, in iptables' order. */
export type Phrase = Pick<Rule, 'matches' | 'target' | 'goto' | 'packets' | 'bytes'>

/** A list of addresses waits until all else is read: every pair of them becomes a rule. */
interface List {
  word: Word
  addresses: string[]
  not: boolean
}

/** Base chains whose packets have not come by, or do not leave by, an interface. */
const NOWHERE: Record<string, string[]> = {
  '-i': ['OUTPUT', 'POSTROUTING'],
  '-o': ['PREROUTING', 'INPUT'],
}

/** Protocols whose options need no -m. */
const IMPLIED = ['icmp', 'tcp', 'udp']

export class PhraseReader {
  private readonly line: Line
  private readonly words: Word[]
  private readonly chain: Chain
  private readonly chains: Map<string, Chain>
  private at: number
  private readonly loaded: Loaded[] = []
  private readonly base: Loaded
  private lists: Map<string, List> | null = null
  private target: Use | null = null
  private goto = false
  private packets = 0
  private bytes = 0
  private implied = false
  /** whose the option is that was found last, null for those that belong to no extension */
  private owner: Loaded | null = null

  /** Reads from the word at `at` on, for a rule of the chain, which is one of those. */
  constructor(line: Line, at: number, chain: Chain, chains: Map<string, Chain>) {
    this.line = line
    this.words = line.words
    this.at = at
    this.chain = chain
    this.chains = chains
    this.base = loaded(ip as MatchKind, 0)
    this.loaded.push(this.base)
  }

  read(): Phrase[] {
    while (this.at < this.words.length) this.option()
    for (const each of this.loaded) this.finish(each)
    if (this.lists === null) return [this.phrase(this.base.data as Ip)]
    const count = [...this.lists.values()].reduce((product, { addresses }) => product * addresses.length, 1)
    if (count > RULES)
      throw this.line.wrong(this.words[0], `says ${count} rules`, 'put the addresses into a set')
    const rules: Phrase[] = []
    const base = this.base.data as Ip
    for (const source of this.nets('-s') ?? [base.source]) {
      for (const destination of this.nets('-d') ?? [base.destination]) {
        rules.push(this.phrase({ ...base, source, destination }))
      }
    }
    return rules
  }

  private phrase(data: Ip): Phrase {
    const matches: Use[] = []
    if (asksAnything(data)) matches.push({ name: 'ip', data, column: this.base.column })
    for (const { kind, data, column } of this.loaded) {
      if (kind !== (ip as MatchKind) && matchKind(kind.name) === kind)
        matches.push({ name: kind.name, data, column })
    }
    return { matches, target: this.target, goto: this.goto, packets: this.packets, bytes: this.bytes }
  }

  /** The addresses of a list behind -s or -d. */
  private nets(option: '-s' | '-d'): Ip['source'][] | null {
    const list = this.lists?.get(option)
    if (list === undefined) return null
    return list.addresses.map((address) => {
      const data = ip.begin()
      try {
        ip.take(data, option, [address], list.not)
      } catch (error) {
        throw this.told(error, option, [], list.word)
      }
      return option === '-s' ? data.source : data.destination
    })
  }

  private option(): void {
    const first = this.words[this.at]
    const not = first.text === '!' && !first.quoted
    if (not) this.at++
    const word = this.words[this.at]
    if (word === undefined)
      throw this.line.wrong(null, 'an option is missing behind `!`', 'name what is not to match')
    const found = this.find(word)
    if (not && !found.form.negatable)
      throw this.line.wrong(first, `${found.name} cannot be inverted`, 'leave `!` out')
    const { owner } = this
    this.at++
    const words = this.take(word, found)
    if (owner === null) this.common(found.name, words)
    else this.give(owner, found.name, word, words, not)
  }

  /** The words that belong to an option, also where its first is written behind `=`. */
  private take(word: Word, { name, form }: Option): Word[] {
    const words: Word[] = []
    const equals = word.text.startsWith('--') ? word.text.indexOf('=') : -1
    if (equals > 0) {
      if (form.words === 0)
        throw this.line.wrong(word, `${name} takes no value`, 'leave `=` and what follows out')
      words.push({ text: word.text.slice(equals + 1), column: word.column + equals + 1, quoted: false })
    }
    while (words.length < form.words) {
      const next = this.words[this.at]
      if (form.optional && words.length === form.words - 1 && (next === undefined || /^[-!]/.test(next.text)))
        break
      if (next === undefined) {
        throw this.line.wrong(null, `${name} lacks ${form.words === 1 ? 'its value' : 'a value'}`, 'add it')
      }
      words.push(next)
      this.at++
    }
    return words
  }

  private common(option: string, words: Word[]): void {
    if (option === '-m') this.load(words[0])
    else if (option === '-j' || option === '-g') this.jump(words[0], option === '-g')
    else if (option === '-c') {
      for (const word of words)
        if (!/^\d{1,20}$/.test(word.text)) throw this.line.wrong(word, 'is no count', 'write a number')
      this.packets = Number(words[0].text)
      this.bytes = Number(words[1].text)
    }
  }

  private give(owner: Loaded, option: string, word: Word, words: Word[], not: boolean): void {
    if (owner.said.includes(option))
      throw this.line.wrong(word, `${option} is said twice`, 'keep one of them')
    owner.said.push(option)
    if (owner === this.base) {
      if (owner.column === 0) owner.column = word.column
      const { name } = this.chain
      if (NOWHERE[option]?.includes(name)) {
        throw this.line.wrong(word, `means nothing in ${name}`, 'leave it out, or use another chain')
      }
      if ((option === '-s' || option === '-d') && words[0].text.includes(',')) {
        const addresses = words[0].text.split(',')
        if (not) {
          throw this.line.wrong(
            words[0],
            '`!` does not go with several addresses',
            'write a rule for each, or use a set',
          )
        }
        this.lists ??= new Map()
        this.lists.set(option, { word: words[0], addresses, not })
        return
      }
    }
    const texts = words.map((each) => each.text)
    try {
      owner.kind.take(owner.data, option, texts, not)
    } catch (error) {
      throw this.told(error, option, words, word)
    }
  }

  private load(word: Word): void {
    const kind = word.text === 'ip' ? undefined : matchKind(word.text)
    if (!kind)
      throw this.line.wrong(word, 'is no match that is known here', `known are ${matchNames().join(', ')}`)
    this.loaded.push(loaded(kind, word.column))
  }

  private jump(word: Word, goto: boolean): void {
    if (this.target !== null) throw this.line.wrong(word, 'is a second target', 'a rule has one -j or -g')
    const chain = this.chains.get(word.text)
    if (chain?.policy)
      throw this.line.wrong(word, 'is a base chain, which no rule leads to', 'name a user chain or a target')
    const kind = goto || chain ? undefined : targetKind(word.text)
    if (!chain && !kind) {
      const remedy = `declare it with \`:${brief(word.text)} - [0:0]\` behind *table`
      if (goto) throw this.line.wrong(word, 'is no chain of this table', remedy)
      const known = `or name a target: ${targetNames().join(', ')}`
      throw this.line.wrong(
        word,
        'is neither a chain of this table nor a target that is known here',
        `${remedy}, ${known}`,
      )
    }
    this.goto = goto
    this.target = { name: word.text, data: null, column: word.column }
    if (!kind) return
    const extension = loaded(kind, word.column)
    this.target.data = extension.data
    this.loaded.push(extension)
  }

  private finish(each: Loaded): void {
    const { kind, data } = each
    const name = (): Word => ({ text: kind.name, column: each.column, quoted: false })
    try {
      kind.end?.(data)
    } catch (error) {
      throw this.told(error, 'its options', [], name())
    }
    const protocols = typeof kind.protocols === 'function' ? kind.protocols(data) : kind.protocols
    if (!protocols || protocols.length === 0) return
    const { protocol, notProtocol } = this.base.data as Ip
    if (!notProtocol && protocols.includes(protocol)) return
    const wanted = protocols.map((number) => `-p ${printProtocol(number)}`).join(' or ')
    throw this.line.wrong(name(), `needs ${wanted}`, `write ${wanted} in the same rule`)
  }

  /** What an extension threw: a Wrong becomes a Misread at the word that it means, the first one being the option. */
  private told(error: unknown, what: string, words: Word[], first: Word): unknown {
    if (!(error instanceof Wrong)) return error
    return this.line.wrong(words[error.word - 1] ?? first, error.message, `correct ${what}`)
  }

  /** Whose option a word is: that of the extension loaded last that knows it, by its whole name or a beginning that leaves no choice. */
  private find(word: Word): Option {
    const equals = word.text.startsWith('--') ? word.text.indexOf('=') : -1
    const text = equals > 0 ? word.text.slice(0, equals) : word.text
    if (!text.startsWith('-')) {
      throw this.line.wrong(
        word,
        'stands where an option should',
        'put values with blanks in double quotes, and `!` before options',
      )
    }
    const found = this.exact(text) ?? this.beginning(text, word)
    if (found) return found
    const name = this.base.data as Ip
    const kind = this.implied
      ? undefined
      : matchKind(IMPLIED.find((each) => each === printProtocol(name.protocol)) ?? '')
    if (kind && !this.loaded.some((each) => each.kind === kind)) {
      this.implied = true
      this.loaded.push(loaded(kind, word.column))
      return this.find(word)
    }
    const known = this.loaded.slice(1).flatMap((each) => [...each.options.keys()])
    const options = [...this.base.options.keys(), ...COMMON.keys(), ...known].join(' ')
    throw this.line.wrong(
      word,
      'is no option that is known here',
      `load its match with -m first; known are ${options}`,
    )
  }

  private exact(text: string): Option | null {
    this.owner = null
    const common = COMMON.get(text)
    if (common) return common
    for (let i = this.loaded.length - 1; i >= 0; i--) {
      const option = this.loaded[i].options.get(text)
      if (option === undefined) continue
      this.owner = this.loaded[i]
      return option
    }
    return null
  }

  private beginning(text: string, word: Word): Option | null {
    if (!text.startsWith('--') || text.length < 4) return null
    const options = [COMMON, ...this.loaded.map((each) => each.options)].flatMap((each) => [...each.keys()])
    const names = [...new Set(options.filter((option) => option.startsWith(text)))]
    if (names.length === 0) return null
    const meant = this.exact(names[0])
    const { owner } = this
    for (const name of names) {
      if (this.exact(name) !== meant || this.owner !== owner) {
        throw this.line.wrong(word, `may mean ${names.join(' or ')}`, 'write it in full')
      }
    }
    return meant
  }
}
