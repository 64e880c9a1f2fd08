import { expect, it } from 'vitest'
import { Arena } from '../../src/memory/arena.ts'
import * as doorbell from '../../src/memory/doorbell.ts'
import { native } from '../../src/memory/native.ts'
import { Poll } from '../../src/memory/poll.ts'

function pair(): { bell: doorbell.Doorbell; poll: Poll; rings: () => number } {
  const arena = Arena.create(2 ** 20)
  native.arenaBind(arena.u8, 0, 4096, 0)
  const bell = new doorbell.Doorbell(arena, arena.allocate('doorbell', 64).at, doorbell.create())
  const poll = new Poll(arena, arena.allocate('poll', 4096).at)
  poll.add(bell.fd, 7)
  return { bell, poll, rings: () => poll.wait(0) }
}

it('rings for a sleeper only', () => {
  const { bell, poll, rings } = pair()
  bell.wake()
  expect(rings()).toBe(0)
  bell.arm()
  bell.wake()
  expect([rings(), poll.id(0), poll.events(0)]).toEqual([1, 7, 1])
  bell.clear()
  expect(rings()).toBe(0)
  bell.disarm()
  bell.wake()
  expect(rings()).toBe(0)
  bell.close()
  poll.close()
})

it('rings for mail in any case, and tells of it once', () => {
  const { bell, poll, rings } = pair()
  expect(bell.mail()).toBe(false)
  bell.post()
  bell.post()
  expect(rings()).toBe(1)
  bell.clear()
  expect([bell.mail(), bell.mail()]).toEqual([true, false])
  bell.ring()
  expect([rings(), bell.mail()]).toEqual([1, false])
  bell.close()
  poll.close()
})

it('keeps time: monotonic milliseconds and the seconds between two waits', () => {
  const { bell, poll } = pair()
  const began = performance.now()
  const elapsedMs = () => performance.now() - began
  poll.wait(0)
  const before = poll.now
  poll.wait(50)
  const slept = (poll.now - before) | 0
  expect(slept).toBeGreaterThanOrEqual(49)
  expect(slept).toBeLessThanOrEqual(elapsedMs() + 1)
  const until = performance.now() + 20
  while (performance.now() < until);
  poll.wait(0)
  expect(poll.passed).toBeGreaterThan(0.019)
  expect(poll.passed).toBeLessThan(elapsedMs() / 1000)
  bell.close()
  poll.close()
})
