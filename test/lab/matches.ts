/** Matches as people write them, at random: their values are those that traffic.ts sends, so that rules are met. */
import type { Random } from './random.ts'

/** Where a rule stands. */
export interface Place {
  table: string
  /** the base chain from which alone it is reached, null if from several */
  hook: string | null
  /** `tcp`, `udp`, `icmp`, or '' */
  protocol: string
  /** of the ruleset: names of tables that the kernel keeps are made with it */
  serial: number
}

type Write = (random: Random, place: Place) => string

export const MARKS = ['0x1', '0x2', '0x3', '0x10', '0x1/0x1', '0x10/0xf0', '0x0', '0xdeadbeef/0xffff0000']
export const services = [22, 53, 80, 443, 5000, 8080]
const addresses = [
  ...['10.0.0.11', '10.0.0.12', '10.0.0.13', '10.0.0.0/24', '10.0.0.12/30', '10.0.0.0/255.0.0.255'],
  ...['203.0.113.5', '203.0.113.0/24', '203.0.113.6/31', '192.0.2.0/24', '192.0.2.12', '198.51.100.2'],
  ...['198.51.100.1', '10.0.0.1', '0.0.0.0/0', '128.0.0.0/1', '10.0.0.13/0.0.0.1'],
]
/** iptables prints no mask with gaps for the addresses of a tuple. */
const plain = addresses.filter((text) => !/255\.0\.0\.255|0\.0\.0\.1$/.test(text))
const states = ['NEW', 'ESTABLISHED', 'RELATED', 'INVALID', 'UNTRACKED']
const flags = ['SYN', 'ACK', 'FIN', 'RST', 'URG', 'PSH']

const no = (random: Random, times = 6) => (random.once(times) ? '! ' : '')
const some = <T>(random: Random, list: readonly T[]) => list.filter(() => random.once(3))
const list = <T>(random: Random, from: readonly T[]) => {
  const chosen = some(random, from)
  return (chosen.length > 0 ? chosen : [random.of(from)]).join(',')
}
const range = (random: Random, low: number, high: number, sign: string) => {
  const [a, b] = [low + random.below(high - low), low + random.below(high - low)].sort((x, y) => x - y)
  return `${a}${sign}${b}`
}

export const address: Write = (random) => random.of(addresses)

function port(random: Random): string {
  const dice = random.below(10)
  if (dice < 6) return String(random.of(services))
  if (dice < 7) return `${random.of(['', '1024'])}:${random.of(['', '6000'])}`.replace(/^:$/, '1:')
  return dice < 8 ? '20000:20050' : range(random, 1, 30_000, ':')
}

/** -s, -d, -i, -o, -f: what stands before the matches. */
export function head(random: Random, place: Place): string {
  const parts: string[] = []
  if (random.once(5)) parts.push(`${no(random)}-s ${address(random, place)}`)
  if (random.once(5)) parts.push(`${no(random)}-d ${address(random, place)}`)
  const names = ['lan', 'wan', 'lan', 'wan', 'la+', 'w+', 'eth9', '+', 'wan-uplink', 'lo']
  const { hook } = place
  if (random.once(4) && (hook === 'PREROUTING' || hook === 'INPUT' || hook === 'FORWARD' || hook === null))
    parts.push(`${no(random)}-i ${random.of(names)}`.replace('! -i +', '-i +'))
  if (random.once(4) && (hook === 'POSTROUTING' || hook === 'OUTPUT' || hook === 'FORWARD' || hook === null))
    parts.push(`${no(random)}-o ${random.of(names)}`.replace('! -o +', '-o +'))
  if (random.once(40)) parts.push(random.of(['-f', '! -f']))
  return parts.join(' ')
}

/** Matches that belong to a protocol. */
const protocols: Record<string, Write[]> = {
  tcp: [
    (random) => `${no(random)}--dport ${port(random)}`,
    (random) => `${no(random)}--dport ${port(random)} ${no(random)}--sport ${port(random)}`,
    (random) =>
      `${no(random)}--tcp-flags ${list(random, flags)} ${random.of([...flags, 'NONE', 'ALL', 'SYN,ACK'])}`,
    (random) => `${no(random)}--syn`,
    (random) => `${no(random)}--tcp-option ${random.of([2, 3, 4, 8])}`,
    (random) => `-m multiport ${no(random)}--${random.of(['dports', 'sports', 'ports'])} ${ports(random)}`,
    (random) => `-m tcpmss ${no(random)}--mss ${random.of(['1:1000', '1360', '536:1360'])}`,
    (random) => `-m ecn ${no(random)}${random.of(['--ecn-tcp-cwr', '--ecn-tcp-ece'])}`,
  ],
  udp: [
    (random) => `${no(random)}--dport ${port(random)}`,
    (random) => `${no(random)}--sport ${port(random)}`,
    (random) => `-m multiport ${no(random)}--${random.of(['dports', 'sports', 'ports'])} ${ports(random)}`,
  ],
  icmp: [
    (random) =>
      `${no(random)}--icmp-type ${random.of(['8', '0', 'echo-request', '3/1', '3', 'any', 'port-unreachable', '11/0', 'time-exceeded', '8/0', 'echo-reply'])}`,
  ],
}

