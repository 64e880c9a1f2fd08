/** Chains without a gateway: an engine over an arena of its own, its rules written by hand, its registers by the test. */
import { type Context, compile, type Numbering } from '../../src/chain/compile.ts'
import { Engine } from '../../src/chain/engine.ts'
import type { Addresses } from '../../src/chain/matcher.ts'
import * as x from '../../src/chain/registers.ts'
import { BASES, type Chain, type Rule, type Ruleset, type TableName, type Use } from '../../src/chain/rule.ts'
import { Arena } from '../../src/memory/arena.ts'
import * as flow from '../../src/table/flow.ts'
import { FlowTable } from '../../src/table/flow.ts'
import * as tally from '../../src/table/tally.ts'
import { Tally } from '../../src/table/tally.ts'

const addresses: Addresses = { kind: () => 1, returns: () => true }
const world: Context = { kindOf: () => 'network', set: () => null }

export function rule(matches: Use[], target: Use | null, text = '', goto = false): Rule {
  const shown = text !== '' ? text : JSON.stringify([matches, target, goto])
  return { line: 0, text: shown, packets: 0, bytes: 0, matches, target, goto }
}

/** A ruleset of one table: user chains by name, base chains ACCEPT unless `drops` names them. */
export function ruleset(name: TableName, chains: Record<string, Rule[]>, drops: string[] = []): Ruleset {
  const made = new Map<string, Chain>()
  const add = (chain: string, policy: Chain['policy']) =>
    made.set(chain, { name: chain, policy, line: 0, packets: 0, bytes: 0, rules: chains[chain] ?? [] })
  for (const base of BASES[name]) add(base, drops.includes(base) ? 'DROP' : 'ACCEPT')
  for (const chain of Object.keys(chains)) if (!made.has(chain)) add(chain, null)
  return { tables: new Map([[name, { name, chains: made }]]) }
}

export class Chains {
  readonly arena = Arena.create(2 ** 27)
  readonly registers = new Int32Array(x.COUNT)
  readonly tally: Tally
  readonly engine: Engine
  numbering: Numbering | null = null
  /** runs of rules that became lookups */
  lookups = 0

  constructor() {
    const { arena } = this
    const flows = new FlowTable(arena, arena.allocate('flows', flow.lengthOf(64)).at, 64)
    const { at } = arena.allocate('tally', tally.LENGTH)
    this.tally = new Tally(arena, at)
    this.engine = new Engine({ arena, flows, addresses, x: this.registers, journalAt: 0 }, this.tally)
  }

  /** Compiles and swaps in, with the counters of what stays. */
  load(rules: Ruleset, context: Context = world): void {
    const { plan, numbering } = compile(rules, context, this.numbering)
    this.engine.prepare(plan)
    while (!this.engine.step(1000));
    this.numbering = numbering
    this.lookups = plan.lookups.length
  }

  /** Fills the registers for a packet; what is not said is 0. */
  packet(values: Record<number, number>): void {
    this.registers.fill(0)
    for (const [register, value] of Object.entries(values)) this.registers[Number(register)] = value
  }

  /** Counters that the packet met in order. */
  met(): number[] {
    return [...this.engine.log.subarray(0, this.registers[x.MET])]
  }

  counts(): number[] {
    return [...this.tally.read(this.numbering!.counters.length)]
  }

  close(): void {
    this.arena.close()
  }
}
