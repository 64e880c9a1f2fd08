/** Sets as text: what `ipset restore` reads and `ipset save` prints. */
import { type Creation, checkName, isAlike, parseCreation, parseSetType, printCreation } from './creation.ts'
import { type Element, type Present, parseElement, printPresent } from './element.ts'
import { Wrong } from './extension.ts'
import { Misread } from './misread.ts'
import { split, type Word } from './words.ts'

/** One line. `exist`: what is there already, or not there, is no mistake. */
export type Command = { place: Place; exist: boolean } & (
  | { verb: 'create'; made: Creation }
  | { verb: 'add' | 'del'; name: string; element: Element }
  | { verb: 'flush' | 'destroy'; name: string }
  | { verb: 'swap'; name: string; other: string }
  | { verb: 'rename'; name: string; other: string }
)

/** Where a command stands, and the word that its refusal names. */
export interface Place {
  line: number
  column: number
  word: string
}

const VERBS: Record<string, Command['verb']> = {
  ...{ create: 'create', '-N': 'create', '--create': 'create' },
  ...{ add: 'add', '-A': 'add', '--add': 'add', del: 'del', '-D': 'del', '--del': 'del' },
  ...{ flush: 'flush', '-F': 'flush', '--flush': 'flush' },
  ...{ destroy: 'destroy', '-X': 'destroy', '--destroy': 'destroy' },
  ...{ swap: 'swap', '-W': 'swap', '--swap': 'swap' },
  ...{ rename: 'rename', '-E': 'rename', '--rename': 'rename' },
}
const EXIST = ['-!', '-exist', '--exist']
const FORMS: Record<Command['verb'], string> = {
  create: 'create NAME TYPE [OPTION VALUE]…',
  add: 'add NAME ELEMENT [OPTION VALUE]…',
  del: 'del NAME ELEMENT',
  flush: 'flush NAME',
  destroy: 'destroy NAME',
  swap: 'swap NAME NAME',
  rename: 'rename NAME NAME',
}

/** Reads one text after another; `types` are the sets that there are at the line at hand. */
class Reader {
  private readonly types: Map<string, Creation>
  private readonly exist: boolean
  private line = 0
  private end = 1

  constructor(known: ReadonlyMap<string, Creation>, exist: boolean) {
    this.types = new Map(known)
    this.exist = exist
  }

