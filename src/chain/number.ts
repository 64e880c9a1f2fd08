/** Numbers as they stand in rules: decimal, 0x… or octal behind a zero, as strtoul(3) with base 0 reads them. */
import { Wrong } from './extension.ts'

const number = /^(?:0[xX][0-9a-fA-F]+|[0-9]+)$/

/** The number that the text is, NaN if it is none. */
export function read(text: string): number {
  if (!number.test(text)) return Number.NaN
  if (text.length > 1 && text.startsWith('0') && !/^0x/i.test(text)) {
    return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN
  }
  return Number(text)
}

/** A number from `least` to `most`; throws Wrong for all else. */
export function integer(text: string, least: number, most: number): number {
  const value = read(text)
  if (value >= least && value <= most) return value
  throw new Wrong(`is not a number from ${least} to ${most}`)
}

/** `value[:value]` with iptables' defaults for an empty half, [least, most]; the second must not be smaller. */
export function range(text: string, most: number): [number, number] {
  const parts = text.split(':')
  if (parts.length > 2) throw new Wrong('has more than two numbers')
  const [low = '', high] = parts
  const first = low === '' ? 0 : integer(low, 0, most)
  if (high === undefined) return [first, first]
  return [first, high === '' ? most : integer(high, first, most)]
}

/** `value[/mask]` of 32 bits; the mask is all ones if there is none. */
export function marking(text: string): { value: number; mask: number } {
  const [value = '', mask, more] = text.split('/')
  if (more !== undefined) throw new Wrong('has more than one mask')
  return {
    value: integer(value, 0, 0xffffffff),
    mask: mask === undefined ? 0xffffffff : integer(mask, 0, 0xffffffff),
  }
}

/** Lower-case hexadecimal of the value as an unsigned one, with at least `digits` digits. */
export function hex(value: number, digits = 1): string {
  return `0x${(value >>> 0).toString(16).padStart(digits, '0')}`
}
