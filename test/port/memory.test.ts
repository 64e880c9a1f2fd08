import fc from 'fast-check'
import { expect, it } from 'vitest'
import { MemoryPort } from '../../src/port/embed.ts'
import { FULL, MemoryQueue } from '../../src/port/memory.ts'
import { Desk } from '../lab/desk.ts'
import { numbered, station, vnet } from '../lab/frame.ts'

const desk = new Desk()
const { at } = desk.arena.allocate('port', FULL.length)
desk.arena.close()

interface Ends {
  queue: MemoryQueue
  port: MemoryPort
  wakes: () => number
}

/** Both ends of a port whose positions begin at `start`. */
function ends(start = 0): Ends {
  desk.arena.u8.fill(0xa5, at, at + FULL.length)
  for (const way of [at, at + FULL.wayLength]) {
    for (const word of [0, 16]) desk.arena.i32[(way >> 2) + word] = start
    desk.arena.i32[(way >> 2) + 32] = 0
  }
  let count = 0
  const port = new MemoryPort(desk.arena, at, () => count++)
  return { queue: new MemoryQueue(desk.arena, at, desk.pool.at, FULL), port, wakes: () => count }
}

const frame = (number: number, length = 60) => numbered(station(2), station(1), number, length)

it('carries frames of every length with their vnet headers, both ways', () => {
  const { queue, port } = ends()
  const header = vnet({ flags: 1, start: 34, offset: 16 })
  for (const length of [0, 1, 14, 60, 1514, 65_557]) {
    const bytes = frame(7, Math.max(18, length)).subarray(0, length)
    expect(port.send(bytes, header)).toBe(true)
    expect(desk.receive(queue)).toEqual([{ frame: bytes, vnet: header }])
    expect(desk.transmit(queue, { frame: bytes, vnet: header })).toEqual({ taken: 1, errors: [0] })
    expect(port.receive()).toEqual({ frame: bytes, vnet: header })
  }
  port.send(frame(1))
  expect(desk.receive(queue)).toMatchObject([{ vnet: new Uint8Array(10) }])
  expect(() => port.send(new Uint8Array(65_558))).toThrow(/frame of 65558 bytes: at most 65557/)
  expect(desk.pool.free).toBe(desk.pool.count)
})

it('is two queues of 128 frames: against arrays, over the end of int32 too', () => {
  const step = fc.record({
    does: fc.constantFrom('send', 'receive', 'transmit', 'take'),
    count: fc.integer({ min: 1, max: 64 }),
  })
  const starts = fc.constantFrom(0, 2 ** 31 - 100, -100)
  fc.assert(
    fc.property(starts, fc.array(step, { maxLength: 40 }), (start, steps) => {
      const { queue, port } = ends(start)
      const inward: number[] = []
      const outward: number[] = []
      let number = 0
      const numbers = (count: number) => Array.from({ length: count }, () => number++)
      for (const { does, count } of steps) {
        if (does === 'send') {
          for (const each of numbers(count)) {
            expect(port.send(frame(each))).toBe(inward.length < FULL.slots)
            if (inward.length < FULL.slots) inward.push(each)
          }
        } else if (does === 'receive') {
          expect(queue.quiet).toBe(inward.length === 0)
          expect(desk.receive(queue, count)).toMatchObject(
            inward.splice(0, count).map((each) => ({ frame: frame(each) })),
          )
        } else if (does === 'transmit') {
          const sent = numbers(count)
          const room = Math.min(count, FULL.slots - outward.length)
          const errors = sent.map((_, i) => (i < room ? 0 : 11))
          expect(desk.transmit(queue, ...sent.map((each) => frame(each)))).toEqual({ taken: room, errors })
          outward.push(...sent.slice(0, room))
        } else {
          for (const each of [...outward.splice(0, count), ...(outward.length === 0 ? [-1] : [])]) {
            expect(port.receive()?.frame ?? null).toEqual(each < 0 ? null : frame(each))
          }
        }
      }
    }),
    { numRuns: 40 },
  )
})

it('wakes the worker for every frame, and tells the program once for every time it asks', () => {
  const { queue, port, wakes } = ends()
  for (let i = 0; i < FULL.slots + 3; i++) port.send(frame(i))
  expect(wakes()).toBe(FULL.slots)
  desk.transmit(queue, frame(1))
  expect(queue.wanted).toBe(false)
  expect(port.listen()).toBe(false)
  expect([queue.wanted, queue.wanted]).toEqual([true, false])
  port.receive()
  expect(port.listen()).toBe(true)
  expect(queue.wanted).toBe(false)
  desk.transmit(queue, frame(2))
  expect([queue.wanted, queue.wanted]).toEqual([true, false])
})
