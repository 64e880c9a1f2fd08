import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { Arena } from '../../src/memory/arena.ts'
import * as doorbell from '../../src/memory/doorbell.ts'
import { lengthOf, Ring } from '../../src/memory/ring.ts'
import { bundle } from '../lab/bundle.ts'
import { cleanup } from '../lab/cleanup.ts'

afterAll(cleanup)

const CAPACITY = 16
/** Less than a test's timeout, which a loop that waits in this thread would never hear of. */
const PATIENCE_MS = 15_000

/** A ring whose positions begin at `start`: int32 that wrap. */
function region(arena: Arena, start: number, capacity = CAPACITY): number {
  const { at } = arena.allocate('ring', lengthOf(capacity))
  arena.i32[at >> 2] = start
  arena.i32[(at >> 2) + 16] = start
  return at
}

const starts = fc.constantFrom(0, 1, 2 ** 31 - 5, -(2 ** 31), -3)

it('is a bounded queue: against an array, over the end of int32 too', () => {
  const arena = Arena.create(2 ** 20)
  const step = fc.oneof(fc.nat(2 ** 31 - 1), fc.nat(2 ** 31 - 1), fc.constant(-1))
  fc.assert(
    fc.property(starts, fc.array(step, { minLength: 30, maxLength: 300 }), (start, steps) => {
      const at = region(arena, start)
      const writer = new Ring(arena, at, CAPACITY)
      const reader = new Ring(arena, at, CAPACITY)
      const model: number[] = []
      for (const entry of steps) {
        if (entry < 0) expect(reader.pop()).toBe(model.shift() ?? -1)
        else {
          expect(writer.push(entry)).toBe(model.length < CAPACITY)
          if (model.length < CAPACITY) model.push(entry)
        }
        expect([reader.empty, writer.count, reader.count]).toEqual([
          model.length === 0,
          model.length,
          model.length,
        ])
      }
    }),
    { numRuns: 200 },
  )
  arena.close()
})

interface Report {
  entries: number
  disorder: number
  sleeps: number
  late: number
}

const nothing = new Int32Array(new SharedArrayBuffer(4))

/** Leaves the core to the other side: on a busy machine the two may have to share one. */
function rest(): void {
  Atomics.wait(nothing, 0, 0, 0.05)
}

/** Starts the reader in a thread of its own, writes `entries`, and returns what the reader saw. */
async function exchange(entries: number, capacity: number, sleeper: boolean): Promise<Report> {
  const arena = Arena.create(2 ** 20)
  const at = region(arena, 2 ** 31 - 1000, capacity)
  const bellAt = arena.allocate('doorbell', doorbell.WORDS * 4).at
  const pollAt = arena.allocate('poll', 4096).at
  const fd = doorbell.create()
  const bell = new doorbell.Doorbell(arena, bellAt, fd)
  const workerData = {
    arena: { fd: arena.fd, length: arena.length },
    at,
    bellAt,
    pollAt,
    fd,
    entries,
    sleeper,
  }
  const thread = new Worker(bundle('test/memory/reader.ts'), { workerData: { ...workerData, capacity } })
  const said = new Promise<Report>((resolve, reject) => thread.on('message', resolve).on('error', reject))
  const ring = new Ring(arena, at, capacity)
  const deadline = performance.now() + PATIENCE_MS
  for (let entry = 0; entry < entries; entry++) {
    while (!ring.push(entry)) {
      rest()
      if (performance.now() > deadline) throw new Error(`the reader stopped at entry ${entry - ring.count}`)
    }
    bell.wake()
    // Pauses of many lengths, so that the reader is met at every step on its way to sleep and back.
    for (let spin = sleeper ? (entry * 7919) % 4001 : 0; spin > 0; ) spin--
  }
  const report = await said
  bell.close()
  arena.close()
  return report
}

it('carries three million entries between two threads in order', async () => {
  const report = await exchange(3_000_000, 1024, false)
  expect(report).toMatchObject({ entries: 3_000_000, disorder: 0 })
})

it('loses no wake-up when the reader sleeps whenever it is empty', async () => {
  const report = await exchange(200_000, CAPACITY, true)
  expect(report).toMatchObject({ entries: 200_000, disorder: 0, late: 0 })
  expect(report.sleeps).toBeGreaterThan(1000)
})
