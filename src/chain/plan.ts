/** A compiled ruleset as the control thread posts it to the worker: source text, tables and descriptions, nothing that runs. */

/** Numbers of the names that rules mention, for what bears those names now. */
export interface Names {
  /** by port index: the number of its name, 0 if no rule means it */
  ports: Int32Array
  /** by network index */
  networks: Int32Array
  /** wildcard * count + number: 1 if the name begins as the wildcard says */
  wild: Uint8Array
  /** numbers there are, 0 included */
  count: number
}

/** One run of rules that becomes lookups: see probe.ts. Masks and keys have a value for each of `words`, numbers of registers. */
export interface LookupPlan {
  /** registers and values that all keys have in common: code asks for them beforehand */
  common: Int32Array
  words: Int32Array
  masks: Int32Array
  /** of each key: its mask's number, its first entry, its values */
  keys: Int32Array
  /** of each entry: its rule, which may have several, and the next entry of equal key; the last one, of no rule, has the number of rules */
  entries: Int32Array
  /** 1 + a key's number, 0 where there is none; a power of two, at most half full */
  index: Int32Array
  /** which hashes there may be: a power of two */
  bits: Int32Array
}

export interface Plan {
  /** rules and, behind them, the policies of the base chains: all that is counted has a number below `counted` */
  rules: number
  counted: number
  /** by table * 5 + hook: number of the base chain's function, -1 if it has no rules */
  bases: Int32Array
  /** likewise: counter of the policy, -1 if the table is not there, and its verdict */
  policies: Int32Array
  verdicts: Int32Array
  /** functions, each of a few rules or of a run of them, over the names of Scope in engine.ts: `x` the registers, `C` functions by number, … */
  sources: string[]
  lookups: LookupPlan[]
  tables: Int32Array[]
  /** descriptions of matchers (MatcherSpec) as JSON: a thread takes over texts ten times as fast as objects */
  matchers: string[]
  /** by number of the matcher: the rule whose own it is, -1 if it is shared */
  owners: Int32Array
  /** by number: which counter of the plan before goes on as this one's, -1 none */
  carried: Int32Array
  /** packets and bytes that a counter begins with */
  initial: Float64Array
  names: Names
  /** rules ask for the port that a packet leaves by: it must be known before FORWARD */
  asksEgress: boolean
  /** the raw table decides what is tracked, or in which zone */
  decidesTracking: boolean
  /** every table at once is empty and accepts */
  empty: boolean
}
