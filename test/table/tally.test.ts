/** Counters of rules and trails: what a reader sums, what a swap carries on, what is refused when all is full. */
import { afterAll, describe, expect, it } from 'vitest'
import { Arena } from '../../src/memory/arena.ts'
import * as tally from '../../src/table/tally.ts'
import { Tally } from '../../src/table/tally.ts'

const arena = Arena.create(2 ** 26)
afterAll(() => arena.close())
const { at } = arena.allocate('tally', tally.LENGTH)
const [writer, reader] = [new Tally(arena, at), new Tally(arena, at)]
const log = (...counters: number[]) => Int32Array.from(counters)

describe('a tally', () => {
  it('sums counters and the trails that hold them, twice where a trail holds one twice', () => {
    writer.count(log(0, 2), 2, 100)
    const trail = writer.create(log(1, 2, 2), 3)
    writer.trailPackets[trail] += 3
    writer.trailBytes[trail] += 30
    expect([...reader.read(3)]).toEqual([1, 100, 3, 30, 7, 160])
    expect(writer.is(trail, log(1, 2, 2), 3)).toBe(true)
    expect(writer.is(trail, log(1, 2), 2)).toBe(false)
    expect(writer.is(trail, log(1, 2, 3), 3)).toBe(false)
  })
  it('carries counts on over a swap, and begins others with what they bring; old trails count no more', () => {
    const old = 2
    writer.turn(log(2, -1), Float64Array.of(0, 0, 5, 50))
    expect([...reader.read(2)]).toEqual([7, 160, 5, 50])
    writer.trailPackets[old]++
    expect([...reader.read(2)]).toEqual([7, 160, 5, 50])
    const trail = writer.create(log(0), 1)
    expect(trail).toBeGreaterThan(tally.TRAILS)
    writer.trailPackets[trail]++
    writer.turn(log(0, 1), new Float64Array(4))
    expect([...reader.read(2)]).toEqual([8, 160, 5, 50])
  })
  it('clears one counter and no other', () => {
    const trail = writer.create(log(0, 1), 2)
    writer.trailPackets[trail] += 2
    writer.clear(1)
    expect([...reader.read(2)]).toEqual([10, 160, 0, 0])
    writer.trailPackets[trail]++
    expect([...reader.read(2)]).toEqual([11, 160, 1, 0])
  })
  it('refuses a trail when there are no more numbers or no more steps', () => {
    writer.turn(log(0), new Float64Array(2))
    const long = new Int32Array(tally.STEPS / 2)
    expect(writer.create(long, long.length)).toBeGreaterThan(0)
    expect(writer.create(long, long.length)).toBeGreaterThan(0)
    expect(writer.create(long, 1)).toBe(0)
    writer.turn(log(0), new Float64Array(2))
    const made = new Set<number>()
    for (let n = tally.FIRST_TRAIL; n < tally.TRAILS; n++) made.add(writer.create(log(0), 1))
    expect(made.size).toBe(tally.TRAILS - tally.FIRST_TRAIL)
    expect(made.has(0)).toBe(false)
    expect(writer.create(log(0), 1)).toBe(0)
  })
})
