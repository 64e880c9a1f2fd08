/** -m iprange: addresses from one to another. */
import { parseAddress, printAddress } from '../address.ts'
import { type MatchKind, STATIC, Wrong } from '../extension.ts'
import { cover } from '../lookup.ts'
import { DESTINATION, SOURCE } from '../registers.ts'
import { negation, Parts } from './ip.ts'

interface Range {
  first: number
  last: number
  not: boolean
}

interface Iprange {
  source: Range | null
  destination: Range | null
}

export const iprange: MatchKind<Iprange> = {
  name: 'iprange',
  options: {
    '--src-range': { words: 1, negatable: true },
    '--dst-range': { words: 1, negatable: true },
  },
  begin: () => ({ source: null, destination: null }),
  take(data, option, [word], not) {
    const [low, high, more] = word.split('-')
    if (more !== undefined) throw new Wrong('has more than two addresses')
    const first = parseAddress(low)
    const range: Range = { first, last: high === undefined ? first : parseAddress(high), not }
    if (option === '--src-range') data.source = range
    else data.destination = range
  },
  end(data) {
    if (!data.source && !data.destination) throw new Wrong('lacks --src-range or --dst-range', 0)
  },
  print: (data) => [
    ...printRange('--src-range', data.source),
    ...printRange('--dst-range', data.destination),
  ],
  code(data) {
    const parts = new Parts()
    addRange(parts, data.source, SOURCE)
    addRange(parts, data.destination, DESTINATION)
    return parts.condition()
  },
  shows(data, x) {
    const words: string[] = []
    if (data.source) words.push(`source ${printAddress(x[SOURCE])}`)
    if (data.destination) words.push(`destination ${printAddress(x[DESTINATION])}`)
    return words.join(', ')
  },
}

function addRange(parts: Parts, range: Range | null, register: number): void {
  if (range === null) return
  const first = range.first >>> 0
  const count = (range.last >>> 0) - first
  // A range that ends before it begins holds nothing.
  if (count < 0) parts.ask(String(range.not))
  else {
    const text = `${range.not ? '!' : ''}(((x[${register}]-${first})>>>0)<=${count})`
    parts.ask(text, STATIC, range.not ? [] : cover(register, 0, 32, range.first, range.last))
  }
}

function printRange(option: string, range: Range | null): string[] {
  if (range === null) return []
  return [...negation(range.not), option, `${printAddress(range.first)}-${printAddress(range.last)}`]
}
