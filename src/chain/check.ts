/** Asks of a ruleset as a whole what its lines alone do not tell: chains that exist and end, things in places where they are at home, sets. */
import { Wrong } from './extension.ts'
import { matchKind, targetKind } from './kinds.ts'
import type { Ip } from './match/ip.ts'
import { Misread } from './misread.ts'
import { type Chain, HOOKS, type Hook, RULES, type Rule, type Ruleset, type Table, type Use } from './rule.ts'

/** Jumps that may follow one another: each is a call of a function in compiled code. */
const DEPTH = 200
/** Rules that one packet may be asked by: at 5 ns each they hold a worker for 10 ms. One that searches counts for many. */
const VISITS = 2_000_000

/** The type of a set, null if there is none of that name. */
type Sets = (name: string) => string | null

/** Refuses a ruleset that the kernel would refuse, or that no worker could bear; throws Misread with the rule's line. */
export function check(ruleset: Ruleset, sets: Sets): void {
  let count = 0
  let first: Misread | null = null
  for (const table of ruleset.tables.values()) {
    for (const chain of table.chains.values()) {
      count += chain.rules.length + (chain.policy === null ? 0 : 1)
      if (count > RULES) {
        const line = chain.rules.at(-1)?.line ?? chain.line
        throw new Misread(
          line,
          1,
          chain.name,
          `is the chain with which there are ${count} rules`,
          `have ${RULES} at most`,
        )
      }
    }
    const jumps: Jumps = new Map()
    for (const chain of table.chains.values()) jumps.set(chain, jumpsOf(chain, table))
    const order = sorted(jumps)
    measure(jumps, order)
    const hooks = reached(jumps, order)
    for (const chain of order) {
      const found = misplacement(chain, table, hooks.get(chain) ?? [], sets)
      if (found && (!first || found.line < first.line)) first = found
    }
  }
  if (first) throw first
}

/** The first rule of a chain that uses something where it cannot be. */
function misplacement(chain: Chain, table: Table, hooks: Hook[], sets: Sets): Misread | null {
  try {
    for (const rule of chain.rules) examine(rule, table, hooks, sets)
  } catch (error) {
    if (error instanceof Misread) return error
    throw error
  }
  return null
}

/** A rule that leads to another chain. */
interface Jump {
  rule: Rule
  /** position in its chain */
  index: number
  to: Chain
}

type Jumps = Map<Chain, Jump[]>

function jumpsOf(chain: Chain, table: Table): Jump[] {
  const jumps: Jump[] = []
  chain.rules.forEach((rule, index) => {
    const to = destination(table, rule)
    if (to) jumps.push({ rule, index, to })
  })
  return jumps
}

/** The user chain that a rule leads to, undefined for one that leads to none. */
function destination(table: Table, { target, line }: Rule): Chain | undefined {
  if (target === null || target.data !== null) return undefined
  const chain = table.chains.get(target.name)
  if (chain || targetKind(target.name)) return chain
  const remedy = `declare it with \`:${target.name} - [0:0]\``
  throw new Misread(line, target.column ?? 1, target.name, `is no chain of table ${table.name}`, remedy)
}

/** All chains, each behind those that it leads to; refuses circles. */
function sorted(jumps: Jumps): Chain[] {
  const done = new Set<Chain>()
  const order: Chain[] = []
  for (const root of jumps.keys()) {
    if (done.has(root)) continue
    const path: { chain: Chain; next: number }[] = [{ chain: root, next: 0 }]
    const open = new Set([root])
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const jump = jumps.get(top.chain)?.[top.next++]
      if (jump === undefined) {
        done.add(top.chain)
        open.delete(top.chain)
        order.push(top.chain)
        path.pop()
      } else if (open.has(jump.to)) {
        const names = path.map((each) => each.chain.name)
        throw circle(jump.rule, names, jump.to.name)
      } else if (!done.has(jump.to)) {
        open.add(jump.to)
        path.push({ chain: jump.to, next: 0 })
      }
    }
  }
  return order
}

function circle(rule: Rule, path: string[], name: string): Misread {
  const way = [...path.slice(path.indexOf(name)), name]
  const shown = way.length > 8 ? [...way.slice(0, 4), '…', ...way.slice(-3)] : way
  const why = `leads back to where the packet came from: ${shown.join(' → ')}`
  return new Misread(rule.line, rule.target?.column ?? 1, name, why, 'break the circle')
}

