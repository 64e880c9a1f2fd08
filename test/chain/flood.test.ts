/**
 * What packets can do to the memories of rules: however many addresses and ports somebody makes up, each memory stays within its capacity
 * and what finds no room is told of. And what one packet may cost: counted in steps, not by a clock.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { check } from '../../src/chain/check.ts'
import type { SetPlace } from '../../src/chain/extension.ts'
import { Text } from '../../src/chain/matcher/string.ts'
import { U32 } from '../../src/chain/matcher/u32.ts'
import { Misread } from '../../src/chain/misread.ts'
import * as x from '../../src/chain/registers.ts'
import { restore } from '../../src/chain/restore.ts'
import { FILTER, FORWARD } from '../../src/chain/rule.ts'
import { restoreSets } from '../../src/chain/sets.ts'
import { Bodies } from '../../src/control/body.ts'
import { Draft } from '../../src/control/draft.ts'
import { carry } from '../../src/table/change.ts'
import { entries } from '../../src/table/roster.ts'
import { Chains } from '../lab/chains.ts'
import { udp } from '../lab/transport.ts'

const SOURCES = 1_000_000
const made: Chains[] = []
afterEach(() => {
  for (const each of made.splice(0)) each.close()
})

const filter = (...lines: string[]) => `*filter\n${lines.join('\n')}\nCOMMIT\n`

/** An engine with one rule in force that is met by packets forwarded; where its packet lies. */
function engine(rule: string, set: (name: string) => SetPlace | null = () => null, chains = new Chains()) {
  made.push(chains)
  chains.load(restore(filter(`-A FORWARD ${rule}`)), { kindOf: () => 'network', set })
  return chains
}

/** Sends a packet from each of a million addresses and ports; returns how many met each verdict. */
function flood(chains: Chains): number[] {
  const { registers, arena } = chains
  const at = arena.allocate('packet', 4096).at + 2
  const packet = udp('10.0.0.1:1000', '10.0.0.2:53')
  arena.u8.set(packet, at)
  const verdicts = [0, 0, 0, 0, 0, 0]
  registers[x.NETWORK] = at
  registers[x.TRANSPORT] = at + 20
  registers[x.END] = at + packet.length
  registers[x.LENGTH] = packet.length
  registers[x.PROTOCOL] = 17
  registers[x.STATE] = x.STATE_NEW
  for (let n = 0; n < SOURCES; n++) {
    registers[x.SOURCE] = Math.imul(n, 0x9e3779b1)
    registers[x.DESTINATION] = 0x0a000002
    registers[x.PORTS] = Math.imul(n, 0x85ebca6b)
    registers[x.NOW] = 1000 + (n >> 10)
    arena.view.setInt32(at + 12, registers[x.SOURCE])
    arena.view.setInt32(at + 20, registers[x.PORTS])
    registers[x.MET] = 0
    verdicts[chains.engine.run(FILTER, FORWARD)]++
    chains.engine.settle(packet.length)
  }
  return verdicts
}

// biome-ignore lint/suspicious/noExplicitAny: what a matcher keeps is nobody's business but a test's
const memory = (chains: Chains): any => chains.engine['made']!.scope.M[0]

describe('a million sources', { timeout: 60_000 }, () => {
  it('fill the table of hashlimit, and what finds no room is dropped', () => {
    const chains = engine(
      '-m hashlimit --hashlimit-above 1/hour --hashlimit-burst 1 --hashlimit-mode srcip,srcport --hashlimit-name h --hashlimit-htable-size 100 --hashlimit-htable-max 500 --hashlimit-htable-expire 3600000 -j LOG',
    )
    const verdicts = flood(chains)
    expect(memory(chains)['table'].count).toBe(500)
    expect([verdicts[x.ACCEPT], verdicts[x.DROP]]).toEqual([500, SOURCES - 500])
  })

  it('push each other out of the list of recent', () => {
    const chains = engine('-m recent --name r --set -j ACCEPT')
    expect(flood(chains)[x.ACCEPT]).toBe(SOURCES)
    const { list } = memory(chains)
    expect([list.buckets.count, list.stamps.length]).toEqual([100, 101 * 32])
  })

  it('fill the lists of connlimit, and go again when their flows are not there', () => {
    const chains = engine('-m connlimit --connlimit-above 5 --connlimit-mask 32 -j DROP')
    flood(chains)
    const { nodes, lists } = memory(chains)
    expect(nodes.count).toBeLessThanOrEqual(nodes.capacity)
    expect(lists.count).toBeLessThanOrEqual(nodes.count)
  })

  it('fill a set, which counts what it had to leave out', () => {
    const chains = new Chains()
    const { arena } = chains
    const bodies = new Bodies(arena)
    const draft = new Draft(new Map(), bodies, 1000, () => false)
    draft.run(restoreSets('create few hash:ip,port maxelem 64\n'))
    carry(arena, draft.seal(new Map()), 1000)
    const { at, made: creation } = draft.sets.get('few')!
    const place = { name: 'few', type: creation.type, at }
    engine('-j SET --add-set few src,src', () => place, chains)
    flood(chains)
    expect([...entries(arena, at, 1000)].length).toBe(64)
    expect(bodies.refused(at)).toBe(SOURCES - 64)
  })
})

