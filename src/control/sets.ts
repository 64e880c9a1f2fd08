/**
 * The sets that rules ask. Texts come in the place of what is there whole or not at all; one entry more or less goes to the worker that
 * runs the gateway, between two bursts.
 */
import type { Creation } from '../chain/creation.ts'
import { type Element, type Entry, entries, parseElement } from '../chain/element.ts'
import type { SetPlace } from '../chain/extension.ts'
import { Wrong } from '../chain/extension.ts'
import { Misread } from '../chain/misread.ts'
import { type Command, restoreSets, saveSets } from '../chain/sets.ts'
import type { Arena } from '../memory/arena.ts'
import * as change from '../table/change.ts'
import { NOTHING, SetTable } from '../table/set.ts'
import * as shape from '../table/shape.ts'
import { Bodies, type Held, isLate } from './body.ts'
import { GATEWAY_WORKER } from './compile.ts'
import type { Configuration } from './configuration.ts'
import { Draft, failed } from './draft.ts'
import { monotonicMs } from './listing.ts'
import { Absent, Refusal } from './refusal.ts'
import { aged, contents, lineOf, row, type SetRow, whole } from './roll.ts'
import type { Written } from './written.ts'

/** How often late entries are removed, in milliseconds. */
const SWEEP_MS = 1000
/** Places that are looked at each time, of a set and of all: at 5 ns each no packet waits for long, however many sets there are. */
const SHARE = 4096
const SHARES = 16 * SHARE
/** A text without a file is no mistake of a file. */
const NOWHERE: Written = { path: '', text: '' }

/** Who carries out changes, and answers when no packet meets what was before. */
export interface Teller {
  tell(worker: number, ask: { type: 'sets'; changes: Int32Array }): Promise<number>
}

/** Who makes rules what a configuration says while a change goes on. */
interface Rules {
  around(next: Configuration, change: () => Promise<void>): Promise<void>
}

/** What was done, as long as it can be undone. */
export interface Turn {
  /** what does the same again, '' if that is not said in a line */
  line: string
  /** throws a Refusal if rules use a set that is gone */
  check(): void
  settle(): void
  undo(): Promise<void>
}

export class Sets {
  private readonly arena: Arena
  private readonly teller: Teller
  private readonly bodies: Bodies
  private readonly timer: NodeJS.Timeout
  private readonly inUse: (name: string) => boolean
  private held: ReadonlyMap<string, Held> = new Map()
  /** bytes of single changes behind what is kept of them */
  added = 0
  /** the text that they were made of */
  private text = ''

  /** `inUse` tells of a name whether rules use the set. */
  constructor(arena: Arena, teller: Teller, inUse: (name: string) => boolean) {
    this.arena = arena
    this.inUse = inUse
    this.teller = teller
    this.bodies = new Bodies(arena)
    this.timer = setInterval(() => this.sweep(), SWEEP_MS).unref()
  }

  close(): void {
    clearInterval(this.timer)
  }

  place(name: string): SetPlace | null {
    const held = this.held.get(name)
    return held === undefined ? null : { name, type: held.made.type, at: held.at }
  }

  typeOf(name: string): string | null {
    return this.held.get(name)?.made.type ?? null
  }

  /** Makes the sets what `next` says, then the rules that ask them, then the rest; if that fails, all is what it was. */
  async around(next: Configuration, rules: Rules, change: () => Promise<void>): Promise<void> {
    const turn = await this.become(next.sets)
    try {
      await rules.around(next, () => {
        turn?.check()
        return change()
      })
    } catch (error) {
      await turn?.undo()
      throw error
    }
    turn?.settle()
  }

  /** Makes the sets what a file says; null if they are already. Throws a Refusal, and then nothing has changed. */
  async become(next: Written | null): Promise<Turn | null> {
    const { path, text } = next ?? NOWHERE
    if (text === this.text) return null
    const before = this.text
    const turn = await this.carry(path, new Map(), () => aged(restoreSets(whole(text)), text))
    this.text = text
    return {
      ...turn,
      undo: async () => {
        this.text = before
        await turn.undo()
      },
    }
  }

