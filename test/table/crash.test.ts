/** The table after its writer died between two stores: the words are written by hand, as far as it had come. */
import { expect, it } from 'vitest'
import { Arena } from '../../src/memory/arena.ts'
import {
  DYNAMIC,
  EMPTY,
  KEY,
  KIND,
  LOW,
  lengthOf,
  MacTable,
  REMOVED,
  SEEN,
  STATIC,
} from '../../src/table/mac.ts'
import { list } from '../../src/table/snapshot.ts'

const CAPACITY = 64

function state(): { words: Int32Array; macs: MacTable; attach: () => MacTable; rows: () => number[] } {
  const arena = Arena.create(2 ** 20)
  const { at } = arena.allocate('mac', lengthOf(CAPACITY))
  arena.close()
  const attach = () => new MacTable(arena, at, CAPACITY, 1000, 4)
  const words = new Int32Array(arena.buffer, at, lengthOf(CAPACITY) / 4)
  const rows = () => list(arena, at, CAPACITY, 0, 1000).map(({ low }) => low)
  return { words, macs: attach(), attach, rows }
}

it('ignores an insert that had not published its key, and uses its place again', () => {
  const { words, macs, attach, rows } = state()
  macs.insert(0x0200, 1, 0, DYNAMIC, 0)
  const half = macs['home'](0x0200, 2)
  for (const [word, value] of [
    [LOW, 2],
    [SEEN, 5],
    [KIND, STATIC],
  ]) {
    words[half + word] = value
    const heir = attach()
    expect([heir.count, heir.find(0x0200, 2), ...rows()]).toEqual([1, -1, 1])
  }
  const heir = attach()
  expect(heir.port(heir.insert(0x0200, 2, 3, DYNAMIC, 0))).toBe(3)
  expect([heir.count, heir.perPort[3]]).toEqual([2, 1])
})

it('ignores an insert into a removed place that had not published its key', () => {
  const { words, macs, attach } = state()
  const first = macs.insert(0x0200, 1, 0, DYNAMIC, 0)
  words[first + KEY] = REMOVED
  words[first + LOW] = 77
  words[first + KIND] = STATIC
  const heir = attach()
  expect([heir.count, heir.find(0x0200, 1), heir.find(0x0200, 77)]).toEqual([0, -1, -1])
  expect(heir.insert(0x0200, 1, 1, DYNAMIC, 0)).toBe(first)
})

it('goes on over a removal whose tidying had not come to its end', () => {
  const { words, macs, attach } = state()
  const lows: number[] = []
  for (let low = 1; lows.length < 6; low++)
    if (macs['home'](0x0200, low) === macs['home'](0x0200, 1)) lows.push(low)
  const entries = lows.map((low) => macs.insert(0x0200, low, 0, DYNAMIC, 0))
  // The last four are removed, and only the last place had been made empty again when it died.
  for (const entry of entries.slice(2)) words[entry + KEY] = REMOVED
  words[entries[5] + KEY] = EMPTY
  const heir = attach()
  expect([heir.count, ...lows.map((low) => heir.find(0x0200, low))]).toEqual([
    2,
    entries[0],
    entries[1],
    -1,
    -1,
    -1,
    -1,
  ])
  for (const low of lows.slice(2)) expect(heir.insert(0x0200, low, 1, DYNAMIC, 0)).toBeGreaterThanOrEqual(0)
  expect(lows.map((low) => heir.port(heir.find(0x0200, low)))).toEqual([0, 0, 1, 1, 1, 1])
})

it('holds a moved entry on one port or the other', () => {
  const { words, macs, attach } = state()
  const entry = macs.insert(0x0200, 1, 0, DYNAMIC, 0)
  words[entry + SEEN] = 500
  expect(attach().port(entry)).toBe(0)
  macs.move(entry, 2, 500)
  const heir = attach()
  expect([heir.port(entry), heir.perPort[0], heir.perPort[2], heir.count]).toEqual([2, 0, 1, 1])
})
