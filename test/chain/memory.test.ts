/** What the matches with a memory remember, forget and share, by a clock that the test turns; and that nobody can make them grow. */
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import type { MatcherSpec } from '../../src/chain/extension.ts'
import { matchKind } from '../../src/chain/kinds.ts'
import { LISTS } from '../../src/chain/matcher/connlimit.ts'
import type { Footing, Matcher } from '../../src/chain/matcher.ts'
import { MEMORY_MAX, makeMatcher, memoryOf, settleMemories } from '../../src/chain/matchers.ts'
import * as R from '../../src/chain/registers.ts'
import { Arena } from '../../src/memory/arena.ts'
import { ASSURED, FlowTable, lengthOf, STATUS, WORDS } from '../../src/table/flow.ts'
import { Compiler, Ground, use } from '../lab/condition.ts'
import { udp } from '../lab/transport.ts'

const ground = new Ground(makeMatcher)
const { x } = ground
afterAll(() => ground.close())
beforeEach(() => {
  settleMemories(ground.footing, [])
  ground.load(udp('10.0.0.1:1000', '10.0.0.2:53', { payload: new Uint8Array(72) }))
})

/** The description that `-m NAME OPTIONS` becomes. */
function specOf(rule: string): MatcherSpec {
  const [name = '', ...options] = rule.split(' ')
  const kind = matchKind(name)
  if (!kind) throw new Error(name)
  const compiler = new Compiler()
  kind.code(use(kind, options), compiler)
  return compiler.specs[0]
}

const make = (rule: string, footing: Footing = ground.footing): Matcher => makeMatcher(specOf(rule), footing)

/** How many of `count` packets match at a time. */
function count(matcher: Matcher, packets: number, ms = x[R.NOW]): number {
  x[R.NOW] = ms
  let matched = 0
  for (let i = 0; i < packets; i++) if (matcher.ask(x)) matched++
  return matched
}

describe('limit', () => {
  it('lets a burst pass, then as many as the rate earns, and saves no more than the burst', () => {
    const limit = make('limit --limit 10/s --limit-burst 5')
    expect([count(limit, 9, 0), count(limit, 9, 99), count(limit, 9, 100), count(limit, 9, 400)]).toEqual([
      5, 0, 1, 3,
    ])
    expect(count(limit, 9, 1_000_000)).toBe(5)
  })
  it('goes on where the clock wraps', () => {
    const limit = make('limit --limit 1/s --limit-burst 1')
    expect([count(limit, 2, 0x7fff_ffff), count(limit, 2, (0x7fff_ffff + 999) | 0)]).toEqual([1, 0])
    expect(count(limit, 2, (0x7fff_ffff + 1000) | 0)).toBe(1)
  })
})