  /** Carries out a text as `ipset restore` does, whole or not at all; with `exist` as `ipset restore -!`. */
  restore(text: string, exist = false): Promise<Turn> {
    return this.carry('', this.held, () => restoreSets(text, this.made(), exist))
  }

  /** `flush` or `destroy` of one set. */
  empty(verb: 'flush' | 'destroy', name: string): Promise<Turn> {
    return this.restore(`${verb} ${this.find(name).made.name}`)
  }

  private made(): Map<string, Creation> {
    return new Map([...this.held].map(([name, { made }]) => [name, made]))
  }

  private async carry(path: string, from: ReadonlyMap<string, Held>, read: () => Command[]): Promise<Turn> {
    const before = this.held
    const draft = new Draft(from, this.bodies, monotonicMs(), this.inUse)
    let changes: Int32Array
    try {
      draft.run(read())
      draft.inherit(before)
      changes = draft.seal(before)
    } catch (error) {
      draft.drop()
      if (!(error instanceof Misread)) throw error
      throw Refusal.of([path === '' ? error.message : `${path}: ${error.message}`])
    }
    draft.trim()
    await this.tell(changes)
    this.held = draft.sets
    return {
      line: '',
      check: () => {
        const lost = [...before.keys()].find((name) => !draft.sets.has(name) && this.inUse(name))
        if (lost === undefined) return
        throw new Refusal(
          `set ${lost}`,
          'rules use it, and it is not made any more',
          'make it, or change the rules',
        )
      },
      settle: () => this.clear(before, draft.sets),
      undo: async () => {
        await this.tell(this.back(before, draft.sets))
        this.held = before
        this.clear(draft.sets, before)
      },
    }
  }

  private tell(changes: Int32Array): Promise<number> {
    if (changes.length === 0) return Promise.resolve(0)
    return this.teller.tell(GATEWAY_WORKER, { type: 'sets', changes })
  }

  /** What puts the sets of `before` in the place of those of `after`. */
  private back(before: ReadonlyMap<string, Held>, after: ReadonlyMap<string, Held>): Int32Array {
    const slots = new Map([...after.values()].map(({ at }) => [at, 0]))
    for (const { at, body } of before.values()) slots.set(at, body.at >> 2)
    return Int32Array.from([...slots].flatMap(([at, body]) => [change.LAY, at, body, 0, 0, 0, 0, 0]))
  }

  /** Gives back what only the sets of `before` had. */
  private clear(before: ReadonlyMap<string, Held>, after: ReadonlyMap<string, Held>): void {
    const bodies = new Set([...after.values()].map(({ body }) => body))
    const slots = new Set([...after.values()].map(({ at }) => at))
    for (const { at, body } of before.values()) {
      if (!bodies.has(body)) this.bodies.free(body)
      if (!slots.has(at)) this.bodies.release(at)
    }
  }

  private find(name: string): Held {
    const held = this.held.get(name)
    if (held !== undefined) return held
    throw new Absent(`set ${name}`, 'there is no set of that name', 'see bridgeport set ls')
  }

  /** Adds or removes what an element, with its options, stands for: one entry while packets go on, several or a list's as a text. */
  async change(verb: 'add' | 'del', name: string, words: string[], exist: boolean): Promise<Turn> {
    const held = this.find(name)
    const element = parsed(held.made, words)
    const line = [verb, name, ...words].join(' ')
    if (held.made.type === 'list:set') return await this.restore(line, exist)
    const [first, ...more] = pair(entries(held.made, element))
    if (more.length > 0) return await this.restore(line, exist)
    const opposite = this.opposite(held, first)
    const timeoutMs = element.timeout === null ? -1 : element.timeout * 1000
    const isAdd = verb === 'add'
    const wanted = [
      first.address,
      first.key,
      element.nomatch ? shape.NOMATCH : 0,
      timeoutMs,
      exist ? 1 : 0,
      0,
    ]
    const answer = await this.tell(Int32Array.of(isAdd ? change.ADD : change.REMOVE, held.at, ...wanted))
    const place = { line: 1, column: verb.length + name.length + 3, word: words[0] }
    if (answer !== 0) {
      const { why, remedy } = failed(held.made, first.address, first.key, answer & 0xff, place)
      throw new Refusal(`set ${name}, ${words[0]}`, why, remedy)
    }
    const undo = async () => void (await this.tell(opposite))
    return { line: lineOf(verb, held.made, element, first), check: () => {}, settle: () => {}, undo }
  }

