import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Arena } from '../../src/memory/arena.ts'
import { DATA_AT, FRAME_LENGTH_MAX, Pool, STRIDE } from '../../src/memory/pool.ts'

const COUNT = 8

function pool(first = 0): Pool {
  const arena = Arena.create(2 ** 21)
  const poolAt = arena.allocate('pool', (first + COUNT) * STRIDE).at
  const made = new Pool(arena, poolAt, arena.allocate('stack', COUNT * 4).at, first, COUNT)
  arena.close()
  return made
}

it('holds a frame of any length behind notes and vnet header, aligned for IP addresses', () => {
  expect(DATA_AT + FRAME_LENGTH_MAX).toBeLessThanOrEqual(STRIDE)
  const made = pool()
  expect((made.frameAt(3) + 14) % 4).toBe(0)
  expect(made.frameAt(3) - made.notesAt(3)).toBe(DATA_AT)
  expect(made.frameAt(3) - made.frameAt(2)).toBe(STRIDE)
  expect((STRIDE / 64) % 2).toBe(1)
})

it('gives the frame that came back last', () => {
  const made = pool(16)
  expect([made.take(), made.take(), made.take()]).toEqual([16, 17, 18])
  made.give(17)
  made.give(16)
  expect([made.take(), made.take(), made.take()]).toEqual([16, 17, 19])
  expect([15, 16, 23, 24].map((frame) => made.owns(frame))).toEqual([false, true, true, false])
})

it('is a stack: against an array', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 200 }), (steps) => {
      const made = pool()
      const model = Array.from({ length: COUNT }, (_, i) => COUNT - 1 - i)
      const out: number[] = []
      for (const takes of steps) {
        if (takes) {
          const frame = made.take()
          expect(frame).toBe(model.pop() ?? -1)
          if (frame >= 0) out.push(frame)
        } else if (out.length > 0) {
          const frame = out.shift()!
          made.give(frame)
          model.push(frame)
        }
        expect(made.free).toBe(model.length)
      }
    }),
    { numRuns: 50 },
  )
})