  read(text: string): Command[] {
    const commands: Command[] = []
    for (const line of text.split('\n')) {
      this.line++
      this.end = line.length + 1
      if (/^\s*(#.*)?$/.test(line)) continue
      const { words, open } = split(line)
      if (open > 0)
        throw new Misread(this.line, open, line.slice(open - 1), 'this quote does not close', 'close it')
      const exist = this.exist || words.some(({ text: word }) => EXIST.includes(word))
      const rest = words.filter(({ text: word }) => !EXIST.includes(word))
      if (rest.length === 0 || (rest.length === 1 && rest[0].text === 'COMMIT')) continue
      commands.push(...this.command(rest, exist))
    }
    return commands
  }

  private refuse(word: Word | undefined, why: string, remedy: string): Misread {
    return new Misread(this.line, word?.column ?? this.end, word?.text ?? '', why, remedy)
  }

  /** What `act` makes of the words from `first` on; where it throws Wrong, the word that it means is named. */
  private within<T>(words: Word[], first: number, remedy: string, act: (texts: string[]) => T): T {
    try {
      return act(words.slice(first).map(({ text }) => text))
    } catch (error) {
      if (!(error instanceof Wrong)) throw error
      throw this.refuse(error.word < 0 ? undefined : words[first + error.word], error.message, remedy)
    }
  }

  private command(words: Word[], exist: boolean): Command[] {
    const verb = Object.hasOwn(VERBS, words[0].text) ? VERBS[words[0].text] : undefined
    if (verb === undefined) throw this.refuse(words[0], 'is no command of ipset restore', `write ${lines()}`)
    const form = `write it as ${FORMS[verb]}`
    if (words.length === 1 && (verb === 'flush' || verb === 'destroy')) return this.all(verb, words[0])
    const name = this.within(words, 1, form, ([text = '']) => checkName(text))
    const place = { line: this.line, column: words[1].column, word: name }
    if (verb === 'create') return [{ verb, place, exist, made: this.create(words, form, exist) }]
    const made = this.types.get(name)
    if (made === undefined) throw this.refuse(words[1], 'there is no set of that name', 'create it before')
    if (verb === 'add' || verb === 'del') {
      if (words.length < 3) throw this.refuse(undefined, 'the element is missing', form)
      const element = this.within(words, 2, form, (texts) => parseElement(made, texts))
      const { column, text } = words[2]
      return [{ verb, name, element, exist, place: { line: this.line, column, word: text } }]
    }
    const isPair = verb === 'swap' || verb === 'rename'
    const extra = words[isPair ? 3 : 2]
    if (extra !== undefined) throw this.refuse(extra, 'stands behind the end of the command', form)
    if (!isPair) {
      if (verb === 'destroy') this.types.delete(name)
      return [{ verb, name, place, exist }]
    }
    const other = this.within(words, 2, form, ([text = '']) => checkName(text))
    this.exchange(verb, made, words[2])
    return [
      verb === 'swap' ? { verb, name, other, place, exist } : { verb: 'rename', name, other, place, exist },
    ]
  }

  private create(words: Word[], form: string, exist: boolean): Creation {
    const { text: name } = words[1]
    const type = this.within(words, 2, form, ([text = '']) => parseSetType(text))
    const made = this.within(words, 3, form, (texts) => parseCreation(name, type, texts))
    const present = this.types.get(name)
    if (present !== undefined && !(exist && isAlike(present, made))) {
      const why = exist ? 'there is a set of that name made otherwise' : 'there is a set of that name'
      throw this.refuse(words[1], why, 'destroy it before or choose another name')
    }
    if (present === undefined) this.types.set(name, made)
    return made
  }

  private exchange(verb: 'swap' | 'rename', made: Creation, word: Word): void {
    const there = this.types.get(word.text)
    if (verb === 'rename') {
      if (there !== undefined) throw this.refuse(word, 'there is a set of that name', 'choose another name')
      this.types.delete(made.name)
      this.types.set(word.text, { ...made, name: word.text })
      return
    }
    if (there === undefined) throw this.refuse(word, 'there is no set of that name', 'create it before')
    if (there.type !== made.type)
      throw this.refuse(word, `is ${there.type}, not ${made.type}`, 'swap sets of one type')
    this.types.set(made.name, { ...there, name: made.name })
    this.types.set(there.name, { ...made, name: there.name })
  }

  /** `flush` and `destroy` of all sets. */
  private all(verb: 'flush' | 'destroy', { column, text }: Word): Command[] {
    const place = { line: this.line, column, word: text }
    // Lists first: what they hold cannot be destroyed while they hold it.
    const sets = [...this.types.values()].sort(
      (a, b) => Number(b.type === 'list:set') - Number(a.type === 'list:set'),
    )
    if (verb === 'destroy') this.types.clear()
    return sets.map(({ name }) => ({ verb, name, place, exist: true }))
  }
}

function lines(): string {
  return Object.keys(FORMS).join(', ')
}

/**
 * Reads the text of `ipset save`, or what else `ipset restore` takes; `known` are the sets that there are before, `exist` is its `-!`.
 * Throws Misread for the first wrong word.
 */
export function restoreSets(
  text: string,
  known: ReadonlyMap<string, Creation> = new Map(),
  exist = false,
): Command[] {
  return new Reader(known, exist).read(text)
}

/** What a set holds, as `saveSets` prints it: entries, or a list's members. */
export interface Contents {
  made: Creation
  entries: Iterable<Present>
  members: Iterable<{ name: string; timeout: number | null }>
}

/** What `ipset save` prints. Lists come last, as their members must be there before them. */
export function saveSets(sets: Iterable<Contents>): string {
  const all = [...sets]
  const isList = ({ made }: Contents) => made.type === 'list:set'
  const text: string[] = []
  for (const { made, entries, members } of [...all.filter((set) => !isList(set)), ...all.filter(isList)]) {
    text.push(printCreation(made))
    for (const entry of entries) text.push(`add ${made.name} ${printPresent(made, entry)}`)
    for (const { name, timeout } of members)
      text.push(`add ${made.name} ${name}${timeout === null ? '' : ` timeout ${timeout}`}`)
  }
  return text.length === 0 ? '' : `${text.join('\n')}\n`
}