/** Refuses chains that are nested too deep, or whose longest way is too long. */
function measure(jumps: Jumps, order: Chain[]): void {
  const depths = new Map<Chain, number>()
  const visits = new Map<Chain, number>()
  for (const chain of order) {
    let depth = 0
    const efforts = upTo(chain)
    let visited = 0
    let behind = chain.rules.length
    for (const { rule, index, to } of [...(jumps.get(chain) ?? [])].reverse()) {
      const inside = visits.get(to) ?? 0
      visited += efforts[behind] - efforts[index + 1]
      behind = index
      depth = Math.max(depth, 1 + (depths.get(to) ?? 0))
      visited = rule.goto ? Math.max(inside, visited) : inside + visited
      visited += efforts[index + 1] - efforts[index]
      if (depth > DEPTH)
        throw excess(rule, chain, `leads through more than ${DEPTH} chains, one in the other`)
      if (visited > VISITS)
        throw excess(rule, chain, `asks a packet up to ${visited} rules, more than ${VISITS}`)
    }
    depths.set(chain, depth)
    visited += efforts[behind]
    visits.set(chain, visited)
    if (visited > VISITS) throw overlong(chain, efforts, visited)
  }
}

/** By position: how many plain rules take as long as those before it. */
function upTo({ rules }: Chain): Float64Array {
  const efforts = new Float64Array(rules.length + 1)
  rules.forEach(({ matches }, n) => {
    const searches = matches.reduce((sum, { name, data }) => sum + (matchKind(name)?.effort?.(data) ?? 0), 0)
    efforts[n + 1] = efforts[n] + 1 + searches
  })
  return efforts
}

/** Names the rule of a chain with which its searches take too long. */
function overlong(chain: Chain, efforts: Float64Array, visited: number): Misread {
  const index = Math.max(0, efforts.findIndex((effort) => effort > VISITS) - 1)
  const why = `takes a packet as long as ${visited} rules, more than ${VISITS}`
  return new Misread(chain.rules[index].line, 1, chain.name, why, 'have it search less: say --to')
}

function excess(rule: Rule, chain: Chain, why: string): Misread {
  return new Misread(rule.line, rule.target?.column ?? 1, chain.name, why, 'jump to fewer chains from it')
}

/** Base chains from which each chain may be reached. */
function reached(jumps: Jumps, order: Chain[]): Map<Chain, Hook[]> {
  const bits = new Map<Chain, number>()
  for (let i = order.length - 1; i >= 0; i--) {
    const chain = order[i]
    const own = (bits.get(chain) ?? 0) | (chain.policy === null ? 0 : 1 << HOOKS.indexOf(chain.name as Hook))
    bits.set(chain, own)
    for (const { to } of jumps.get(chain) ?? []) bits.set(to, (bits.get(to) ?? 0) | own)
  }
  return new Map(
    order.map((chain) => [chain, HOOKS.filter((_, hook) => ((bits.get(chain) ?? 0) >> hook) & 1)]),
  )
}

/** Refuses what a rule uses in a table or behind a hook where it cannot be. */
function examine(rule: Rule, table: Table, hooks: Hook[], sets: Sets): void {
  const [first] = rule.matches
  const asked = first?.name === 'ip' ? (first.data as Ip) : null
  const protocol = asked && !asked.notProtocol ? asked.protocol : 0
  for (const use of rule.target ? [...rule.matches, rule.target] : rule.matches) {
    const isTarget = use === rule.target
    const kind = isTarget ? targetKind(use.name) : matchKind(use.name)
    if (kind === undefined || (isTarget && table.chains.has(use.name))) continue
    if (kind.tables && !kind.tables.includes(table.name)) {
      throw misplaced(
        rule,
        use,
        `does not work in table ${table.name}`,
        `use it in ${kind.tables.join(', ')}`,
      )
    }
    const wrong = hooks.find((hook) => kind.hooks && !kind.hooks.includes(hook))
    if (wrong) {
      const why = `does not work in ${wrong}, which leads here`
      throw misplaced(rule, use, why, `use it in ${kind.hooks?.join(', ')}`)
    }
    try {
      kind.fits?.(use.data, { rule, table: table.name, hooks, protocol })
    } catch (error) {
      if (!(error instanceof Wrong)) throw error
      throw misplaced(rule, use, error.message, 'correct the rule')
    }
    for (const name of kind.sets?.(use.data) ?? []) {
      if (sets(name) === null) {
        throw new Misread(rule.line, use.column ?? 1, name, 'is no set', 'make it first, or correct its name')
      }
    }
  }
}

function misplaced(rule: Rule, use: Use, why: string, remedy: string): Misread {
  return new Misread(rule.line, use.column ?? 1, use.name, why, remedy)
}
