/** -m time: time of day, weekday, day of the month, date; UTC unless --kerneltz. */
import { type MatchKind, SLOW, Wrong } from '../extension.ts'
import type { Period } from '../matcher/time.ts'

interface Time extends Period {
  utc: boolean
}

/** 2038-01-19T03:14:07: as late as a rule may say, and what holds if it says nothing; iptables-save prints it all the same. */
const LAST = 0x7fff_ffff
const LAST_SECOND = 86_399
const ALL_MONTHDAYS = -2
const ALL_WEEKDAYS = 0xfe
const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']

export const time: MatchKind<Time> = {
  name: 'time',
  options: {
    '--datestart': { words: 1 },
    '--datestop': { words: 1 },
    '--timestart': { words: 1 },
    '--timestop': { words: 1 },
    '--monthdays': { words: 1, negatable: true },
    '--weekdays': { words: 1, negatable: true },
    '--kerneltz': { words: 0 },
    '--localtz': '--kerneltz',
    '--utc': { words: 0 },
    '--contiguous': { words: 0 },
  },
  begin: () => ({
    dateStart: 0,
    dateStop: LAST,
    timeStart: 0,
    timeStop: LAST_SECOND,
    monthdays: ALL_MONTHDAYS,
    weekdays: ALL_WEEKDAYS,
    local: false,
    contiguous: false,
    utc: false,
  }),
  take(data, option, words, not) {
    const [word] = words
    if (option === '--datestart') data.dateStart = date(word)
    else if (option === '--datestop') data.dateStop = date(word)
    else if (option === '--timestart') data.timeStart = daytime(word)
    else if (option === '--timestop') data.timeStop = daytime(word)
    else if (option === '--monthdays') data.monthdays = monthdays(word) ^ (not ? ALL_MONTHDAYS : 0)
    else if (option === '--weekdays') data.weekdays = weekdays(word) ^ (not ? ALL_WEEKDAYS : 0)
    else if (option === '--kerneltz') data.local = true
    else if (option === '--utc') data.utc = true
    else data.contiguous = true
  },
  end({ timeStart, timeStop, contiguous, local, utc }) {
    if (local && utc) throw new Wrong('has both --utc and --kerneltz', 0)
    if (contiguous && timeStart < timeStop)
      throw new Wrong(
        'has --contiguous, which means something only where --timestop is before --timestart',
        0,
      )
  },
  print(data) {
    const words: string[] = []
    if (data.timeStart !== 0 || data.timeStop !== LAST_SECOND)
      words.push('--timestart', clock(data.timeStart), '--timestop', clock(data.timeStop))
    const days = (mask: number, last: number) =>
      Array.from({ length: last }, (_, i) => i + 1).filter((day) => (mask & (1 << day)) !== 0)
    if (data.monthdays !== ALL_MONTHDAYS) words.push('--monthdays', days(data.monthdays, 31).join(','))
    if (data.weekdays !== ALL_WEEKDAYS)
      words.push(
        '--weekdays',
        days(data.weekdays, 7)
          .map((day) => WEEKDAYS[day - 1])
          .join(','),
      )
    if (data.dateStart !== 0) words.push('--datestart', stamp(data.dateStart))
    if (data.dateStop !== 0) words.push('--datestop', stamp(data.dateStop))
    if (data.local) words.push('--kerneltz')
    if (data.contiguous) words.push('--contiguous')
    return words
  },
  code({ utc: _, ...data }, emit) {
    return { text: `M[${emit.matcher({ type: 'time', ...data })}].ask(x)`, nature: SLOW }
  },
  shows: () => `time ${stamp(Math.floor(Date.now() / 1000))} UTC`,
}

/** YYYY[-MM[-DD[Thh[:mm[:ss]]]]] */
function date(word: string): number {
  const found = /^(\d{4})(?:-(\d\d?)(?:-(\d\d?)(?:T(\d\d?)(?::(\d\d?)(?::(\d\d?))?)?)?)?)?$/.exec(word)
  if (!found) throw new Wrong('is not a date: YYYY[-MM[-DD[Thh[:mm[:ss]]]]]')
  const [year, month = 1, day = 1, hour = 0, minute = 0, second = 0] = found
    .slice(1)
    .map((part) => (part === undefined ? undefined : Number(part)))
  const inside = month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour < 24 && minute < 60 && second < 60
  if (!inside) throw new Wrong('is a date that does not exist')
  const seconds = Date.UTC(year ?? 0, month - 1, day, hour, minute, second) / 1000
  if (seconds < 0 || seconds > LAST) throw new Wrong('is not between 1970 and 2038-01-19T03:14:07')
  return seconds
}

/** hh:mm[:ss] */
function daytime(word: string): number {
  const found = /^(\d\d?):(\d\d?)(?::(\d\d?))?$/.exec(word)
  const [hour, minute, second] = found ? found.slice(1).map((part) => Number(part ?? 0)) : [24, 0, 0]
  if (hour > 23 || minute > 59 || second > 59) throw new Wrong('is not a time of day: hh:mm[:ss]')
  return 3600 * hour + 60 * minute + second
}

function monthdays(word: string): number {
  let mask = 0
  for (const day of word.split(',')) {
    const number = /^\d\d?$/.test(day) ? Number(day) : 0
    if (number < 1 || number > 31) throw new Wrong(`has ${day || 'nothing'}, which is no day from 1 to 31`)
    mask |= 1 << number
  }
  return mask
}

function weekdays(word: string): number {
  let mask = 0
  for (const day of word.split(',')) {
    const named =
      WEEKDAYS.findIndex((name) => /^[A-Z][a-z]+$/.test(day) && day.startsWith(name.slice(0, 2))) + 1
    const number = /^[1-7]$/.test(day) ? Number(day) : named
    if (number === 0)
      throw new Wrong(`has ${day || 'nothing'}, which is no weekday: ${WEEKDAYS.join(', ')} or 1 to 7`)
    mask |= 1 << number
  }
  return mask
}

function clock(second: number): string {
  const pad = (value: number) => `${Math.floor(value)}`.padStart(2, '0')
  return `${pad(second / 3600)}:${pad((second / 60) % 60)}:${pad(second % 60)}`
}

function stamp(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 19)
}