describe('hashlimit', () => {
  const rule = 'hashlimit --hashlimit-mode srcip --hashlimit-name a'
  it('has a bucket for each address, and above is the rest', () => {
    const upto = make(`${rule} --hashlimit-upto 10/s --hashlimit-burst 5`)
    expect([count(upto, 9, 0), count(upto, 9, 100)]).toEqual([5, 1])
    x[R.SOURCE]++
    expect(count(upto, 9)).toBe(5)
    settleMemories(ground.footing, [])
    const above = make(`${rule} --hashlimit-above 10/s --hashlimit-burst 5`)
    expect([count(above, 9, 0), count(above, 9, 100)]).toEqual([4, 8])
  })
  it('pays bytes by chunks of 16, and a burst fills up again so many times', () => {
    const upto = make(`${rule} --hashlimit-upto 1kb/s`)
    // A packet of 100 bytes is 7 chunks of the 65 that a second earns.
    expect([count(upto, 20, 0), count(upto, 20, 1000), count(upto, 20, 1500)]).toEqual([9, 9, 4])
    const burst = make('hashlimit --hashlimit-upto 1kb/s --hashlimit-burst 3kb --hashlimit-name b')
    // What is left at a filling is lost.
    expect(count(burst, 99, 0)).toBe(9 + 3 * 9)
  })
  it('matches rates without paying', () => {
    const match = make(
      `${rule} --hashlimit-above 10/s --hashlimit-burst 1 --hashlimit-rate-match --hashlimit-htable-expire 60000`,
    )
    expect([count(match, 20, 0), count(match, 5, 1000), count(match, 5, 2000)]).toEqual([9, 5, 0])
  })
  it('forgets an address at the first collection behind its expiry', () => {
    const upto = make(`${rule} --hashlimit-upto 1/hour --hashlimit-burst 2 --hashlimit-htable-expire 5500`)
    expect([count(upto, 3, 0), count(upto, 3, 5400), count(upto, 3, 10_999)]).toEqual([2, 0, 0])
    expect([count(upto, 3, 10_999 + 5900), count(upto, 3, 30_000)]).toEqual([0, 2])
  })
  it('keeps no more addresses than it may, drops what finds no room, and recovers', () => {
    const upto = make(`${rule} --hashlimit-upto 1/s --hashlimit-htable-size 16 --hashlimit-htable-max 1000`)
    for (let i = 0; i < 1_000_000; i++) {
      x[R.SOURCE] = i
      x[R.HOTDROP] = 0
      if (upto.ask(x) !== i < 1000 || (x[R.HOTDROP] === 1) !== i >= 1000) throw new Error(`at ${i}`)
    }
    x[R.HOTDROP] = 0
    expect(count(upto, 1, 2000)).toBe(1)
    expect(x[R.HOTDROP]).toBe(0)
  })
})

describe('names', () => {
  it('share one memory, and the first one says how it is set up', () => {
    const [first, second] = ['--hashlimit-upto 1/hour --hashlimit-burst 3', '--hashlimit-above 9/s'].map(
      (rate) => make(`hashlimit --hashlimit-name c ${rate}`),
    )
    expect([count(first, 2), count(second, 3), count(first, 1)]).toEqual([2, 2, 0])
  })
  it('outlive a swap if they are set up alike, and go with the last who uses them', () => {
    const rule = 'hashlimit --hashlimit-name d --hashlimit-upto 1/hour --hashlimit-burst 3'
    const before = make(rule)
    settleMemories(ground.footing, [before])
    expect(count(before, 2)).toBe(2)
    const after = make(rule)
    settleMemories(ground.footing, [after])
    expect(count(after, 2)).toBe(1)
    const other = make(rule.replace('burst 3', 'burst 4'))
    settleMemories(ground.footing, [other])
    expect(count(other, 9)).toBe(4)
    settleMemories(ground.footing, [])
    expect(count(make(rule.replace('burst 3', 'burst 4')), 9)).toBe(4)
  })
  it('of recent keep the longest times that a rule asks for', () => {
    const set = make('recent --set --name e')
    const check = make('recent --rcheck --hitcount 40 --name e')
    count(set, 39)
    expect(check.ask(x)).toBe(false)
    set.ask(x)
    expect(check.ask(x)).toBe(true)
  })
})

describe('recent', () => {
  it('counts times within seconds', () => {
    const set = make('recent --set --name f')
    const check = make('recent --rcheck --seconds 10 --hitcount 3 --name f')
    for (const ms of [0, 1000, 2000]) count(set, 1, ms)
    expect([10_000, 10_001].map((ms) => count(check, 1, ms))).toEqual([1, 0])
  })
  it('remembers 100 addresses, the latest ones, whoever comes', () => {
    const set = make('recent --set --name g')
    const check = make('recent --rcheck --name g')
    for (let i = 0; i < 1_000_000; i++) {
      x[R.SOURCE] = i
      set.ask(x)
    }
    const known = [0, 999_899, 999_900, 999_999].map((source) => {
      x[R.SOURCE] = source
      return check.ask(x)
    })
    expect(known).toEqual([false, false, true, true])
  })
  it('reaps the oldest that is too old', () => {
    const set = make('recent --set --name h')
    const reap = make('recent --update --seconds 5 --reap --name h')
    const check = make('recent --rcheck --name h')
    count(set, 1, 0)
    const old = x[R.SOURCE]
    x[R.SOURCE]++
    count(set, 1, 4000)
    expect(count(reap, 1, 6000)).toBe(1)
    x[R.SOURCE] = old
    expect(check.ask(x)).toBe(false)
  })
})