  /** What makes an entry what it is now, whatever is done to it. */
  private opposite({ at, made }: Held, { address, key }: Entry): Int32Array {
    const table = new SetTable(this.arena, at)
    const now = monotonicMs()
    const left = table.left(address, key, now)
    if (left === NOTHING) return Int32Array.of(change.REMOVE, at, address, key, 0, 0, 1, 0)
    const [port, protocol, prefix] = [key >>> 16, (key >>> 8) & 255, (key >>> 2) & 63]
    const isInverse =
      made.type.startsWith('hash:net') && table.holds(address, prefix, port, protocol, now) < 0
    return Int32Array.of(change.ADD, at, address, key, isInverse ? shape.NOMATCH : 0, left, 1, 0)
  }

  /** True if the element is in the set; with `nomatch` behind it, if an entry says that it is not. */
  test(name: string, words: string[]): boolean {
    const held = this.find(name)
    const now = monotonicMs()
    const element = parsed(held.made, words)
    if (held.made.type === 'list:set')
      return held.members.some((each) => each.name === element.member && !isLate(each.deadline, now))
    const [{ address, key }, ...more] = pair(entries(held.made, element))
    if (more.length > 0) throw new Refusal(`set ${name}, ${words[0]}`, 'is more than one entry', 'name one')
    const table = new SetTable(this.arena, held.at)
    const [port, protocol, prefix] = [key >>> 16, (key >>> 8) & 255, (key >>> 2) & 63]
    const isBitmap = held.made.type === 'bitmap:port'
    const found =
      prefix < 32
        ? table.holds(address, prefix, port, protocol, now)
        : table.has(address, port, isBitmap ? 6 : protocol, now)
    return element.nomatch ? found < 0 : found > 0
  }

  /** Listings of all sets, or of one, with at most `limit` entries of each. */
  rows(name?: string, limit?: number): SetRow[] {
    const wanted = name === undefined ? [...this.held.values()] : [this.find(name)]
    return wanted.map((held) => row(this.arena, held, this.bodies.refused(held.at), limit))
  }

  /** As `ipset save` prints them, all or one. */
  save(name?: string): string {
    const wanted = name === undefined ? [...this.held.values()] : [this.find(name)]
    return saveSets(wanted.map((held) => contents(this.arena, held)))
  }

  /** Says that `text` is what the sets are now: a reload that finds it again changes nothing. */
  adopt(text: string): void {
    this.text = text
  }

  private sweep(): void {
    const timed = [...this.held.values()].filter(({ made }) => made.timeout !== null)
    for (const held of timed) if (held.members.length > 0) this.bodies.retire(held, monotonicMs())
    const share = Math.min(SHARE, Math.floor(SHARES / timed.length))
    const changes = timed.flatMap(({ at }) => [change.SWEEP, at, share, 0, 0, 0, 0, 0])
    void this.tell(Int32Array.from(changes))
  }
}

/** At most two of many. */
function pair(all: Iterable<Entry>): Entry[] {
  const found: Entry[] = []
  for (const each of all) if (found.push(each) === 2) break
  return found
}

function parsed(made: Creation, words: string[]): Element {
  try {
    return parseElement(made, words)
  } catch (error) {
    if (!(error instanceof Wrong)) throw error
    const shown = words[Math.max(0, error.word)] ?? ''
    throw new Refusal(`set ${made.name}, ${shown}`, error.message, 'write it as ipset does')
  }
}
