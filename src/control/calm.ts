/**
 * A log that others cannot fill: lines about what happens outside, a guest that comes and goes a thousand times a second, are told until
 * there were too many of them, then now and then, with how many were left out.
 */
import type { Log } from './switch.ts'

/** Lines that are told at once, and how long it takes until another one may be. */
const BURST = 10
const INTERVAL_MS = 10_000

export class Calm implements Log {
  private readonly log: Log
  private readonly now: () => number
  private credit = BURST
  private since: number
  private omitted = 0

  constructor(log: Log, now: () => number = () => performance.now()) {
    this.log = log
    this.now = now
    this.since = now()
  }

  info(fields: object, message: string): void {
    this.tell('info', fields, message)
  }

  warn(fields: object, message: string): void {
    this.tell('warn', fields, message)
  }

  private tell(how: 'info' | 'warn', fields: object, message: string): void {
    const earned = Math.floor((this.now() - this.since) / INTERVAL_MS)
    if (earned > 0) {
      this.credit = Math.min(BURST, this.credit + earned)
      this.since += earned * INTERVAL_MS
    }
    if (this.credit === 0) {
      this.omitted++
      return
    }
    this.credit--
    const more = this.omitted === 0 ? '' : ` (${this.omitted} more lines were left out)`
    this.omitted = 0
    this.log[how](fields, message + more)
  }
}
