import { expect, it } from 'vitest'
import { Arena } from '../../src/memory/arena.ts'
import {
  CAPACITY_MAX,
  DYNAMIC,
  GATEWAY,
  HOST,
  lengthOf,
  MacTable,
  placesOf,
  STATIC,
} from '../../src/table/mac.ts'
import { list } from '../../src/table/snapshot.ts'

const AGEING = 1000

function table(capacity: number, ports = 8): { arena: Arena; at: number; macs: MacTable } {
  const arena = Arena.create(lengthOf(capacity) + 2 ** 20)
  const { at } = arena.allocate('mac', lengthOf(capacity))
  arena.close()
  return { arena, at, macs: new MacTable(arena, at, capacity, AGEING, ports) }
}

it('is at most half full, and takes what it says', () => {
  for (const capacity of [1, 16, 127, 128, 1000, 65536, CAPACITY_MAX]) {
    expect(placesOf(capacity)).toBeGreaterThanOrEqual(2 * capacity)
    expect(lengthOf(capacity)).toBe(16 * placesOf(capacity))
  }
})

it('finds 60,000 stations in a table of 65,536, also once half of them went and others came', () => {
  const { macs } = table(65536)
  const low = (i: number) => Math.imul(i, 2654435761) | 0
  for (let i = 0; i < 60_000; i++)
    expect(macs.insert(0x0200, low(i), i % 8, DYNAMIC, 0)).toBeGreaterThanOrEqual(0)
  for (let i = 0; i < 60_000; i++) expect(macs.port(macs.find(0x0200, low(i)))).toBe(i % 8)
  for (let i = 0; i < 60_000; i += 2) macs.remove(macs.find(0x0200, low(i)))
  for (let i = 60_000; i < 90_000; i++)
    expect(macs.insert(0x0200, low(i), 3, DYNAMIC, 0)).toBeGreaterThanOrEqual(0)
  let missing = 0
  for (let i = 0; i < 90_000; i++) {
    const entry = macs.find(0x0200, low(i))
    if (entry >= 0 !== (i >= 60_000 || i % 2 === 1)) missing++
  }
  expect([missing, macs.count]).toEqual([0, 60_000])
  expect([...macs.perPort]).toEqual([0, 7500, 0, 37_500, 0, 7500, 0, 7500])
})

it('refuses the entry above its capacity, and takes it once another went', () => {
  const { macs } = table(16)
  for (let i = 0; i < 16; i++) expect(macs.insert(0, i, 0, DYNAMIC, 0)).toBeGreaterThanOrEqual(0)
  expect(macs.insert(0, 16, 0, DYNAMIC, 0)).toBe(-1)
  macs.remove(macs.find(0, 3))
  expect(macs.insert(0, 16, 0, DYNAMIC, 0)).toBeGreaterThanOrEqual(0)
  expect(macs.count).toBe(16)
})

/** Stations whose probes all begin at one place, as nobody outside can choose them. */
function crowd(macs: MacTable, count: number): number[] {
  const found: number[] = []
  for (let low = 1; found.length < count; low++)
    if (macs['home'](0x0200, low) === macs['home'](0x0200, 1)) found.push(low)
  return found
}

it('finds everything that it took in, however many begin at one place', () => {
  const { macs } = table(256)
  const taken = crowd(macs, 140).filter((low) => macs.insert(0x0200, low, 1, DYNAMIC, 0) >= 0)
  expect(taken.length).toBeGreaterThan(100)
  expect(taken.filter((low) => macs.find(0x0200, low) < 0)).toEqual([])
  expect(macs.count).toBe(taken.length)
})

it('loses no live entry while its neighbours come and go, and needs no more places than it has', () => {
  const { macs } = table(64)
  const lows = crowd(macs, 60)
  const live = new Set<number>()
  for (let step = 0; step < 20_000; step++) {
    const low = lows[Math.imul(step, 48271) % 60 < 0 ? (step * 7) % 60 : Math.imul(step, 48271) % 60]
    const entry = macs.find(0x0200, low)
    if (entry >= 0 !== live.has(low)) expect.fail(`step ${step}: ${low} is ${entry}`)
    if (entry >= 0) macs.remove(entry)
    else macs.insert(0x0200, low, 2, DYNAMIC, 0)
    if (!live.delete(low)) live.add(low)
  }
  for (const low of lows) expect(macs.find(0x0200, low) >= 0).toBe(live.has(low))
  expect([macs.count, macs.perPort[2]]).toEqual([live.size, live.size])
})