describe('statistic', () => {
  it('matches about as often as it should by chance', () => {
    const matched = count(make('statistic --mode random --probability 0.25'), 100_000)
    // Six standard deviations of a binomial.
    expect(Math.abs(matched - 25_000)).toBeLessThan(6 * Math.sqrt(100_000 * 0.25 * 0.75))
  })
})

describe('connlimit', () => {
  const { flows } = ground
  const flow = (source: number, port: number, assured = false) => {
    const ports = (port << 16) | 53
    const made = flows.create(source, 7, ports, 17, 7, source, (53 << 16) | port, 2 ** 30)
    if (assured) flows.words[made * WORDS + STATUS] |= ASSURED
    return made
  }
  it('counts flows while they live', () => {
    const above = make('connlimit --connlimit-above 2')
    const three = [1, 2, 3].map((port) => flow(9, port, true))
    const ask = (number: number) => {
      x[R.SOURCE] = 9
      x[R.FLOW] = number
      return above.ask(x)
    }
    // An assured flow is added only where its list is empty, so they come as they would: before they are.
    for (const number of three) flows.words[number * WORDS + STATUS] &= ~ASSURED
    expect(three.map(ask)).toEqual([false, false, true])
    for (const number of three) flows.words[number * WORDS + STATUS] |= ASSURED
    flows.remove(three[0])
    expect(ask(three[1])).toBe(false)
    for (const number of three.slice(1)) flows.remove(number)
  })
  it('holds a million sources that never get a flow', () => {
    const above = make('connlimit --connlimit-above 2')
    const at = x[R.NETWORK] + 12
    for (let i = 1; i <= 1_000_000; i++) {
      ground.arena.view.setInt32(at, i)
      x[R.SOURCE] = i
      if (above.ask(x)) throw new Error(`at ${i}`)
    }
    expect(x[R.HOTDROP]).toBe(0)
    expect(LISTS).toBeLessThan(1_000_000)
  })
  it('looks at a part of a long list at a time, and is right in the end', () => {
    const arena = Arena.create(2 ** 20)
    const flows = new FlowTable(arena, arena.allocate('flows', lengthOf(1000)).at, 1000)
    const above = make('connlimit --connlimit-above 500', { ...ground.footing, arena, flows })
    x[R.SOURCE] = 5
    const ask = (number: number) => {
      x[R.FLOW] = number
      return above.ask(x)
    }
    const many = Array.from({ length: 1000 }, (_, port) =>
      flows.create(5, 7, (port << 16) | 53, 17, 7, 5, (53 << 16) | port, 2 ** 30),
    )
    expect(many.filter((number) => ask(number)).length).toBe(500)
    for (const number of many.splice(0, 600)) flows.remove(number)
    const answers = many.slice(0, 6).map(ask)
    expect([answers[0], answers[5]]).toEqual([true, false])
    arena.close()
  })
})

describe('what a ruleset takes', () => {
  it('is told before it is allocated: names once, others each', () => {
    const named = specOf('hashlimit --hashlimit-upto 1/s --hashlimit-name i')
    const one = memoryOf([named], 1000)
    expect(memoryOf([named, { ...named, above: true }], 1000)).toBe(one)
    const other = (i: number) => ({ ...named, name: `n${i}` })
    expect(
      memoryOf(
        Array.from({ length: 200 }, (_, i) => other(i)),
        1000,
      ),
    ).toBe(200 * one)
    expect(
      memoryOf(
        Array.from({ length: 200 }, (_, i) => other(i)),
        1000,
      ),
    ).toBeGreaterThan(MEMORY_MAX)
    const connlimit = specOf('connlimit --connlimit-above 3')
    expect(memoryOf([connlimit, connlimit], 1000)).toBe(2 * memoryOf([connlimit], 1000))
  })
})