/** An array that counts how often it is read. */
function counted<T extends Int32Array | Uint8Array>(array: T): { array: T; reads: () => number } {
  let reads = 0
  const seen = new Proxy(array, {
    get(target, name) {
      if (typeof name === 'string' && /^\d+$/.test(name)) reads++
      return Reflect.get(target, name, target)
    },
  })
  return { array: seen, reads: () => reads }
}

describe('the work of one packet', () => {
  const LENGTH = 65_535
  /** A packet as long as one can be, full of one letter. */
  function longest(chains: Chains): void {
    const { arena, registers } = chains
    const at = arena.allocate('packet', 2 ** 17).at + 2
    arena.u8.fill(0x61, at, at + LENGTH)
    arena.u8.set(udp('10.0.0.1:1000', '10.0.0.2:53'), at)
    registers[x.NETWORK] = at
    registers[x.TRANSPORT] = at + 20
    registers[x.END] = at + LENGTH
    registers[x.LENGTH] = LENGTH
    registers[x.PROTOCOL] = 17
  }

  it.each(['bm', 'kmp'])('a search (%s) takes at most two steps a byte, whatever is sought', (algorithm) => {
    const pattern = `${'a'.repeat(127)}b`
    const chains = engine(`-m string --string ${pattern} --algo ${algorithm} -j DROP`)
    longest(chains)
    const text = memory(chains)
    expect(text).toBeInstanceOf(Text)
    const fold = counted(text.fold as Uint8Array)
    const failure = counted(text.failure as Int32Array)
    Object.assign(text, { fold: fold.array, failure: failure.array })
    expect(chains.engine.run(FILTER, FORWARD)).toBe(x.ACCEPT)
    expect(fold.reads()).toBeGreaterThan(LENGTH - 100)
    expect(fold.reads()).toBeLessThanOrEqual(LENGTH)
    expect(failure.reads()).toBeLessThanOrEqual(LENGTH)
  })

  it('u32 reads its program once', () => {
    const test = `0>>22&0x3C@0>>0@0>>0@0>>0=${Array.from({ length: 10 }, (_, n) => `${n}:${n + 1}`).join(',')}`
    const rule = Array(10).fill(test).join(' && ')
    const chains = engine(`-m u32 ! --u32 "${rule}" -j DROP`)
    longest(chains)
    const matcher = memory(chains)
    expect(matcher).toBeInstanceOf(U32)
    const program = counted(matcher.program as Int32Array)
    Object.assign(matcher, { program: program.array })
    chains.engine.run(FILTER, FORWARD)
    expect(program.reads()).toBeGreaterThan(5)
    expect(program.reads()).toBeLessThanOrEqual(2 * matcher.program.length)
  })

  it('is bounded for all rules together: too many searches are refused', () => {
    const refusal = (count: number, options: string, rule = '-j DROP') => {
      const lines = Array.from(
        { length: count },
        (_, n) => `-A FORWARD -m ${options.replace('%', `${n}`)} ${rule}`,
      )
      try {
        check(restore(filter(...lines)), () => null)
        return ''
      } catch (error) {
        return error instanceof Misread ? error.message : String(error)
      }
    }
    const search = 'string --string n% --algo bm'
    expect(refusal(400, search)).toBe('')
    expect(refusal(10_000, `${search} --to 1500`)).toBe('')
    expect(refusal(1000, search)).toMatch(
      /^line 490, column 1: FORWARD: takes a packet as long as \d+ rules, more than 2000000; have it search less: say --to$/,
    )
    expect(refusal(200, 'recent --rcheck --name r% --hitcount 65535')).toBe('')
    expect(refusal(2000, 'recent --rcheck --name r% --hitcount 65535')).toMatch(/takes a packet as long as/)
  })
})
