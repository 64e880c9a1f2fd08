/** -m multiport: up to fifteen ports, a range counts as two. */
import { type MatchKind, STATIC, Wrong } from '../extension.ts'
import { cover, KEY_PORTS } from '../lookup.ts'
import { DCCP, parsePort, printPorts, SCTP, TCP, UDP, UDPLITE } from '../protocol.ts'
import { PORTS } from '../registers.ts'
import { negation, Parts } from './ip.ts'
import { addPort, portOf, within } from './udp.ts'

type Side = '--sports' | '--dports' | '--ports'

interface Multiport {
  side: Side | null
  ranges: [number, number][]
  not: boolean
}

const COUNT = 15

export const multiport: MatchKind<Multiport> = {
  name: 'multiport',
  protocols: [TCP, UDP, UDPLITE, SCTP, DCCP],
  options: {
    '--sports': { words: 1, negatable: true },
    '--dports': { words: 1, negatable: true },
    '--ports': { words: 1, negatable: true },
    '--source-ports': '--sports',
    '--destination-ports': '--dports',
  },
  begin: () => ({ side: null, ranges: [], not: false }),
  take(data, option, [word], not) {
    if (data.side !== null) throw new Wrong(`does not go with ${data.side}`, 0)
    data.side = option as Side
    data.not = not
    data.ranges = word.split(',').map(parseRange)
    const count = data.ranges.reduce((sum, [first, last]) => sum + (first === last ? 1 : 2), 0)
    if (count > COUNT) throw new Wrong(`has more than ${COUNT} ports, where a range counts as two`)
  },
  end(data) {
    if (data.side === null) throw new Wrong('lacks --sports, --dports or --ports', 0)
  },
  print: (data) => [...negation(data.not), data.side ?? '', data.ranges.map(printPorts).join(',')],
  code(data) {
    const parts = new Parts()
    const shifts = data.side === '--ports' ? [16, 0] : data.side === '--sports' ? [16] : [0]
    if (shifts.length === 1 && data.ranges.length === 1) {
      addPort(parts, { ports: data.ranges[0], not: data.not }, shifts[0])
      return parts.condition()
    }
    const asked = shifts.flatMap((shift) => data.ranges.map((range) => within(portOf(shift), range, false)))
    const covers = data.ranges.map(([first, last]) => cover(KEY_PORTS, shifts[0], 16, first, last))
    const isCovered = !data.not && shifts.length === 1 && covers.every((each) => each.length > 0)
    parts.ask(`${data.not ? '!' : ''}(${asked.join('||')})`, STATIC, isCovered ? covers.flat() : [])
    return parts.condition()
  },
  shows: (_data, x) => `sport ${x[PORTS] >>> 16}, dport ${x[PORTS] & 0xffff}`,
}

function parseRange(text: string): [number, number] {
  const [low, high, more] = text.split(':')
  if (more !== undefined) throw new Wrong('has a range of more than two ports')
  const first = parsePort(low)
  const last = high === undefined ? first : parsePort(high)
  if (first > last) throw new Wrong('has a range that ends before it begins')
  return [first, last]
}
