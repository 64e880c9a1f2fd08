// Hot: time of day, weekday, day of the month, date.
/**
 * The answer changes at most once a second, so it is worked out once a second: the wall clock is read then, and the worker's clock
 * says when the next second begins. `kerneltz` takes the daemon's time zone: the kernel's own, which is that of its clock chip
 * and nearly always UTC, cannot be asked for.
 */
import type { MatcherSpec } from '../extension.ts'
import type { Footing, Matcher } from '../matcher.ts'
import { NOW } from '../registers.ts'

/** When it matches. */
export interface Period {
  /** seconds since 1970, both included */
  dateStart: number
  dateStop: number
  /** seconds of the day, both included; a stop before the start is on the next day */
  timeStart: number
  timeStop: number
  /** bits 1 to 31, and 1 (Monday) to 7 */
  monthdays: number
  weekdays: number
  local: boolean
  contiguous: boolean
}

export interface TimeSpec extends MatcherSpec, Period {
  type: 'time'
}

const DAY = 86_400
/** 1970-01-01 was a Thursday. */
const FIRST_WEEKDAY = 4

export class Time implements Matcher {
  private readonly spec: TimeSpec
  private readonly date: Date
  private known = false
  private answer = false
  private until = 0

  constructor(_footing: Footing, spec: TimeSpec) {
    this.spec = spec
    this.date = new Date(0)
  }

  ask(x: Int32Array): boolean {
    if (this.known && ((x[NOW] - this.until) | 0) < 0) return this.answer
    const now = Date.now()
    this.answer = this.holds(now)
    this.until = (x[NOW] + 1000 - (now % 1000)) | 0
    this.known = true
    return this.answer
  }

  /** Whether the match holds at so many milliseconds since 1970. */
  holds(now: number): boolean {
    const { spec, date } = this
    date.setTime(now)
    let stamp = Math.floor(now / 1000) - (spec.local ? 60 * date.getTimezoneOffset() : 0)
    if (stamp < spec.dateStart || stamp > spec.dateStop) return false
    const second = stamp % DAY
    if (spec.timeStart < spec.timeStop) {
      if (second < spec.timeStart || second > spec.timeStop) return false
    } else {
      if (second < spec.timeStart && second > spec.timeStop) return false
      // The hours behind midnight belong to the day on which the span began.
      if (spec.contiguous && second <= spec.timeStop) stamp -= DAY
    }
    const day = Math.floor(stamp / DAY)
    if ((spec.weekdays & (1 << (((FIRST_WEEKDAY + day - 1) % 7) + 1))) === 0) return false
    date.setTime(stamp * 1000)
    return (spec.monthdays & (1 << date.getUTCDate())) !== 0
  }
}