function ports(random: Random): string {
  const many = Array.from({ length: 1 + random.below(4) }, () => String(random.of(services)))
  if (random.once(3)) many.push('20000:20040')
  return many.join(',')
}

function tuple(random: Random, place: Place): string {
  const side = random.of(['orig', 'repl'])
  const end = random.of(['src', 'dst'])
  if (random.once(2)) return `${no(random)}--ct${side}${end} ${random.of(plain)}`
  // Only TCP and UDP have ports in a tuple that rules may ask for.
  if (place.protocol === 'icmp' || place.protocol === '')
    return `${no(random)}--ct${side}${end} ${random.of(plain)}`
  return `${no(random)}--ct${side}${end}port ${port(random).replace(/^:/, '1:').replace(/:$/, ':65535')}`
}

function conntrack(random: Random, place: Place): string {
  const dice = random.below(12)
  if (dice < 6) return `${no(random)}--ctstate ${list(random, [...states, 'SNAT', 'DNAT'])}`
  if (dice < 8)
    return `${no(random)}--ctstatus ${list(random, ['SEEN_REPLY', 'ASSURED', 'CONFIRMED', 'NONE'])}`
  if (dice < 9)
    return `--ctdir ${random.of(['ORIGINAL', 'REPLY'])} ${no(random)}--ctstate ${list(random, states)}`
  if (dice < 10) return `${no(random)}--ctproto ${random.of(['tcp', 'udp', 'icmp'])}`
  return tuple(random, place)
}

function recent(random: Random, place: Place): string {
  const name = `--name r${place.serial}${random.of(['a', 'b'])}`
  const side = random.of(['--rsource', '--rdest', '--mask 255.255.255.0 --rsource'])
  const dice = random.below(6)
  if (dice < 2) return `--set ${name} ${side}`
  if (dice < 3) return `${no(random)}--remove ${name} ${side}`
  const hits = random.of(['', '--hitcount 2', '--seconds 3600', '--seconds 3600 --hitcount 3', '--rttl'])
  return `${no(random)}--${random.of(['rcheck', 'update'])} ${hits} ${name} ${side}`
}

let hashes = 0
function hashlimit(random: Random, place: Place): string {
  const mode = list(random, ['srcip', 'dstip', 'srcport', 'dstport'])
  const masks = mode.includes('srcip') && random.once(3) ? ' --hashlimit-srcmask 30' : ''
  const rate = `--hashlimit-${random.of(['upto', 'above'])} 1/hour --hashlimit-burst ${1 + random.below(6)}`
  const name = `h${place.serial}n${hashes++ % 100_000}`
  return `${rate} --hashlimit-mode ${mode}${masks} --hashlimit-name ${name} --hashlimit-htable-expire 3600000`
}

const u32s = [
  '6&0xFF=6',
  '6&0xFF=1,17',
  '12=0x0a00000b:0x0a00000c',
  '0>>22&0x3C@0>>16=20000:20100',
  '0&0xFFFF=0x20:0x100 && 6&0xFF=17',
  '0>>22&0x3C@12&0xFFFF=1:9999',
  '16&0xFFFFFF00=0xcb007100',
]

function text(random: Random): string {
  const sought = random.of([
    '--string abc',
    '--string "get /"',
    '--hex-string "|0102|x"',
    '--string ABC --icase',
  ])
  const where = random.of(['', '--from 20 --to 60', '--to 40', '--from 28'])
  return `${no(random)}${sought} --algo ${random.of(['bm', 'kmp'])} ${where}`
}

const directions = (random: Random, type: string): string => {
  const side = () => random.of(['src', 'dst'])
  return type.includes(',') ? `${side()},${side()}` : side()
}

/** Names and types of the sets of every ruleset that uses sets; SET adds to `grown`. */
export const sets = {
  addresses: 'hash:ip',
  nets: 'hash:net',
  pairs: 'hash:ip,port',
  networks: 'hash:net,port',
}
export const others = { numbers: 'bitmap:port', timed: 'hash:ip', every: 'list:set' }
export function setUse(random: Random): { name: string; way: string } {
  const [name, type] = random.of(Object.entries({ ...sets, ...others }))
  return { name, way: directions(random, type) }
}

const days = ['Mon,Tue,Wed,Thu,Fri,Sat,Sun', '! Mon', 'Sat,Sun']
function time(random: Random): string {
  const when = ['--datestart 2020-01-01', '--datestop 2021-01-01', '--timestart 00:00 --timestop 23:59:59']
  return random.of([...when, `--weekdays ${days[0]}`])
}

