/** The walk in words goes where the compiled chains go: same verdict, same rules met, for whatever remembers nothing. */
import { afterEach, describe, expect, it } from 'vitest'
import { compile, type Numbering } from '../../src/chain/compile.ts'
import { Engine } from '../../src/chain/engine.ts'
import { DROP, HOOK, IN_NETWORK, MARK, MET, STATE, STATE_NEW, TABLE } from '../../src/chain/registers.ts'
import { restore } from '../../src/chain/restore.ts'
import { FORWARD, type Ruleset, TABLES, type TableName } from '../../src/chain/rule.ts'
import { numbers } from '../../src/control/names.ts'
import { Arena } from '../../src/memory/arena.ts'
import * as tally from '../../src/table/tally.ts'
import { Tally } from '../../src/table/tally.ts'
import { Random } from '../lab/random.ts'
import { NAMES, rules, Stroll } from '../lab/stroll.ts'

const context = { kindOf: (name: string) => NAMES[name] ?? null, set: () => null }
const indexed = (kind: string) =>
  Object.entries(NAMES)
    .filter(([, each]) => each === kind)
    .map(([name], index) => ({ name, index }))
const [ports, networks] = [indexed('port'), indexed('network')]

/** The compiled ruleset over the same ground. */
class Compiled {
  readonly engine: Engine
  readonly numbering: Numbering
  private readonly stroll: Stroll
  private readonly arena: Arena

  constructor(ruleset: Ruleset, stroll: Stroll) {
    const { footing } = stroll.ground
    this.arena = Arena.create(2 ** 24)
    this.stroll = stroll
    this.engine = new Engine(footing, new Tally(this.arena, this.arena.allocate('tally', tally.LENGTH).at))
    const { plan, numbering } = compile(ruleset, context, null)
    this.numbering = numbering
    plan.names = numbers(numbering, networks, ports)
    this.engine.prepare(plan)
    while (!this.engine.step(1000));
  }

  close(): void {
    this.arena.close()
  }

  /** The number that a name has for it. */
  number(name: string): number {
    const names = this.engine.names
    const port = ports.find((each) => each.name === name)
    const network = networks.find((each) => each.name === name)
    return (port && names?.ports[port.index]) || (network && names?.networks[network.index]) || 0
  }

  /** Verdict and what was met, as `chain index`; a policy is -1. */
  run(table: TableName): { verdict: number; met: string[]; mark: number } {
    const { x } = this.engine
    this.stroll.load((name) => this.number(name))
    const verdict = this.engine.run(TABLES.indexOf(table), FORWARD)
    const met = [...this.engine.log.subarray(0, x[MET])].map((n) => this.numbering.counters[n])
    return { verdict, met: met.map(({ chain, index }) => `${chain} ${index}`), mark: x[MARK] }
  }
}

/** The same by the walk. */
function walked(stroll: Stroll, table: TableName): { verdict: number; met: string[]; mark: number } {
  stroll.load((name) => ['', ...Object.keys(NAMES)].indexOf(name))
  const verdict = stroll.walk(table, 'FORWARD')
  const met = stroll.steps.filter(({ matched }) => matched)
  const place = ({ chain, rule, text }: (typeof met)[0]) =>
    `${chain} ${text.startsWith('policy ') ? -1 : rule - 1}`
  return { verdict, met: met.map(place), mark: stroll.ground.x[MARK] }
}

let stroll: Stroll | null = null
afterEach(() => {
  stroll?.close()
  stroll = null
})

it('goes where compiled chains go', () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
  const random = new Random(seed)
  for (let round = 0; round < 60; round++) {
    const table = random.of(['filter', 'mangle'] as const)
    const text = rules(random, table)
    const ruleset = restore(text)
    const place = new Stroll(ruleset)
    const compiled = new Compiled(ruleset, place)
    for (let n = 0; n < 40; n++) {
      place.packet(random)
      const ours = walked(place, table)
      expect(ours, `seed ${seed}, round ${round}, packet ${n}\n${text}`).toEqual(compiled.run(table))
    }
    compiled.close()
    place.close()
  }
})

/** What the walk says of each rule of FORWARD in turn. */
function says(text: string, registers: Record<number, number> = {}): string[] {
  const ruleset = restore(text)
  stroll = new Stroll(ruleset)
  stroll.packet(new Random(7))
  for (const [register, value] of Object.entries(registers)) stroll.ground.x[Number(register)] = value
  stroll.walk('filter', 'FORWARD')
  return stroll.steps.map((step) => `${step.line} ${step.matched ? 'met' : 'passed'} ${step.why}`.trim())
}

describe('says', () => {
  const filter = (...lines: string[]) => ['*filter', ...lines, 'COMMIT', ''].join('\n')

  it('the first condition that does not hold, and what the packet has there', () => {
    const lines = says(filter('-A FORWARD -i vm9 -p tcp -j DROP', '-A FORWARD -m mark --mark 7 -j DROP'), {
      [IN_NETWORK]: 3,
      [MARK]: 2,
    })
    expect(lines[0]).toMatch(/^2 passed -i vm9: the packet came in by/)
    expect(lines[1]).toMatch(/^3 passed -m mark --mark 0x7: the packet has .*2/)
  })

  it('where chains lead and how they come back', () => {
    const text = filter(
      ':a -',
      ':b -',
      '-A a -g b',
      '-A a -j DROP',
      '-A b -j RETURN',
      '-A FORWARD -j a',
      '-A FORWARD -j DROP',
    )
    expect(says(text).map((line) => line.split(' ')[0])).toEqual(['7', '4', '6', '8'])
  })

  it('what depends on other packets, which is taken to match', () => {
    const ruleset = restore(filter('-A FORWARD -m limit --limit 1/s -m conntrack --ctstate NEW -j DROP'))
    stroll = new Stroll(ruleset)
    stroll.packet(new Random(1))
    stroll.ground.x[STATE] = STATE_NEW
    expect(stroll.walk('filter', 'FORWARD')).toBe(DROP)
    expect(stroll.steps).toMatchObject([
      { matched: true, depends: [expect.stringContaining('limit --limit 1/sec')] },
    ])
  })

  it('nothing of a table that is not there', () => {
    stroll = new Stroll(restore(filter('-A FORWARD -j DROP')))
    stroll.packet(new Random(1))
    expect(stroll.walk('mangle', 'FORWARD')).toBe(1)
    expect(stroll.steps).toEqual([])
    expect([stroll.ground.x[TABLE], stroll.ground.x[HOOK]]).toEqual([1, FORWARD])
  })
})
