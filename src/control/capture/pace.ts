/**
 * How much of the control thread's time captures may take. On a machine with a CPU to spare nobody is kept from it; on a full one every moment
 * is a worker's, a guest's, or somebody's who sends: there reading rests much longer than it took, and the capture loses what finds no room.
 */
import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'

/** On a full machine it rests so many times as long as it took, but not longer than that: what else the thread did meanwhile counts, too. */
const REST = 8
const REST_MS_MAX = 200
/** How often it is asked who has nothing to do, in milliseconds. */
const LOOK_MS = 200
/** Hundredths of a second that one CPU has in a millisecond, as /proc/stat counts (proc_stat(5), USER_HZ). */
const TICKS = 0.1

/** All CPUs' time without work since the machine began, in hundredths of a second (proc_stat(5): idle, iowait). */
function idleTicks(): number {
  const [, , , , idle, iowait] = readFileSync('/proc/stat', 'latin1').split(/ +/, 6)
  return Number(idle) + Number(iowait)
}

export class Pace {
  private restsUntil = 0
  private lookedAt = 0
  private idle = 0
  private isFull = true

  /** Whether captures are to wait. */
  get rests(): boolean {
    return performance.now() < this.restsUntil
  }

  /** Milliseconds that the thread has worked: not only reads, but also what writing costs later on. */
  now(): number {
    return performance.eventLoopUtilization().active
  }

  /** A turn that began at `from` is over. */
  rest(from: number): void {
    const now = performance.now()
    this.look(now)
    if (!this.isFull) return
    const until = now + Math.min(REST * (this.now() - from), REST_MS_MAX)
    this.restsUntil = Math.max(this.restsUntil, until)
  }

  private look(now: number): void {
    const elapsed = now - this.lookedAt
    if (elapsed < LOOK_MS) return
    const idle = idleTicks()
    this.isFull = this.lookedAt === 0 || idle - this.idle < elapsed * TICKS
    this.idle = idle
    this.lookedAt = now
  }
}