/** Matches of every protocol, each with how often it is written. */
const general: [number, string, Write][] = [
  [10, 'conntrack', conntrack],
  [3, 'state', (random) => `${no(random)}--state ${list(random, states)}`],
  [5, 'mark', (random) => `${no(random)}--mark ${random.of(MARKS)}`],
  [5, 'connmark', (random) => `${no(random)}--mark ${random.of(MARKS)}`],
  [2, 'iprange', iprange],
  [2, 'limit', (random) => `--limit 1/hour --limit-burst ${1 + random.below(20)}`],
  [2, 'hashlimit', hashlimit],
  [
    2,
    'length',
    (random) => `${no(random)}--length ${random.of(['28', '40:60', '100:', ':64', '1000:1500'])}`,
  ],
  [
    2,
    'ttl',
    (random) => random.of([`${no(random)}--ttl-eq ${random.of([63, 64])}`, '--ttl-lt 10', '--ttl-gt 63']),
  ],
  [2, 'tos', (random) => `${no(random)}--tos ${random.of(['0x10', '0x08/0x3f', '0x00', 'Minimize-Delay'])}`],
  [
    2,
    'dscp',
    (random) => random.of([`${no(random)}--dscp 0x02`, '--dscp-class EF', `${no(random)}--dscp 0x00`]),
  ],
  [1, 'ecn', (random) => `${no(random)}--ecn-ip-ect ${random.of([0, 1, 2, 3])}`],
  [1, 'comment', (random) => `--comment ${random.of(['short', '"two words"', '"a \\"quoted\\" one"'])}`],
  [3, 'addrtype', addrtype],
  [1, 'pkttype', (random) => `${no(random)}--pkt-type ${random.of(['unicast', 'broadcast', 'multicast'])}`],
  [1, 'physdev', (random) => `${no(random, 2)}--physdev-is-bridged`],
  [3, 'statistic', nth],
  [3, 'recent', recent],
  [2, 'u32', (random) => `${no(random)}--u32 "${random.of(u32s)}"`],
  [2, 'string', text],
  [1, 'time', time],
  [2, 'quota', (random) => `${no(random)}--quota ${random.of([0, 100, 500, 3000])}`],
  [3, 'connbytes', connbytes],
  [5, 'set', (random) => setMatch(random)],
  [2, 'mac', (random) => `${no(random)}--mac-source 02:00:00:00:01:0${random.below(5)}`],
  [
    1,
    'rpfilter',
    (random) => list(random, ['--loose', '--invert', '--validmark', '--accept-local']).replaceAll(',', ' '),
  ],
]

function iprange(random: Random): string {
  const inside = `10.0.0.${range(random, 1, 16, '-10.0.0.')}`
  return `${no(random)}--${random.of(['src', 'dst'])}-range ${random.of([inside, '192.0.2.0-203.0.113.5'])}`
}

function addrtype(random: Random, { hook }: Place): string {
  const kind = random.of(['LOCAL', 'UNICAST', 'BROADCAST', 'LOCAL,UNICAST', 'MULTICAST', 'UNSPEC'])
  const limit = hook === 'PREROUTING' || hook === 'INPUT' ? random.of(['', '', ' --limit-iface-in']) : ''
  return `${no(random)}--${random.of(['src', 'dst'])}-type ${kind}${limit}`
}

function nth(random: Random): string {
  const every = 1 + random.below(5)
  return `--mode nth ${no(random)}--every ${every} --packet ${random.below(every)}`
}

function connbytes(random: Random): string {
  const what = random.of(['packets', 'bytes', 'avgpkt'])
  const scale = { packets: ['1:3', '2', '3:'], bytes: ['1:100', '200', '60:1000'], avgpkt: ['40:60', '100'] }[
    what
  ]!
  return `${no(random)}--connbytes ${random.of(scale)} --connbytes-mode ${what} --connbytes-dir ${random.of(['original', 'reply', 'both'])}`
}

function setMatch(random: Random): string {
  const { name, way } = setUse(random)
  return `${no(random)}--match-set ${name} ${way}`
}

const total = general.reduce((sum, [weight]) => sum + weight, 0)

function isAllowed(name: string, { table, hook }: Place): boolean {
  if (name === 'mac') return hook === 'PREROUTING' || hook === 'INPUT' || hook === 'FORWARD'
  if (name === 'rpfilter') return hook === 'PREROUTING' && (table === 'raw' || table === 'mangle')
  // A chain of nat is asked only once a flow; what the kernel does with a state of its own there is the same, and seldom met.
  return true
}

/** Up to three matches, the protocol's own first. */
export function matches(random: Random, place: Place): string {
  const parts: string[] = []
  const own = protocols[place.protocol]
  if (own !== undefined && random.once(2)) {
    const write = random.of(own)(random, place)
    parts.push(write.startsWith('-m') ? write : `-m ${place.protocol} ${write}`)
  }
  const met = new Set<string>()
  for (let count = random.of([0, 0, 1, 1, 1, 1, 2, 3]); count > 0; count--) {
    let dice = random.below(total)
    const [, name, write] = general.find(([weight]) => (dice -= weight) < 0)!
    if (met.has(name) || parts.some((part) => part.startsWith(`-m ${name} `)) || !isAllowed(name, place))
      continue
    met.add(name)
    parts.push(`-m ${name} ${write(random, place)}`)
  }
  return parts.join(' ')
}
