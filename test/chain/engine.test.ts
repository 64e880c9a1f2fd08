/** What a compiled ruleset does with a packet: verdicts, what was met, what is counted. */
import { afterAll, describe, expect, it } from 'vitest'
import { ip } from '../../src/chain/match/ip.ts'
import * as x from '../../src/chain/registers.ts'
import { restore } from '../../src/chain/restore.ts'
import { FILTER, FORWARD, INPUT, PREROUTING, RAW, type Use } from '../../src/chain/rule.ts'
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

describe('in the straight loop', () => {
  it('nothing that remembers is asked, and what this packet alone decides is told of', () => {
    const lines = [
      '-A FORWARD -s 10.0.0.1/32 -j ACCEPT',
      '-A FORWARD -s 10.0.0.2/32 -m length --length 1:9 -j ACCEPT',
      '-A FORWARD -s 10.0.0.3/32 -m limit --limit 1/sec -j ACCEPT',
    ]
    chains.load(restore(`*filter\n:FORWARD DROP [0:0]\n${lines.join('\n')}\nCOMMIT\n`))
    const ask = (source: number) => {
      chains.packet({ [x.SOURCE]: source, [x.LENGTH]: 5, [x.FAST]: 1 })
      return [chains.engine.run(FILTER, FORWARD), chains.registers[x.VOLATILE]]
    }
    expect(ask(0x0a000001)).toEqual([x.ACCEPT, 0])
    expect(ask(0x0a000002)).toEqual([x.ACCEPT, 1])
    expect(ask(0x0a000003)).toEqual([x.SLOW, 0])
    expect(ask(0x0a000004)).toEqual([x.DROP, 0])
  })
})

describe('a packet that meets more rules than the log holds', () => {
  const count = 3 * x.LOG_LENGTH
  const rules = `*filter\n:FORWARD DROP [0:0]\n${'-A FORWARD\n'.repeat(count)}COMMIT\n`
  it('is counted at every one of them', () => {
    chains.numbering = null
    chains.load(restore(rules))
    chains.packet({ [x.LENGTH]: 70 })
    expect(chains.engine.run(FILTER, FORWARD)).toBe(x.DROP)
    chains.engine.settle(70)
    const counts = chains.counts()
    for (let n = 0; n < count; n++) expect([counts[2 * n], counts[2 * n + 1]]).toEqual([1, 70])
  })
  it('leaves the straight loop', () => {
    chains.packet({ [x.LENGTH]: 70, [x.FAST]: 1 })
    expect(chains.engine.run(FILTER, FORWARD)).toBe(x.SLOW)
    expect(chains.counts()[0]).toBe(1)
  })
})

describe('TRACE', () => {
  it('tells of what is met behind it, in later tables too, policies apart', () => {
    const told: [number, number][] = []
    chains.engine.traced = { tell: (counter, kind) => told.push([counter, kind]) }
    chains.numbering = null
    chains.load(
      restore(
        '*raw\n-A PREROUTING -p udp\n-A PREROUTING -p udp -j TRACE\n-A PREROUTING -p udp\nCOMMIT\n' +
          '*filter\n-A FORWARD -p udp\n-A FORWARD -p tcp\nCOMMIT\n',
      ),
    )
    for (const protocol of [6, 17]) {
      chains.packet({ [x.PROTOCOL]: protocol })
      chains.engine.run(RAW, PREROUTING)
      if (protocol === 17) chains.engine.settle(1)
      chains.engine.run(FILTER, FORWARD)
    }
    chains.engine.traced = null
    const policy = (table: string, chain: string) =>
      chains.numbering!.counters.findIndex(
        (each) => each.table === table && each.chain === chain && each.index < 0,
      )
    const expected = [
      [2, 0],
      [policy('raw', 'PREROUTING'), 1],
      [3, 0],
      [policy('filter', 'FORWARD'), 1],
    ]
    expect(told).toEqual(expected)
  })
})

describe('what a matcher remembers', () => {
  const text = (...lines: string[]) => restore(`*filter\n${lines.join('\n')}\nCOMMIT\n`)
  const limited = '-A FORWARD -m limit --limit 1/hour --limit-burst 2 -j DROP'
  const verdict = () => {
    chains.packet({ [x.NOW]: 1000 })
    return chains.engine.run(FILTER, FORWARD)
  }
  it('goes on over a swap where the rule is the same, and begins anew where it is not', () => {
    chains.numbering = null
    chains.load(text(limited))
    expect([verdict(), verdict(), verdict()]).toEqual([x.DROP, x.DROP, x.ACCEPT])
    chains.load(text('-A FORWARD -s 10.9.9.9/32', limited))
    expect(verdict()).toBe(x.ACCEPT)
    chains.load(text(limited.replace('burst 2', 'burst 3')))
    expect(verdict()).toBe(x.DROP)
  })
})
