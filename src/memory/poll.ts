// Hot: one epoll wait a round. Cost: 160 ns when it does not sleep.
/** A worker's epoll: what it waits for, with a number for each, and the clock that every round reads with it. */
import type { Arena } from './arena.ts'
import { native } from './native.ts'

/** Events that one wait returns at most. */
const EVENTS = 64
/** bytes: the clock's line, then (id, events) pairs */
export const LENGTH = 64 + EVENTS * 8
/** epoll_ctl(2): something is wrong with the descriptor, whatever was asked for */
export const FAILED = 0x8 | 0x10

export class Poll {
  private readonly fd = native.pollCreate()
  private readonly i32: Int32Array
  private readonly f64: Float64Array
  private readonly at: number

  constructor(arena: Arena, at: number) {
    this.i32 = arena.i32
    this.f64 = arena.f64
    this.at = at
  }

  /** With `edge` it tells of every write to an eventfd once, and nobody has to read it. */
  add(fd: number, id: number, edge = false): void {
    native.pollAdd(this.fd, fd, id, edge)
  }

  remove(fd: number): void {
    native.pollRemove(this.fd, fd)
  }

  /** Waits at most `timeoutMs`; returns the count of events. */
  wait(timeoutMs: number): number {
    return native.pollWait(this.fd, this.at + 64, EVENTS, timeoutMs, this.at)
  }

  id(event: number): number {
    return this.i32[(this.at >> 2) + 16 + 2 * event]
  }

  events(event: number): number {
    return this.i32[(this.at >> 2) + 17 + 2 * event]
  }

  /** Monotonic milliseconds at the last wait's return; they wrap, so compare differences. */
  get now(): number {
    return this.i32[this.at >> 2]
  }

  /** Seconds between the return of the wait before and the call of the last. */
  get passed(): number {
    return this.f64[(this.at >> 3) + 1]
  }

  close(): void {
    native.descriptorClose(this.fd)
  }
}
