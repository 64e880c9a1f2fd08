import { expect, it } from 'vitest'
import { Arena } from '../../src/memory/arena.ts'
import * as counters from '../../src/memory/counters.ts'
import * as reason from '../../src/pipeline/reason.ts'

it('has a row for every port, none over another, within its length', () => {
  const rows = [0, 1, counters.PORT_COUNT_MAX - 1].map(counters.rowOf)
  expect(rows).toEqual([64, 128, 64 * counters.PORT_COUNT_MAX])
  expect((rows[2] + counters.ROW) * 8).toBe(counters.LENGTH)
  expect(counters.BURST_BUCKETS + counters.BURST_BOUNDS.length).toBeLessThanOrEqual(counters.SLEEPS)
  expect(counters.DELAY_BUCKETS + counters.DELAY_BOUNDS.length).toBeLessThan(counters.ROW)
})

it('has room for every reason behind the totals', () => {
  expect(counters.DROPS).toBe(1 + Math.max(counters.UNLEARNED, counters.TX_BYTES))
  expect(reason.REASONS.length).toBeLessThanOrEqual(counters.DROP_COUNT_MAX)
  expect(counters.DROPS + counters.DROP_COUNT_MAX).toBe(counters.ROW)
})

it('names every reason as its constant is called, once, with a meaning', () => {
  const constants = Object.entries(reason).filter(([, value]) => typeof value === 'number')
  expect(constants.map(([name, number]) => [name.toLowerCase(), number])).toEqual(
    expect.arrayContaining(reason.REASONS.map(({ name }, number) => [name, number])),
  )
  expect(constants.length).toBe(reason.REASONS.length)
  expect(new Set(reason.REASONS.map(({ name }) => name)).size).toBe(reason.REASONS.length)
  for (const { name, meaning } of reason.REASONS) {
    expect(name).toMatch(/^[a-z]+(_[a-z]+)*$/)
    expect(meaning.length).toBeGreaterThan(10)
  }
})

it('keeps one block a worker, the same again when it is asked for twice', () => {
  const arena = Arena.create(8 * 2 ** 20)
  const [first, second] = [0, 1].map((worker) => counters.block(arena, worker))
  first[counters.rowOf(5)] = 1.5
  expect(counters.block(arena, 0)[counters.rowOf(5)]).toBe(1.5)
  expect(second[counters.rowOf(5)]).toBe(0)
  arena.close()
})
