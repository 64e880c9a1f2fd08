/** A set after its writer died between two stores: the stores are carried out one fewer each time. */
import { expect, it } from 'vitest'
import { Arena } from '../../src/memory/arena.ts'
import { DONE, keyOf } from '../../src/table/entry.ts'
import { entries } from '../../src/table/roster.ts'
import { SetTable } from '../../src/table/set.ts'
import * as shape from '../../src/table/shape.ts'
import { Random } from '../lab/random.ts'

const made = { type: shape.HASH_NET, capacity: 8, timeoutMs: 0, netmask: 32, first: 0, last: 0 }
const key = keyOf(32, 0, 0)

class Halt extends Error {}

/** The arena's words, where the store number `limit` throws. */
function halting(words: Int32Array, limit: number): { words: Int32Array; count: () => number } {
  let count = 0
  const proxy = new Proxy(words, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
    set: (target, name, value: number) => {
      if (count++ === limit) throw new Halt()
      target[Number(name)] = value
      return true
    },
  })
  return { words: proxy, count: () => count }
}

/** Runs `act` with plain stores in the place of atomic ones, which know no proxies. */
function plainly(act: () => void): void {
  const { store } = Atomics
  Atomics.store = ((words: Int32Array, at: number, value: number) => {
    words[at] = value
    return value
  }) as typeof Atomics.store
  try {
    act()
  } catch (error) {
    if (!(error instanceof Halt)) throw error
  } finally {
    Atomics.store = store
  }
}

function begin(seed: number) {
  const arena = Arena.create(2 ** 20)
  const slot = arena.allocate('sets', shape.SLOT).at
  const { at } = arena.allocate('set', shape.lengthOf(made))
  arena.close()
  shape.lay(arena, at, made)
  arena.i32[slot >> 2] = at >> 2
  const set = new SetTable(arena, slot)
  const random = new Random(seed)
  const present: number[] = []
  while (present.length < 7) {
    const address = random.below(1000) + 1
    if (set.add(address, key, 0, -1, false, 0) === DONE) present.push(address)
  }
  return { arena, slot, set, present }
}

it.each(['add', 'remove'] as const)(
  '%s, wherever it ends: the others are there, and the next change puts all right',
  (verb) => {
    for (let seed = 1; seed <= 40; seed++) {
      for (let limit = 0, isOver = false; !isOver; limit++) {
        const { arena, slot, set, present } = begin(seed)
        const address = verb === 'add' ? 5000 : present[3]
        const others = present.filter((each) => each !== address)
        const halted = halting(arena.i32, limit)
        Reflect.set(set, 'words', halted.words)
        plainly(() => {
          if (verb === 'add') set.add(address, key, 0, -1, false, 0)
          else set.remove(address, key, 0)
        })
        isOver = halted.count() <= limit
        const heir = new SetTable(arena, slot)
        const what = `seed ${seed}, store ${limit}`
        for (const each of others) expect(heir.has(each, 0, 0, 0), what).toBe(1)
        expect(heir.add(7000, key, 0, -1, true, 0) === DONE || heir.count === 8, what).toBe(true)
        const listed = entries(arena, slot, 0).map((each) => each.address)
        expect(new Set(listed).size, what).toBe(listed.length)
        expect(heir.count, what).toBe(listed.length)
        for (const each of listed) {
          expect(heir.remove(each, key, 0), what).toBe(DONE)
          expect(heir.has(each, 0, 0, 0), what).toBe(0)
        }
        const body = arena.i32.subarray(heir.body, heir.body + shape.lengthOf(made) / 4)
        const metas = [...body.subarray(shape.HEADER)].filter((_, i) => i % 4 === shape.META)
        expect([heir.count, body[shape.LENGTHS], ...metas], what).toEqual([
          0,
          0,
          ...metas.map(() => shape.EMPTY),
        ])
      }
    }
  },
)