it('has room for ever: removed entries are used again', () => {
  const { macs } = table(128)
  for (let i = 0; i < 100_000; i++) {
    const entry = macs.insert(0x0200, i, 0, DYNAMIC, 0)
    expect(entry).toBeGreaterThanOrEqual(0)
    if (i >= 100) macs.remove(macs.find(0x0200, i - 100))
  }
  expect(macs.count).toBe(100)
})

it('keeps kinds apart: flush and sweep take dynamic entries only, unless told', () => {
  const { macs } = table(64)
  for (const [i, kind] of [DYNAMIC, STATIC, HOST, GATEWAY].entries()) macs.insert(0, i + 1, i % 2, kind, 0)
  macs.insert(0, 9, 1, DYNAMIC, 0)
  macs.sweep(macs.places, AGEING + 1)
  expect([macs.count, macs.perPort[0], macs.perPort[1]]).toEqual([3, 0, 0])
  for (const low of [2, 3, 4]) expect(macs.fresh(macs.find(0, low), 2 ** 31 - 1)).toBe(true)
  expect(macs.flush(-1)).toBe(0)
  expect(macs.flush(1, GATEWAY)).toBe(2)
  expect(macs.flush(-1, GATEWAY)).toBe(1)
  expect(macs.count).toBe(0)
})

it('ages: seen within the time is fresh, over the end of int32 too, and a whole round of sweep forgets the others', () => {
  for (const begin of [0, 2 ** 31 - 500, -500]) {
    const { macs } = table(64)
    macs.insert(0, 1, 0, DYNAMIC, begin | 0)
    macs.insert(0, 2, 0, DYNAMIC, (begin + 600) | 0)
    const at = (ms: number) => (begin + ms) | 0
    expect(macs.fresh(macs.find(0, 1), at(AGEING))).toBe(true)
    expect(macs.fresh(macs.find(0, 1), at(AGEING + 1))).toBe(false)
    macs.sweep(macs.places, at(AGEING + 1))
    expect([macs.find(0, 1), macs.find(0, 2) >= 0, macs.count]).toEqual([-1, true, 1])
    macs.touch(macs.find(0, 2), at(AGEING + 1))
    macs.sweep(macs.places / 2, at(2 * AGEING + 1))
    macs.sweep(macs.places / 2, at(2 * AGEING + 1))
    expect(macs.count).toBe(1)
    macs.sweep(macs.places, at(2 * AGEING + 2))
    expect([macs.count, macs.perPort[0]]).toEqual([0, 0])
  }
})

it('moves: the entry is the same, its port and its counts are the new ones', () => {
  const { arena, at, macs } = table(64)
  const entry = macs.insert(0x0200, 5, 1, DYNAMIC, 0)
  macs.move(entry, 6, 700)
  expect([macs.find(0x0200, 5), macs.port(entry), macs.perPort[1], macs.perPort[6]]).toEqual([entry, 6, 0, 1])
  expect(list(arena, at, 64, 800, AGEING)).toEqual([
    { high: 0x0200, low: 5, port: 6, kind: DYNAMIC, ageMs: 100 },
  ])
})

it('shows a snapshot of what is live and fresh', () => {
  const { arena, at, macs } = table(64)
  macs.insert(0x5254, -1, 0, DYNAMIC, 100)
  macs.insert(0x5254, -2, 1, STATIC, 100)
  macs.remove(macs.insert(0x5254, -3, 1, DYNAMIC, 100))
  const old = { high: 0x5254, low: -2, port: 1, kind: STATIC, ageMs: AGEING + 900 }
  expect(list(arena, at, 64, AGEING + 1000, AGEING)).toEqual([old])
  // The reader's clock may be a little behind the writer's.
  expect(list(arena, at, 64, 99, AGEING).map(({ ageMs }) => ageMs)).toEqual([0, 0])
})
