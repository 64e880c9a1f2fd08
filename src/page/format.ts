/** Figures as people read them: three digits that count, and units with decimal prefixes. */
import type { WayRow } from '../control/flows.ts'

const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P']

function scaled(value: number, unit: string, base = 1000, prefixes = PREFIXES): string {
  let power = 0
  let rest = value
  // 999.5 would be rounded up to four digits.
  while (rest >= 999.5 && power < prefixes.length - 1) {
    rest /= base
    power++
  }
  const digits =
    rest >= 99.95 || rest === 0 || (power === 0 && Number.isInteger(rest)) ? 0 : rest >= 9.995 ? 1 : 2
  return `${rest.toFixed(digits)} ${prefixes[power]}${unit}`
}

/** Bytes a second as bits a second. */
export const bitRate = (bytes: number): string => scaled(bytes * 8 < 0.5 ? 0 : bytes * 8, 'bit/s')
export const bytes = (value: number): string => scaled(value, 'B')
export const rate = (value: number, unit = ''): string => `${count(value < 0.05 ? 0 : value)}${unit}/s`
export const memory = (value: number): string => scaled(value, 'B', 1024, ['', 'Ki', 'Mi', 'Gi', 'Ti'])
export const percent = (share: number): string =>
  `${(share * 100).toFixed(share < 0.0995 && share > 0 ? 1 : 0)} %`

/** 12 345 in full as long as that is short, 12.3 M beyond. */
export function count(value: number): string {
  const whole = Math.round(value)
  if (whole >= 1e6) return scaled(value, '').trim()
  if (value >= 100 || whole === value) {
    const rest = String(whole % 1000)
    return whole < 1000 ? rest : `${Math.trunc(whole / 1000)}\u202f${rest.padStart(3, '0')}`
  }
  return value.toFixed(value >= 10 ? 1 : 2)
}

/** The two largest units of a time. */
export function duration(seconds: number): string {
  const parts: [number, string][] = [
    [Math.floor(seconds / 86400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [Math.floor(seconds) % 60, 's'],
  ]
  const first = parts.findIndex(([value]) => value > 0)
  if (first < 0) return '0 s'
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(' ')
}

export function clock(time: number): string {
  return new Date(time).toLocaleTimeString('en-GB')
}

/** Both ends of one direction of a connection. */
export function way(row: WayRow): string {
  const end = (address: string, port: number | undefined) =>
    port === undefined ? address : `${address}:${port}`
  const icmp = row.type === undefined ? '' : ` type ${row.type}${row.id === undefined ? '' : ` id ${row.id}`}`
  return `${end(row.source, row.sourcePort)} → ${end(row.destination, row.destinationPort)}${icmp}`
}

/** Letters first, and numbers in names by their value: vm2 before vm10. */
export const byName = new Intl.Collator('en', { numeric: true }).compare
