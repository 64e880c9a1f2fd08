/** The rounds of a worker, over queues that are always ready. */
import { expect, it } from 'vitest'
import type { Arena } from '../../src/memory/arena.ts'
import { LENGTH } from '../../src/memory/counters.ts'
import type { Doorbell } from '../../src/memory/doorbell.ts'
import type { Poll } from '../../src/memory/poll.ts'
import type { Crossing } from '../../src/pipeline/crossing.ts'
import type { Dataplane } from '../../src/pipeline/dataplane.ts'
import { type Desk, Loop } from '../../src/pipeline/loop.ts'
import type { Attached } from '../../src/port/queue.ts'

it('a worker that is told to stop ends with the burst that it has', () => {
  const arena = { stopped: false }
  const served: unknown[] = []
  const dataplane = {
    tick: () => {},
    service: (port: unknown) => {
      arena.stopped = served.push(port) === 2
      return 64
    },
  }
  const poll = { passed: 0, now: 0, wait: () => 3, id: (event: number) => event + 1, events: () => 1 }
  const loop = new Loop(
    arena as Arena,
    poll as unknown as Poll,
    new Float64Array(LENGTH / 8),
    { mail: () => false } as Doorbell,
    { workers: 1 } as Crossing,
    dataplane as unknown as Dataplane,
    { preparing: false } as Desk,
  )
  for (const port of ['a', 'b', 'c']) {
    loop.attached.push({ port, queue: {} } as unknown as Attached)
    loop.bells.push(null)
  }
  loop.run()
  expect(served).toEqual(['a', 'b'])
})
