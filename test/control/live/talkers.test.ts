/** The busiest flows by what they moved between two looks. */
import { expect, it } from 'vitest'
import { Talkers } from '../../../src/control/live/talkers.ts'
import { Crowd, POOLS } from '../../lab/crowd.ts'

const [host = 0] = POOLS.hosts
const [there = 0] = POOLS.outside

/** A crowd at rest that was looked at once. */
function scene(): { crowd: Crowd; talkers: Talkers } {
  const crowd = new Crowd(1000).gather(800, 3)
  const talkers = new Talkers()
  expect(talkers.look(crowd.source, 20)).toEqual([])
  return { crowd, talkers }
}

it('come first, with the bytes and packets of both directions', () => {
  const { crowd, talkers } = scene()
  expect(talkers.look(crowd.source, 20)).toEqual([])
  for (const flow of [5, 9, 70, 200, 201, 202]) crowd.pass(flow, flow * 1000, flow)
  crowd.pass(201, 1_000_000, 4)
  const found = talkers.look(crowd.source, 4)
  expect(found.length).toBe(4)
  const rates = found.map(({ byteRate }) => byteRate)
  expect(rates).toEqual([...rates].sort((a, b) => b - a))
  const [first, second] = found
  // Both rates are over the same time.
  expect(first.byteRate / first.packetRate).toBeCloseTo(1_201_000 / 205, -1)
  expect(first.byteRate / second.byteRate).toBeCloseTo(1_201_000 / 202_000, 1)
  expect(talkers.look(crowd.source, 4)).toEqual([])
})

it('are all that moved when more are asked for', () => {
  const { crowd, talkers } = scene()
  for (let flow = 1; flow <= 30; flow++) crowd.pass(flow, 1000 + ((flow * 7) % 31), 1)
  expect(talkers.look(crowd.source, 100).length).toBe(30)
  expect(talkers.look(crowd.source, 0)).toEqual([])
})

it('in the place of one that ended, and beyond the last, count from zero', () => {
  const { crowd, talkers } = scene()
  const { high } = crowd.table
  crowd.pass(7, 50_000, 10)
  talkers.look(crowd.source, 1)
  crowd.table.remove(7)
  const again = crowd.add(host, there, (1 << 16) | 2, 6, there)
  const last = crowd.add(host, there, (3 << 16) | 4, 6, there)
  expect([again, last]).toEqual([7, high + 1])
  crowd.pass(again, 900, 2)
  crowd.pass(last, 300, 2)
  const found = talkers.look(crowd.source, 9)
  expect(found.map(({ original }) => [original.sourcePort, original.bytes])).toEqual([
    [1, 900],
    [3, 300],
  ])
  expect(found[0].byteRate / found[1].byteRate).toBeCloseTo(3, 1)
})
