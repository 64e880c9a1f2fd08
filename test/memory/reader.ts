/** The other thread of the ring's tests: takes entries until it has them all, asleep in between if it is told to. */
import { parentPort, workerData } from 'node:worker_threads'
import { Arena } from '../../src/memory/arena.ts'
import { Doorbell } from '../../src/memory/doorbell.ts'
import { native } from '../../src/memory/native.ts'
import { Poll } from '../../src/memory/poll.ts'
import { Ring } from '../../src/memory/ring.ts'

const { at, bellAt, pollAt, fd, entries, sleeper, capacity } = workerData
const arena = Arena.map(workerData.arena.fd, workerData.arena.length)
native.arenaBind(arena.u8, 0, 4096, 0)
const ring = new Ring(arena, at, capacity)
const bell = new Doorbell(arena, bellAt, fd)
const poll = new Poll(arena, pollAt)
poll.add(fd, 0)

/** A sleep that ends by itself although something waits was a lost wake-up. */
const SLEEP_MS = 1000
const report = { entries: 0, disorder: 0, sleeps: 0, late: 0 }

const nothing = new Int32Array(new SharedArrayBuffer(4))

while (report.entries < entries) {
  const entry = ring.pop()
  if (entry >= 0) {
    if (entry !== report.entries) report.disorder++
    report.entries++
    continue
  }
  if (!sleeper) {
    Atomics.wait(nothing, 0, 0, 0.05)
    continue
  }
  bell.arm()
  if (ring.empty) {
    report.sleeps++
    const events = poll.wait(SLEEP_MS)
    if (events === 0 && !ring.empty) report.late++
    if (events > 0) bell.clear()
  }
  bell.disarm()
}
poll.close()
parentPort!.postMessage(report)
