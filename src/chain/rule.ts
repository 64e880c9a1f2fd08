/** A ruleset as people write it: tables, chains, rules, each with the place that it came from. */

export const HOOKS = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'] as const
export type Hook = (typeof HOOKS)[number]
export const PREROUTING = 0
export const INPUT = 1
export const FORWARD = 2
export const OUTPUT = 3
export const POSTROUTING = 4

/** In the order in which a hook runs them: conntrack stands behind raw. */
export const TABLES = ['raw', 'mangle', 'nat', 'filter'] as const
export type TableName = (typeof TABLES)[number]
export const RAW = 0
export const MANGLE = 1
export const NAT = 2
export const FILTER = 3

/** Hooks that a table has a base chain for. */
export const BASES: Record<TableName, readonly Hook[]> = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: HOOKS,
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
}

/** Rules and policies that may be counted: the log of a run numbers them. */
export const RULES = 131_072

/** One use of an extension: its name, and what its file made of the options. */
export interface Use<D = unknown> {
  name: string
  data: D
  /** where its name stood in the line, from 1 on */
  column?: number
}

export interface Rule {
  /** of the line in the text that brought it, from 1 on; 0 where it came from elsewhere */
  line: number
  /** as iptables-save prints it, from -A on */
  text: string
  /** as written, [0:0] if nothing was */
  packets: number
  bytes: number
  /** in the order written; 'ip' stands for -s, -d, -p, -i, -o and -f together and comes first if any of them is there */
  matches: Use[]
  /** null without -j and -g; the name of a user chain has data null */
  target: Use | null
  /** -g */
  goto: boolean
}

export interface Chain {
  name: string
  /** null: a user chain */
  policy: 'ACCEPT' | 'DROP' | null
  line: number
  packets: number
  bytes: number
  rules: Rule[]
}

export interface Table {
  name: TableName
  /** all base chains of the table, in the order of HOOKS, then user chains in the order that iptables-save has */
  chains: Map<string, Chain>
}

/** Tables in the order that they were written. */
export interface Ruleset {
  tables: Map<TableName, Table>
}
