/** Records of rules: written by one thread, read by another, cut short where too much is told. */
import { expect, it } from 'vitest'
import {
  AGED,
  AT,
  COUNT,
  DESTINATION,
  END,
  HOOK,
  IN_INDEX,
  LENGTH,
  MARK,
  NETWORK,
  NOW,
  OUT_INDEX,
  PORTS,
  SOURCE,
  STATE,
  TABLE,
} from '../../src/chain/registers.ts'
import { Reader } from '../../src/control/journal.ts'
import { Arena } from '../../src/memory/arena.ts'
import { CAPACITY, Journal, KEPT, LOG, lengthOf, NFLOG, RATE, TRACE } from '../../src/table/journal.ts'

const FRAME_AT = 4096 * 512

function stand(length = 300) {
  const arena = Arena.create(2 ** 22)
  const { at } = arena.allocate('journal', lengthOf())
  const x = new Int32Array(COUNT)
  arena.u8.fill(0xa5)
  arena.u8.fill(0, at, at + lengthOf())
  for (let i = 0; i < 14 + length; i++) arena.u8[FRAME_AT + i] = i
  x[AT] = FRAME_AT
  x[NETWORK] = FRAME_AT + 14
  x[END] = FRAME_AT + 14 + length
  return { arena, at, x, journal: new Journal(arena, at), reader: new Reader(arena, at) }
}

it('a record is read as it was written', () => {
  const { x, journal, reader } = stand()
  const values = {
    [TABLE]: 3,
    [HOOK]: 2,
    [IN_INDEX]: 7,
    [OUT_INDEX]: 9,
    [MARK]: -1,
    [STATE]: 8,
    [SOURCE]: 1,
    [DESTINATION]: 2,
    [PORTS]: -3,
    [LENGTH]: 300,
    [AGED]: 1,
  }
  for (const [register, value] of Object.entries(values)) x[Number(register)] = value
  const before = Date.now()
  journal.turn()
  expect(journal.write(x, TRACE, 131_071)).toBe(true)
  const [entry, ...others] = reader.read()
  expect(others).toEqual([])
  expect(entry).toMatchObject({
    kind: TRACE,
    rule: 131_071,
    generation: 1,
    table: 3,
    hook: 2,
    ingress: 7,
    egress: 9,
  })
  expect(entry).toMatchObject({
    mark: 0xffff_ffff,
    state: 8,
    source: 1,
    destination: 2,
    ports: -3,
    length: 300,
    aged: 1,
  })
  expect([...(entry?.ethernet ?? [])]).toEqual(Array.from({ length: 14 }, (_, i) => i))
  expect([...(entry?.packet ?? [])]).toEqual(Array.from({ length: KEPT }, (_, i) => i + 14))
  expect(entry?.timeMs).toBeGreaterThanOrEqual(before)
  expect(reader.read()).toEqual([])
})

it('a short packet keeps its bytes and no others, and one without an Ethernet header has none', () => {
  const { x, journal, reader } = stand(28)
  x[AT] = x[NETWORK]
  journal.write(x, LOG, 0)
  const [entry] = reader.read()
  expect(entry?.packet.length).toBe(28)
  expect(entry?.ethernet.length).toBe(0)
})

it('all that tell share one bucket: a thousand at once, then one a millisecond', () => {
  const { arena, at, x, journal, reader } = stand()
  const other = new Journal(arena, at)
  x[NOW] = -5
  let written = 0
  for (let i = 0; i < 3 * RATE; i++) if ((i & 1 ? journal : other).write(x, i & 1 ? LOG : NFLOG, i)) written++
  expect(written).toBe(RATE)
  expect(reader.read()).toHaveLength(RATE)
  expect(reader.lost()).toEqual({ suppressed: 2 * RATE, overflow: 0 })
  x[NOW] = 2 // seven milliseconds later, over the end of the clock's sign
  for (let i = 0; i < 20; i++) journal.write(x, LOG, i)
  expect(reader.read()).toHaveLength(7)
  expect(reader.lost().suppressed).toBe(13)
  x[NOW] = 10 ** 6
  for (let i = 0; i < 2 * RATE; i++) journal.write(x, LOG, i)
  expect(reader.read()).toHaveLength(RATE)
})

it('a full ring refuses and counts, and goes on where the reader made room', () => {
  const { x, journal, reader } = stand()
  let number = 0
  for (let second = 0; second < 4; second++) {
    x[NOW] = second * 1000
    for (let i = 0; i < RATE; i++) journal.write(x, LOG, number++)
  }
  const first = reader.read()
  expect(first.map(({ rule }) => rule)).toEqual(Array.from({ length: CAPACITY }, (_, i) => i))
  expect(reader.lost()).toEqual({ suppressed: 0, overflow: 4 * RATE - CAPACITY })
  x[NOW] = 10_000
  for (let i = 0; i < 10; i++) journal.write(x, LOG, 9000 + i)
  expect(reader.read().map(({ rule }) => rule)).toEqual(Array.from({ length: 10 }, (_, i) => 9000 + i))
})

it('positions wrap', () => {
  const { arena, at, x, journal, reader } = stand()
  arena.i32[at >> 2] = 0x7fff_fffe
  arena.i32[(at >> 2) + 16] = 0x7fff_fffe
  for (let i = 0; i < 5; i++) journal.write(x, LOG, i)
  expect(reader.read().map(({ rule }) => rule)).toEqual([0, 1, 2, 3, 4])
})

it('without a place nothing is written', () => {
  const { arena, x } = stand()
  const journal = new Journal(arena, 0)
  const before = arena.i32[0]
  journal.turn()
  expect(journal.write(x, LOG, 0)).toBe(false)
  expect(arena.i32[0]).toBe(before)
})
