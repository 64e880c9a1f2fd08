/**
 * Compiled rulesets against a plain reading of the rules, one after the other: random rulesets, random packets, swaps in between. Verdict,
 * rules met in their order and counters have to be the same. `SEED=… ROUNDS=… npx vitest run test/chain/model.test.ts` goes on elsewhere.
 */
import { afterAll, describe, expect, it } from 'vitest'
import * as x from '../../src/chain/registers.ts'
import { restore } from '../../src/chain/restore.ts'
import { FORWARD, MANGLE, type Ruleset } from '../../src/chain/rule.ts'
import { Chains } from '../lab/chains.ts'
import { Random } from '../lab/random.ts'
import { Reading } from './model/reading.ts'
import { other, packet, text, world } from './model/ruleset.ts'

const seed = Number(process.env.SEED ?? Date.now() & 0xffffff)
const rounds = Number(process.env.ROUNDS ?? 150)
const PACKETS = 60

const chains = new Chains()
afterAll(() => chains.close())

/** What the counters of the rules before have become, by what identifies a rule. */
function carried(before: Reading | null, counts: number[], after: Reading): number[] {
  const places = new Map<string, number[]>()
  before?.identities.forEach((identity, n) => {
    places.set(identity, [...(places.get(identity) ?? []), n])
  })
  return after.identities.flatMap((identity) => {
    const from = places.get(identity)?.shift()
    return from === undefined ? [0, 0] : [counts[2 * from], counts[2 * from + 1]]
  })
}

function load(rules: Ruleset): Reading {
  chains.load(rules, world)
  const { names, wildcards } = chains.numbering!
  const all = ['', ...names]
  const wild = wildcards.flatMap((prefix) =>
    all.map((name) => (name !== '' && name.startsWith(prefix) ? 1 : 0)),
  )
  const none = new Int32Array(0)
  chains.engine.names = { ports: none, networks: none, wild: Uint8Array.from(wild), count: all.length }
  return new Reading(rules, chains, names)
}

describe(`compiled rules (seed ${seed})`, () => {
  it(`do what the rules say, ${rounds} rulesets`, { timeout: 20_000 + rounds * 500 }, () => {
    const random = new Random(seed)
    let reading: Reading | null = null
    let counts: number[] = []
    let [matched, lookups, alike] = [0, 0, 0]
    for (let round = 0; round < rounds; round++) {
      const rules = text(random)
      const next: Reading = load(restore(rules))
      counts = carried(reading, counts, next)
      reading = next
      lookups += chains.lookups
      expect(chains.counts(), `round ${round}`).toEqual(counts)
      for (let n = 0; n < PACKETS; n++) {
        const values = packet(random, chains.numbering!.names)
        chains.packet(values)
        const told = reading.run('FORWARD')
        chains.packet(values)
        const verdict = chains.engine.run(MANGLE, FORWARD)
        const what = `round ${round}, packet ${n} ${JSON.stringify(values)}\n${rules}`
        expect({ verdict, met: chains.met(), mark: chains.registers[x.MARK] }, what).toEqual(told)
        matched += told.met.length
        if (chains.registers[x.VOLATILE] === 0) {
          alike++
          chains.packet({ ...values, ...other(random, chains.numbering!.names), [x.FAST]: 1 })
          const again = chains.engine.run(MANGLE, FORWARD)
          expect({ again, met: chains.met() }, `not of the flow alone: ${what}`).toEqual({
            again: verdict,
            met: told.met,
          })
        }
        const bytes = random.below(1500)
        for (const counter of told.met) {
          counts[2 * counter]++
          counts[2 * counter + 1] += bytes
        }
        if (random.once(2)) {
          chains.engine.settle(bytes)
          continue
        }
        const trail = chains.engine.trail()
        expect(trail).toBeGreaterThanOrEqual(2)
        chains.tally.trailPackets[trail]++
        chains.tally.trailBytes[trail] += bytes
      }
      expect(chains.counts(), rules).toEqual(counts)
    }
    expect(matched).toBeGreaterThan(rounds * PACKETS)
    expect(lookups).toBeGreaterThan(rounds)
    expect(alike).toBeGreaterThan(rounds)
  })
})
