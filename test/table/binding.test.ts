import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { Arena } from '../../src/memory/arena.ts'
import {
  BindingTable,
  INSIDE,
  KIND,
  LINKS,
  lengthOf,
  MAPPING,
  OUTSIDE,
  PAIR,
  PERMISSION,
  PORTS,
  REFERENCES,
  WORDS,
} from '../../src/table/binding.ts'

const CAPACITY = 48
const arena = Arena.create(2 ** 22)
afterAll(() => arena.close())

function region(capacity: number): number {
  arena.free('bindings')
  return arena.allocate('bindings', lengthOf(capacity)).at
}

const kindOf = (peerPort: number, protocol: number, kind: number) => (peerPort << 16) | (protocol << 8) | kind

interface Key {
  links: number
  address: number
  port: number
  peer: number
  peerPort: number
  protocol: number
  outside: number
}

/** Few of each, at the ends of their ranges, so that keys meet and differ in one field alone. */
const key: fc.Arbitrary<Key> = fc.record({
  links: fc.constantFrom((1 << 16) | 2, (1023 << 16) | 2, (1 << 16) | 1023),
  address: fc.constantFrom(0x0a000001, -1),
  port: fc.constantFrom(1, 65535),
  peer: fc.constantFrom(0, -1),
  peerPort: fc.constantFrom(0, 65535),
  protocol: fc.constantFrom(6, 17),
  outside: fc.constantFrom(1, 1024, 65535),
})
const step = fc.record({
  do: fc.constantFrom('make', 'make', 'permit', 'remove', 'remove', 'attach'),
  key,
})

const insideOf = (k: Key, kind: number) =>
  [k.links, k.address, k.port, k.peer, kindOf(k.peerPort, k.protocol, kind)] as const
const outsideOf = (k: Key) => [k.links & 0xffff, 0x0b000001, k.outside, k.protocol] as const

it('is two maps that agree', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const at = region(CAPACITY)
      let table = new BindingTable(arena, at, CAPACITY)
      const inside = new Map<string, Key & { kind: number }>()
      const outside = new Set<string>()
      for (const { do: what, key } of steps) {
        const kind = what === 'permit' ? PERMISSION : MAPPING
        const name = insideOf(key, kind).join()
        const present = inside.get(name)
        if (what === 'attach') table = new BindingTable(arena, at, CAPACITY)
        else if (what === 'remove') {
          expect(table.findInside(...insideOf(key, kind)) >= 0).toBe(present !== undefined)
          if (present) {
            table.remove(table.findInside(...insideOf(key, kind)))
            inside.delete(name)
            outside.delete(outsideOf(present).join())
          }
        } else if (!present && !(kind === MAPPING && outside.has(outsideOf(key).join()))) {
          const [links, address, port, peer, word] = insideOf(key, kind)
          const ports = (port << 16) | (kind === MAPPING ? key.outside : 0)
          const made = table.create(links, address, ports, peer, word, kind === MAPPING ? 0x0b000001 : 0)
          expect(made >= 0).toBe(inside.size < CAPACITY)
          if (made < 0) continue
          inside.set(name, { ...key, kind })
          if (kind === MAPPING) outside.add(outsideOf(key).join())
        }
        expect(table.findOutside(...outsideOf(key)) >= 0).toBe(outside.has(outsideOf(key).join()))
        expect(table.count).toBe(inside.size)
      }
      for (const known of inside.values()) {
        const record = table.findInside(...insideOf(known, known.kind))
        expect(table.insidePort(record)).toBe(known.port)
        if (known.kind === MAPPING) expect(table.findOutside(...outsideOf(known))).toBe(record)
      }
    }),
    { numRuns: 300 },
  )
})

