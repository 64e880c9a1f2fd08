/** The table of neighbours: against a Map, read by another, and after its writer died between two stores. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Arena } from '../../src/memory/arena.ts'
import {
  ADDRESS,
  CAPACITY_MAX,
  CONFIRMED,
  HIGH,
  INCOMPLETE,
  KEY,
  LOW,
  lengthOf,
  Neighbours,
  PERMANENT,
  REACHABLE,
  STALE,
  WORDS,
} from '../../src/table/neighbour.ts'
import { neighbours as list } from '../../src/table/snapshot.ts'

function state(capacity: number) {
  const arena = Arena.create(2 ** 20 + lengthOf(capacity))
  const { at } = arena.allocate('neighbours', lengthOf(capacity))
  arena.close()
  const attach = () => new Neighbours(arena, at, capacity)
  const words = new Int32Array(arena.buffer, at, lengthOf(capacity) / 4)
  const rows = () =>
    list(arena, at, capacity, 100).map(({ network, address, low, state }) => [network, address, low, state])
  return { words, table: attach(), attach, rows }
}

it('does what a Map does, over any insertions and removals', () => {
  const key = fc.tuple(fc.constantFrom(0, 1, 255), fc.integer({ min: 1, max: 24 }))
  const step = fc.oneof(
    fc.record({ what: fc.constant('insert' as const), key }),
    fc.record({ what: fc.constant('remove' as const), key }),
    fc.record({ what: fc.constant('settle' as const), key }),
    fc.record({ what: fc.constant('forget' as const), key }),
    fc.record({ what: fc.constant('attach' as const), key }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const { table: first, attach, rows } = state(16)
      let table = first
      const model = new Map<string, number[]>()
      steps.forEach(({ what, key: [network, address] }, now) => {
        const name = `${network} ${address}`
        const n = table.find(network, address)
        expect(n !== 0).toBe(model.has(name))
        if (what === 'insert' && n === 0) {
          const made = table.insert(network, address, now)
          expect(made !== 0).toBe(model.size < 16)
          if (made !== 0) model.set(name, [network, address, 0, INCOMPLETE])
        } else if (what === 'remove' && n !== 0) {
          table.remove(n)
          model.delete(name)
          expect(table.is(n, network, address)).toBe(false)
        } else if (what === 'settle' && n !== 0) {
          table.settle(n, 0x0200, now, 3, REACHABLE, now)
          model.set(name, [network, address, now, REACHABLE])
        } else if (what === 'forget') {
          const gone = [...model].filter(([, [net]]) => net === network)
          expect(table.forget(network)).toBe(gone.length)
          for (const [each] of gone) model.delete(each)
        } else if (what === 'attach') table = attach()
        const waiting = [...model.values()].filter(([, , , state]) => state === INCOMPLETE)
        expect([table.count, table.incomplete]).toEqual([model.size, waiting.length])
      })
      const sorted = (found: number[][]) => found.map((row) => row.join()).sort()
      expect(sorted(rows())).toEqual(sorted([...model.values()]))
    }),
  )
})

it('finds everybody when others have gone from between them', () => {
  const { table } = state(512)
  const numbers = Array.from({ length: 512 }, (_, i) => table.insert(1, i * 7, 0))
  for (let i = 0; i < 512; i += 2) table.remove(numbers[i])
  for (let i = 0; i < 512; i++) expect(table.find(1, i * 7)).toBe(i % 2 === 0 ? 0 : numbers[i])
})

it('gives a number to somebody else as late as it can', () => {
  const { table } = state(64)
  const n = table.insert(1, 1, 0)
  table.remove(n)
  const others = Array.from({ length: 63 }, (_, i) => {
    const other = table.insert(1, 100 + i, 0)
    table.remove(other)
    return other
  })
  expect(new Set([n, ...others]).size).toBe(64)
  expect([table.insert(1, 5, 0), table.is(n, 1, 1)]).toEqual([n, false])
})

it('knows as many neighbours by number as flows can name', () => {
  const { table } = state(70_000)
  for (let i = 0; i < CAPACITY_MAX; i++) expect(table.insert(i & 3, 0x0a000000 + i, 0)).toBeGreaterThan(0)
  expect([table.insert(9, 1, 0), table.count, table.capacity]).toEqual([0, CAPACITY_MAX, CAPACITY_MAX])
  for (let i = 0; i < CAPACITY_MAX; i++) {
    const n = table.find(i & 3, 0x0a000000 + i)
    expect(n > 0 && n <= CAPACITY_MAX && table.address(n) === 0x0a000000 + i).toBe(true)
  }
})

it('tells who kept something by a number when it means nobody any more', () => {
  const { table } = state(8)
  const gone: number[] = []
  table.holder = { left: (n) => gone.push(n) }
  const [a, b, c] = [1, 2, 3].map((address) => table.insert(1, address, 0))
  table.settle(b, 0x0200, 1, 7, REACHABLE, 0)
  table.permanent(1, 3, 0x0200, 2, 0)
  table.remove(a)
  table.leave(7)
  expect([gone, table.forget(-1), table.find(1, 3)]).toEqual([[a, b], 0, c])
  expect([table.forget(-1, true), gone]).toEqual([1, [a, b, c]])
})

it('keeps a configured neighbour and its port when it is configured again', () => {
  const { table } = state(8)
  const n = table.permanent(1, 3, 0x0200, 2, 0)
  table.setPort(n, 5)
  expect([table.permanent(1, 3, 0x0200, 2, 9), table.port(n), table.state(n)]).toEqual([n, 5, PERMANENT])
  expect([table.permanent(1, 3, 0x0200, 4, 9), table.port(n), table.low(n)]).toEqual([n, -1, 4])
  table.leave(5)
  expect(table.state(n)).toBe(PERMANENT)
})

it('makes room for a configured neighbour', () => {
  const { table } = state(8)
  for (let address = 1; address <= 8; address++)
    table.settle(table.insert(1, address, 0), 0x0200, address, 1, STALE, 0)
  const n = table.permanent(1, 99, 0x0200, 99, 10)
  expect([n > 0, table.count, table.state(n)]).toEqual([true, 8, PERMANENT])
})

it('ignores an insertion that had not published its key', () => {
  const { words, table, attach, rows } = state(8)
  table.settle(table.insert(1, 1, 0), 0x0200, 1, 1, REACHABLE, 0)
  const half = 2 * WORDS
  for (const [word, value] of [
    [ADDRESS, 2],
    [HIGH, 0x0200],
    [LOW, 2],
    [CONFIRMED, 5],
  ]) {
    words[half + word] = value
    const heir = attach()
    expect([heir.count, heir.find(1, 2), rows().length]).toEqual([1, 0, 1])
  }
  const heir = attach()
  expect(heir.insert(1, 2, 0)).toBe(2)
})

it('has a whole MAC or none after a crash in the middle of a change', () => {
  const { words, table, attach } = state(8)
  const n = table.insert(1, 1, 0)
  table.settle(n, 0x0200, 1, 1, REACHABLE, 0)
  const seen: number[][] = []
  const store = Atomics.store
  // Every word that settle writes is watched: what an heir would find at that moment.
  const watched = new Proxy(words, {
    set: (target, name, value) => {
      target[Number(name)] = value
      const heir = attach()
      if (heir.usable(n, 0)) seen.push([heir.high(n), heir.low(n)])
      return true
    },
  })
  Object.assign(table, { words: watched })
  Atomics.store = ((target: Int32Array, at: number, value: number) =>
    store(target === (watched as Int32Array) ? words : target, at, value)) as typeof Atomics.store
  try {
    table.settle(n, 0x0211, 2, 3, REACHABLE, 10)
  } finally {
    Atomics.store = store
  }
  for (const mac of seen) expect(['512,1', '529,2']).toContain(mac.join())
  expect([attach().high(n), attach().low(n), words[n * WORDS + KEY] & 0xff]).toEqual([0x0211, 2, REACHABLE])
})
