/** Rates as limit and hashlimit write them: `number[/second|minute|hour|day]`, kept as the time from one packet to the next. */
import { Wrong } from './extension.ts'

const UNITS = [
  { name: 'second', printed: 'sec', seconds: 1 },
  { name: 'minute', printed: 'min', seconds: 60 },
  { name: 'hour', printed: 'hour', seconds: 3600 },
  { name: 'day', printed: 'day', seconds: 86_400 },
]

export interface Rate {
  /** from one packet to the next, in parts of a second */
  period: number
  /** of the unit that the rate was written with */
  seconds: number
}

/** Reads a rate; the period is in 1/`scale` of a second, cut to a whole number as the kernel gets it. */
export function parseRate(text: string, scale: number): Rate {
  const found = /^(\d+)(?:\/([a-z]+))?$/i.exec(text)
  if (!found) throw new Wrong('is not a rate: number[/second|/minute|/hour|/day]')
  const [, digits, unit = 'second'] = found
  const meant = UNITS.find(({ name }) => name.startsWith(unit.toLowerCase()))
  if (!meant) throw new Wrong(`has no unit ${unit}: second, minute, hour or day`)
  const count = Number(digits)
  if (count === 0) throw new Wrong('is a rate of nothing')
  const period = Math.floor((scale * meant.seconds) / count)
  if (period === 0) throw new Wrong(`is too fast: at most ${scale * meant.seconds}/${meant.printed}`)
  return { period, seconds: meant.seconds }
}

/** The rate in the largest unit that loses little, as iptables-save prints it, and that unit's seconds. */
export function printRate(period: number, scale: number): { text: string; seconds: number } {
  let unit = UNITS.length - 1
  while (unit > 0) {
    const next = UNITS[unit - 1].seconds * scale
    if (period > next || Math.floor(next / period) < next % period) break
    unit--
  }
  const { printed, seconds } = UNITS[unit]
  return { text: `${Math.floor((seconds * scale) / period)}/${printed}`, seconds }
}

/** A number of up to 64 bits, as decimal digits: more than a JavaScript number holds. */
export function decimal(text: string): string {
  const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? text.replace(/^0(?=[0-7]+$)/, '0o') : null
  if (value === null || /^0\d/.test(value)) throw new Wrong('is not a number')
  const number = BigInt(value)
  if (number >= 2n ** 64n) throw new Wrong('does not fit into 64 bits')
  return number.toString()
}
