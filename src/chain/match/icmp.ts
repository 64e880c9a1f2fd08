/** -m icmp: type and code, by number or by iptables' names. */
import type { MatchKind } from '../extension.ts'
import { Wrong } from '../extension.ts'
import { KEY_PORTS } from '../lookup.ts'
import { integer } from '../number.ts'
import { ICMP } from '../protocol.ts'
import { PORTS } from '../registers.ts'
import { negation, Parts } from './ip.ts'

interface Icmp {
  /** ANY: every message */
  type: number
  /** ANY: every code */
  code: number
  not: boolean
}

const ANY = 255

/** Types with the names of their codes in order, `-` for a code without one; iptables prints numbers. */
const NAMES: [type: number, names: string, codes: string][] = [
  [0, 'echo-reply pong', ''],
  [
    3,
    'destination-unreachable',
    `network-unreachable host-unreachable protocol-unreachable port-unreachable fragmentation-needed source-route-failed network-unknown
host-unknown - network-prohibited host-prohibited TOS-network-unreachable TOS-host-unreachable communication-prohibited
host-precedence-violation precedence-cutoff`,
  ],
  [4, 'source-quench', ''],
  [5, 'redirect', 'network-redirect host-redirect TOS-network-redirect TOS-host-redirect'],
  [8, 'echo-request ping', ''],
  [9, 'router-advertisement', ''],
  [10, 'router-solicitation', ''],
  [11, 'time-exceeded ttl-exceeded', 'ttl-zero-during-transit ttl-zero-during-reassembly'],
  [12, 'parameter-problem', 'ip-header-bad required-option-missing'],
  [13, 'timestamp-request', ''],
  [14, 'timestamp-reply', ''],
  [17, 'address-mask-request', ''],
  [18, 'address-mask-reply', ''],
  [ANY, 'any', ''],
]

/** type << 8 | code by name in lower case */
const types = new Map<string, number>()
for (const [type, names, codes] of NAMES) {
  for (const name of names.split(' ')) types.set(name, (type << 8) | ANY)
  codes.split(/\s+/).forEach((name, code) => {
    if (name.length > 1) types.set(name.toLowerCase(), (type << 8) | code)
  })
}

export const icmp: MatchKind<Icmp> = {
  name: 'icmp',
  protocols: [ICMP],
  options: { '--icmp-type': { words: 1, negatable: true } },
  begin: () => ({ type: -1, code: ANY, not: false }),
  take(data, _option, [word], not) {
    const named = /^\d/.test(word) ? undefined : meaning(word.toLowerCase())
    const [type, code, more] = word.split('/')
    if (named === undefined && more !== undefined) throw new Wrong('has more than a type and a code')
    data.type = named === undefined ? integer(type, 0, 255) : named >>> 8
    data.code = named === undefined ? (code === undefined ? ANY : integer(code, 0, 255)) : named & 255
    if (data.type === ANY) data.code = ANY
    data.not = not
  },
  end(data) {
    if (data.type < 0) throw new Wrong('lacks --icmp-type', 0)
  },
  print: (data) => [...negation(data.not), '--icmp-type', printType(data)],
  code(data) {
    const parts = new Parts()
    if (data.type === ANY) {
      if (data.not) parts.ask('false')
      return parts.condition()
    }
    const mask = data.code === ANY ? 0xff00 : 0xffff
    const value = data.code === ANY ? data.type << 8 : (data.type << 8) | data.code
    if (data.not) parts.ask(`(x[${PORTS}]&${mask})!==${value}`)
    else parts.fix(`(x[${PORTS}]&${mask})===${value}`, { word: KEY_PORTS, value, mask })
    return parts.condition()
  },
  shows: (_data, x) => `type ${(x[PORTS] >>> 8) & 255}, code ${x[PORTS] & 255}`,
}

function meaning(name: string): number {
  const exact = types.get(name)
  if (exact !== undefined) return exact
  const found = [...types.keys()].filter((each) => each.startsWith(name))
  if (found.length > 1) throw new Wrong(`may mean ${found.join(' or ')}`)
  if (found.length === 0) throw new Wrong('is no type of ICMP message')
  return types.get(found[0]) as number
}

function printType({ type, code }: Icmp): string {
  if (type === ANY) return 'any'
  return code === ANY ? String(type) : `${type}/${code}`
}
