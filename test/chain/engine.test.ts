/** What a compiled ruleset does with a packet: verdicts, what was met, what is counted. */
import { afterAll, describe, expect, it } from 'vitest'
import { ip } from '../../src/chain/match/ip.ts'
import * as x from '../../src/chain/registers.ts'
import { FILTER, FORWARD, INPUT, type Use } from '../../src/chain/rule.ts'
import { Chains, rule, ruleset } from '../lab/chains.ts'

const chains = new Chains()
afterAll(() => chains.close())

function from(source: number): Use {
  return { name: 'ip', data: { ...ip.begin(), source: { address: source, mask: -1, not: false } } }
}
const accept: Use = { name: 'ACCEPT', data: null }
const drop: Use = { name: 'DROP', data: null }
const back: Use = { name: 'RETURN', data: null }
const to = (name: string): Use => ({ name, data: null })

function forward(source: number): number {
  chains.packet({ [x.SOURCE]: source })
  return chains.engine.run(FILTER, FORWARD)
}

describe('verdicts', () => {
  it('are those of the first rule that has one, else the policy, which is no rule', () => {
    chains.load(ruleset('filter', { FORWARD: [rule([from(1)], accept), rule([from(2)], null)] }, ['FORWARD']))
    expect(forward(1)).toBe(x.ACCEPT)
    expect(chains.registers[x.EXPLICIT]).toBe(1)
    expect(chains.met()).toEqual([0])
    expect(forward(2)).toBe(x.DROP)
    expect(chains.registers[x.EXPLICIT]).toBe(0)
    expect(chains.met()).toEqual([1, 3])
    expect(chains.engine.run(FILTER, INPUT)).toBe(x.ACCEPT)
  })
  it('come back from chains: jump goes on, goto does not, RETURN of a base chain is its policy', () => {
    chains.load(
      ruleset(
        'filter',
        {
          FORWARD: [
            rule([from(1)], to('a')),
            rule([from(2)], to('a'), '', true),
            rule([from(3)], back),
            rule([from(4)], to('empty')),
            rule([from(5)], to('empty'), '', true),
            rule([], accept),
          ],
          a: [rule([], to('b')), rule([], to('b'), '', true), rule([], drop)],
          b: [rule([from(9)], drop), rule([], back), rule([], drop)],
          empty: [],
        },
        ['FORWARD'],
      ),
    )
    const seen = [1, 2, 3, 4, 5].map((source) => [forward(source), ...chains.met()])
    expect(seen).toEqual([
      [x.ACCEPT, 0, 6, 10, 7, 10, 5],
      [x.DROP, 1, 6, 10, 7, 10, 13],
      [x.DROP, 2, 13],
      [x.ACCEPT, 3, 5],
      [x.DROP, 4, 13],
    ])
  })
  it('of long chains are those of short ones', () => {
    const rules = Array.from({ length: 2000 }, (_, n) => rule([from(n + 1)], n % 2 === 0 ? accept : back))
    chains.load(ruleset('filter', { FORWARD: rules }, ['FORWARD']))
    for (let n = 0; n < 2000; n++) {
      expect(forward(n + 1)).toBe(n % 2 === 0 ? x.ACCEPT : x.DROP)
      expect(chains.met()).toEqual(n % 2 === 0 ? [n] : [n, 2001])
    }
    expect(forward(0)).toBe(x.DROP)
  })
})

describe('counters', () => {
  it('are those of rules and of trails together, and go on over a swap where the rule is the same', () => {
    const rules = [rule([from(1)], null), rule([from(1)], accept), rule([from(2)], accept)]
    chains.load(ruleset('filter', { FORWARD: rules }))
    forward(1)
    chains.engine.settle(100)
    forward(1)
    const trail = chains.engine.trail()
    expect(trail).toBeGreaterThanOrEqual(2)
    expect(chains.registers[x.MET]).toBe(0)
    chains.tally.trailPackets[trail] += 5
    chains.tally.trailBytes[trail] += 50
    forward(1)
    expect(chains.engine.trail()).toBe(trail)
    forward(2)
    expect(chains.engine.trail()).toBeGreaterThan(trail)
    expect(chains.counts().slice(0, 6)).toEqual([6, 150, 6, 150, 0, 0])
    chains.load(ruleset('filter', { FORWARD: [rules[1], rule([from(3)], drop)] }))
    expect(chains.counts().slice(0, 4)).toEqual([6, 150, 0, 0])
    forward(1)
    expect(chains.engine.trail()).not.toBe(trail)
  })
})
