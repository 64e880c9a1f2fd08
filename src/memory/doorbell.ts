// Hot: wakes a worker that sleeps. Cost: 13 ns when it is awake (npm run bench), one write(2) when it sleeps.
/**
 * An eventfd with wake suppression. The sleeper says so before it looks for work a last time; whoever adds work looks for that
 * word after publishing. Both words are accessed with Atomics, so one of the two always sees the other.
 */
import type { Arena } from './arena.ts'
import { native } from './native.ts'

/** int32 a doorbell: one cache line */
export const WORDS = 16
const SLEEPING = 0
const MAIL = 1

/** A new eventfd for a doorbell. */
export function create(): number {
  return native.doorbellCreate()
}

export class Doorbell {
  readonly fd: number
  private readonly i32: Int32Array
  private readonly base: number
  private seen = 0

  /** `at` is this doorbell's line in the arena. */
  constructor(arena: Arena, at: number, fd: number) {
    this.fd = fd
    this.i32 = arena.i32
    this.base = at >> 2
  }

  /** Rings if the owner sleeps. Call it after the work was published. */
  wake(): void {
    if (Atomics.load(this.i32, this.base + SLEEPING) !== 0) native.doorbellRing(this.fd)
  }

  /** Says that a message waits, and rings in any case. */
  post(): void {
    Atomics.add(this.i32, this.base + MAIL, 1)
    native.doorbellRing(this.fd)
  }

  /** Owner: true once for every time there was new mail. */
  mail(): boolean {
    const now = Atomics.load(this.i32, this.base + MAIL)
    if (now === this.seen) return false
    this.seen = now
    return true
  }

  /** Owner: announces sleep; look for work once more afterwards. */
  arm(): void {
    Atomics.store(this.i32, this.base + SLEEPING, 1)
  }

  disarm(): void {
    Atomics.store(this.i32, this.base + SLEEPING, 0)
  }

  clear(): void {
    native.doorbellClear(this.fd)
  }

  /** Rings whoever listens, without a message. */
  ring(): void {
    native.doorbellRing(this.fd)
  }

  close(): void {
    native.descriptorClose(this.fd)
  }
}