it('guesses most records without a look at them, and none that is not there', () => {
  const table = new BindingTable(arena, region(5000), 5000)
  const key = (n: number) => [1, n, n & 0xffff, 0, kindOf(0, 17, MAPPING)] as const
  expect(table.guess(...key(1))).toBe(0)
  let right = 0
  for (let n = 1; n <= 5000; n++) table.create(1, n, (n << 16) | n, 0, kindOf(0, 17, MAPPING), 7)
  for (let n = 1; n <= 10_000; n++) {
    const record = table.guess(...key(n))
    expect(record >= 0 && record < 5000).toBe(true)
    if (record === table.findInside(...key(n))) right++
  }
  expect(right).toBeGreaterThan(3500)
})

it('takes as many as it has room for, and the room of those that ended', () => {
  const table = new BindingTable(arena, region(5000), 5000)
  const make = (n: number) => table.create(1, n, (n << 16) | n, 0, kindOf(0, 17, MAPPING), 7)
  for (let n = 1; n <= 5000; n++) expect(make(n)).toBe(n - 1)
  expect(make(5001)).toBe(-1)
  for (let n = 1; n <= 5000; n += 2) table.remove(table.findOutside(1, 7, n, 17))
  for (let n = 5001; n <= 7500; n++) expect(make(n)).toBeGreaterThanOrEqual(0)
  expect(make(7501)).toBe(-1)
  for (let n = 1; n <= 7500; n++)
    expect(table.findInside(1, n, n, 0, kindOf(0, 17, MAPPING)) >= 0).toBe(n % 2 === 0 || n > 5000)
})

it('does not see a record whose writer died before its kind was stored', () => {
  const at = region(CAPACITY)
  const table = new BindingTable(arena, at, CAPACITY)
  const kind = kindOf(0, 17, MAPPING)
  table.create(1, 10, (10 << 16) | 10, 0, kind, 7)
  const half = table.create(1, 11, (11 << 16) | 11, 0, kind, 7)
  // Its other words stand, the index may or may not know it.
  table.words[half * WORDS + KIND] = 0
  const heir = new BindingTable(arena, at, CAPACITY)
  expect([heir.count, heir.findInside(1, 11, 11, 0, kind), heir.findOutside(1, 7, 11, 17)]).toEqual([
    1, -1, -1,
  ])
  expect(heir.create(1, 12, (12 << 16) | 12, 0, kind, 7)).toBe(half)
  expect([heir.findInside(1, 10, 10, 0, kind), heir.findInside(1, 12, 12, 0, kind)]).toEqual([0, half])
})

it('forgets counts when a writer attaches, and keeps pairs', () => {
  const at = region(CAPACITY)
  const table = new BindingTable(arena, at, CAPACITY)
  const one = table.create(1, 10, (10 << 16) | 10, 0, kindOf(0, 6, MAPPING), 7)
  const pair = table.pair(one, one)
  table.hold(one)
  table.hold(one)
  expect([table.drop(one), table.drop(one)]).toEqual([false, true])
  table.hold(one)
  const heir = new BindingTable(arena, at, CAPACITY)
  expect(heir.words[one * WORDS + REFERENCES]).toBe(0)
  expect([heir.kind(pair), heir.words[pair * WORDS + INSIDE], heir.words[pair * WORDS + PORTS]]).toEqual([
    PAIR,
    one,
    one,
  ])
  expect([heir.words[one * WORDS + OUTSIDE], heir.words[one * WORDS + LINKS]]).toEqual([7, 1])
})

it('leaves nothing behind when records come and go at full capacity', () => {
  const table = new BindingTable(arena, region(256), 256)
  const kind = kindOf(0, 17, MAPPING)
  const make = (n: number) => table.create(1, n, ((n & 0xffff) << 16) | (n & 0xffff), 0, kind, n >>> 16)
  for (let n = 1; n <= 256; n++) make(n)
  for (let n = 257; n <= 100_000; n++) {
    table.remove(table.findInside(1, n - 256, (n - 256) & 0xffff, 0, kind))
    expect(make(n) >= 0).toBe(true)
  }
  expect(table['index'].filter((entry) => entry !== 0).length).toBe(512)
  for (let n = 99_745; n <= 100_000; n++)
    expect(table.findOutside(1, n >>> 16, n & 0xffff, 17)).toBe(table.findInside(1, n, n & 0xffff, 0, kind))
})
