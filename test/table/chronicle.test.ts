/** Begins and ends of flows: written by one thread, read by another, with the times that belong to them. */
import { expect, it } from 'vitest'
import { type FlowEvent, Reader } from '../../src/control/flowlog/reader.ts'
import { monotonicMs } from '../../src/control/listing.ts'
import { timeouts } from '../../src/gateway/timeout.ts'
import { CLOSE, TIME_WAIT } from '../../src/gateway/transition.ts'
import { Arena } from '../../src/memory/arena.ts'
import {
  BEGIN,
  CAPACITY,
  Chronicle,
  CLOSED,
  EVICTED,
  FORGOTTEN,
  HEAD,
  lengthOf,
  TAIL,
  TIMEOUT,
} from '../../src/table/chronicle.ts'
import * as flow from '../../src/table/flow.ts'

const TCP = 6
const UDP = 17
const TIMEOUTS = Int32Array.from(timeouts())

function stand(capacity = 8) {
  const arena = Arena.create(flow.lengthOf(capacity) + lengthOf() + 2 ** 20)
  const flows = new flow.FlowTable(arena, arena.allocate('flows', flow.lengthOf(capacity)).at, capacity)
  const { at } = arena.allocate('chronicle', lengthOf())
  const clockAt = arena.allocate('clock', 64).at
  const clock = (ms: number) => {
    arena.i32[clockAt >> 2] = ms
  }
  const start = monotonicMs()
  clock(start)
  const on = () => {
    flows.chronicle = new Chronicle(arena, at, clockAt, flows.words)
  }
  const reader = new Reader(arena, at)
  const read = (limit = CAPACITY) => {
    const events: FlowEvent[] = []
    reader.read(TIMEOUTS, limit, (event) => events.push({ ...event, words: event.words.slice() }))
    return events
  }
  /** Makes flow `n` as the gateway does. */
  const make = (n: number, protocol = UDP, deadline = start) => {
    const made = flows.create(1, n, (n << 16) | 53, protocol, n, 2, (53 << 16) | (n & 0xffff), deadline)
    flows.chronicle?.begin(made)
    return made
  }
  on()
  return { arena, at, flows, clock, start, on, reader, read, make }
}

it('tells why a flow ended, with its words as they stood', () => {
  const { flows, start, read, make } = stand(2)
  const [a, b] = [make(1), make(2)]
  flows.words[a * flow.WORDS + flow.PACKETS] = 3
  flows.words[a * flow.WORDS + flow.MARK] = 9
  flows.remove(a, CLOSED)
  flows.remove(b)
  make(3)
  flows.expire(8, start + 1)
  for (const n of [4, 5, 6]) make(n)
  const events = read()
  expect(events.map(({ kind, words }) => [kind, words[flow.DESTINATION]])).toEqual([
    [BEGIN, 1],
    [BEGIN, 2],
    [CLOSED, 1],
    [FORGOTTEN, 2],
    [BEGIN, 3],
    [TIMEOUT, 3],
    [BEGIN, 4],
    [BEGIN, 5],
    [EVICTED, 5],
    [BEGIN, 6],
  ])
  expect([events[2].words[flow.PACKETS], events[2].words[flow.MARK]]).toEqual([3, 9])
  expect(events[2].words[flow.STATUS] & 0xff).toBe(UDP)
})

it('knows when a flow began, also over the wrap of the clock', () => {
  const { flows, clock, start, on, read, make } = stand()
  const flown = make(1)
  const days = 24 * 3600 * 1000
  for (let day = 1; day <= 60; day++) {
    clock(start + day * days)
    flows.remove(make(2, UDP, (start + day * days) | 0))
  }
  flows.remove(flown)
  const end = read().at(-1)
  expect((end?.timeMs ?? 0) - (end?.beganMs ?? 0)).toBe(60 * days)
  const older = make(3)
  on()
  flows.remove(older)
  expect(read().map(({ kind, beganMs }) => [kind, beganMs === null])).toEqual([
    [BEGIN, false],
    [FORGOTTEN, true],
  ])
})

it('a connection lasted until its last packet, not until its time was over', () => {
  const { flows, clock, start, read, make } = stand()
  const tcp = make(1, TCP, start + 5_000 + TIMEOUTS[TIME_WAIT])
  const f = tcp * flow.WORDS
  flows.words[f + flow.STATUS] |= flow.SEEN_REPLY
  flows.words[f + flow.STATE] = TIME_WAIT
  flows.words[f + flow.LAST_WINDOW] = 1 << 16
  clock(start + 5_000 + TIMEOUTS[TIME_WAIT])
  flows.remove(tcp, TIMEOUT)
  const refused = make(2, TCP, start + 5_000 + TIMEOUTS[TIME_WAIT])
  flows.words[refused * flow.WORDS + flow.STATE] = CLOSE
  flows.remove(refused, TIMEOUT)
  const [begun, ended, asked, answered] = read()
  expect(ended.kind).toBe(CLOSED)
  expect([begun.lastMs - begun.timeMs, ended.lastMs - (ended.beganMs ?? 0)]).toEqual([0, 5_000])
  expect(answered).toMatchObject({ kind: CLOSED, lastMs: asked.timeMs, beganMs: asked.timeMs })
})

it('a full ring refuses and counts, and goes on where the reader made room', () => {
  const { flows, reader, read, make } = stand()
  for (let n = 1; n <= CAPACITY; n++) flows.remove(make(n))
  expect(read(1000)).toHaveLength(1000)
  expect(reader.missed()).toBe(CAPACITY)
  expect(reader.missed()).toBe(0)
  make(9)
  const rest = read()
  expect(rest).toHaveLength(CAPACITY - 1000 + 1)
  expect(rest.at(-1)).toMatchObject({ kind: BEGIN })
})

it('positions wrap', () => {
  const { arena, at, flows, read, make } = stand()
  for (const word of [HEAD, TAIL]) arena.i32[(at >> 2) + word] = 0x7fff_fffe
  for (const n of [1, 2, 3]) flows.remove(make(n))
  expect(read().map(({ kind }) => kind)).toEqual([BEGIN, 4, BEGIN, 4, BEGIN, 4])
})
