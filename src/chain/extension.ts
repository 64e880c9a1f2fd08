/**
 * What a match or a target is: one file each in match/ and target/, that says how its options read, how it is printed, and which code it
 * becomes. The code is JavaScript over registers (registers.ts) and holds integers only, never text from a rule.
 */
import type { Hook, Rule, TableName, Use } from './rule.ts'

/** A wrong word in a rule: the reader adds line and column. `word` is the position among the option's own words, 0 the option itself. */
export class Wrong extends Error {
  readonly word: number

  constructor(text: string, word = 1) {
    super(text)
    this.word = word
  }
}

/** How an option stands in a rule: how many words follow it, and whether `!` may stand before it. An alias names the option it means. */
export type Form =
  | { words: number; negatable?: boolean /** last word may be missing */; optional?: boolean }
  | string

/**
 * How much the answer of a match depends on: STATIC on nothing but flow, direction and whether a reply was seen (in the straight loop, where
 * TCP's flags are ACK without SYN, FIN, RST); PURE on this packet, but asking changes nothing; SLOW remembers, changes something, or
 * is too rare for the straight loop.
 */
export const STATIC = 0
export const PURE = 1
export const SLOW = 2
export type Nature = typeof STATIC | typeof PURE | typeof SLOW

/** What a match fixes, value under mask, at the word of a lookup key: see WORDS in lookup.ts. */
export interface KeyPart {
  word: number
  value: number
  mask: number
}

export interface Condition {
  /** an expression, true if the packet matches: x are the registers, v the arena's DataView, w the flows' words, M matchers, T tables */
  text: string
  nature: Nature
  /** where the condition, or a part of it, is equality under masks: the same as key parts, all of which must hold */
  key?: KeyPart[]
  /** where it does not hold it may have set x[HOTDROP]: the packet is dropped then, whatever stands behind */
  drops?: boolean
  /** with key: what the condition asks besides, an expression; absent where the key parts say all */
  rest?: string
  /** what may hold key parts where equality does not say it, ranges: who meets the condition has all parts of one of the lists of each of these */
  covers?: KeyPart[][][]
}

export interface Action {
  /** statements; `return` a verdict of registers.ts to end the hook. Empty: the rule counts and goes on. */
  text: string
  nature: Nature
  /** no rule behind it is asked: the code always returns a verdict other than CONTINUE */
  ends: boolean
}

/** What code may ask of the compiler. */
export interface Emit {
  /** number k of a matcher that the worker makes of a plain description: `M[k]`. Alike descriptions share one unless `own` is set. */
  matcher(spec: MatcherSpec): number
  /** number k of an int32 table: `T[k]` */
  table(values: Int32Array): number
  /** number of a network's or port's name in the registers, and whether it is a port's; a name that nothing bears is a port's */
  name(name: string): { id: number; isPort: boolean }
  /** an expression over a register with such a number: true if the name begins with `prefix` */
  wildcard(prefix: string, register: number): string
  /** the set of that name; throws Wrong if there is none */
  set(name: string): SetPlace
  /** the rule at hand */
  rule: number
  tableName: TableName
}

/** Protocols that must be named by `-p`, where it depends on the options a function of them; empty for any. */
export type Protocols<D> = readonly number[] | ((data: D) => readonly number[])

/** A plain description of a matcher; `type` names its file in matcher/. */
export interface MatcherSpec {
  type: string
  /** never shared with an alike one: it has a memory of its own, kept over a swap if rule and description stay the same */
  own?: boolean
  [key: string]: unknown
}

/** Where a set lies: see table/set.ts. */
export interface SetPlace {
  name: string
  type: string
  at: number
}

/** Where a rule stands, for what is at home in some places only. */
export interface Place {
  rule: Rule
  table: TableName
  /** base chains from which the rule may be reached, none if nobody jumps to its chain */
  hooks: readonly Hook[]
  /** what `-p` names, 0 if nothing or with `!` */
  protocol: number
}

/** What matches and targets have in common. */
interface Kind<D> {
  name: string
  options: Record<string, Form>
  protocols?: Protocols<D>
  /** tables, and base chains from which it may be reached; undefined: all */
  tables?: readonly TableName[]
  hooks?: readonly string[]
  /** data of `-m NAME` or `-j NAME` before its first option */
  begin(): D
  /** takes one option with its words; throws Wrong */
  take(data: D, option: string, words: string[], negated: boolean): void
  /** after the last option: throws Wrong for what is missing or contradicts */
  end?(data: D): void
  /** the words behind the name as iptables-save prints them, `!` being a word; what it quotes has passed quote() of words.ts */
  print(data: D): string[]
  /** names of sets that it uses */
  sets?(data: D): string[]
  /** throws Wrong (word 0) where the rest of the rule or its place does not suit; asked after protocols, tables and hooks */
  fits?(data: D, place: Place): void
}

export interface MatchKind<D = unknown> extends Kind<D> {
  code(data: D, emit: Emit): Condition
  /** what the packet in the registers has where this match looks: `dport 443`, for those who ask why */
  shows(data: D, x: Int32Array, view: DataView, words: Int32Array): string
  /** how many plain rules take as long as this match may, whatever the packet; absent: it does not matter */
  effort?(data: D): number
}

export interface TargetKind<D = unknown> extends Kind<D> {
  code(data: D, emit: Emit): Action
}

/** A rule's use of an extension with the kind that reads it. */
export interface Bound<K, D = unknown> {
  kind: K
  use: Use<D>
}
