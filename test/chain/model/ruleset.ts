/** Random rulesets over few values, so that packets meet their rules, in stretches of like rules, so that lookups come about. */
import type { Context } from '../../../src/chain/compile.ts'
import * as x from '../../../src/chain/registers.ts'
import type { Random } from '../../lab/random.ts'

export const NAMES = ['lan', 'dmz', 'tap0', 'tap1']
const PORTS = ['tap0', 'tap1']
const CHAINS = 4

export const world: Context = {
  kindOf: (name) => (PORTS.includes(name) ? 'port' : NAMES.includes(name) ? 'network' : null),
  set: () => null,
}

const address = (random: Random) => 0x0a000000 + random.below(4) * 256 + random.below(8)

function dotted(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.')
}

/** One part of a rule, as a stretch of rules has it. */
type Part = (random: Random) => string

function net(option: string, bits: number): Part {
  return (random) => `${option} ${dotted(address(random) & (-1 << (32 - bits)))}/${bits}`
}

const parts: readonly Part[] = [
  net('-s', 32),
  net('-d', 32),
  net('-s', 31),
  net('-d', 24),
  net('! -s', 30),
  net('! -d', 32),
  (random) => `-i ${random.of(NAMES)}`,
  (random) => `-o ${random.of(NAMES)}`,
  (random) => `! -i ${random.of(NAMES)}`,
  (random) => `-i ${random.of(['ta+', 'tap+', 'l+', 'dm+'])}`,
]
const transports: readonly Part[] = [
  () => '',
  (random) => `-p ${random.of(['tcp', 'udp', 'icmp'])}`,
  () => '! -p tcp',
  (random) => `-p tcp -m tcp --dport ${random.below(6)}`,
  (random) => `-p tcp -m tcp --dport ${random.below(6)}`,
  (random) => `-p udp -m udp --sport ${random.below(6)} --dport ${random.below(6)}`,
  (random) => `-p udp -m udp ! --dport ${random.below(6)}`,
  (random) => `-p tcp -m tcp --sport ${random.below(3)}:${3 + random.below(3)}`,
  (random) => `-p udp -m multiport --dports ${random.below(3)},${3 + random.below(3)}`,
  (random) => `-p udp -m multiport --sports ${random.below(3)}:${3 + random.below(3)},${random.below(6)}`,
  (random) => `-p tcp -m tcp --dport ${random.below(4)}:${3 + random.below(4)} --sport ${random.below(3)}:4`,
]
/** Ranges far apart, so that they become lookups. */
const spread: readonly Part[] = [
  (random) => `-p tcp -m tcp --dport ${wide(random, 2000)}`,
  (random) => `-p tcp -m tcp --sport ${random.below(3)} --dport ${wide(random, 2000)}`,
  (random) =>
    `-p udp -m multiport --dports ${wide(random, 1000)},${1100 + random.below(500)},${random.below(9)}`,
  (random) => `-p tcp -m multiport --ports ${random.below(2000)},${random.below(2000)}`,
]

function wide(random: Random, end: number): string {
  const first = random.below(end)
  return `${first}:${first + random.of([0, 1, 7, 30, 90])}`
}

const matches: readonly Part[] = [
  () => '',
  () => '',
  () => '-m conntrack --ctstate NEW,RELATED',
  (random) => `-m length --length ${random.below(60)}:${60 + random.below(60)}`,
  (random) => `-m mark --mark 0x${random.below(4)}`,
  (random) => `-m mark ! --mark 0x${random.below(2)}/0x3`,
  (random) => `-m iprange --src-range 10.0.${random.below(2)}.0-10.0.${2 + random.below(2)}.3`,
]

function target(random: Random, chain: number): Part {
  const later = () => `c${chain + 1 + random.below(CHAINS - chain)}`
  const jump = chain < CHAINS ? [() => `-j ${later()}`, () => `-g ${later()}`] : []
  return random.of([
    () => '',
    () => '-j ACCEPT',
    () => `-j ${random.of(['ACCEPT', 'DROP', 'RETURN'])}`,
    () => `-j MARK --set-xmark 0x${random.below(4)}/0xffffffff`,
    ...jump,
  ])
}

/** Like rules, or one alone. */
function stretch(random: Random, chain: number): string[] {
  const count = random.once(3) ? 1 : 8 + random.below(40)
  const chosen = [0, 1].map(() => random.of(parts)).filter((_, index) => index === 0 || random.once(2))
  const options = new Set<string>()
  const fitting = chosen.filter((part) => {
    const option = /-[sdio]/.exec(part(random))![0]
    return !options.has(option) && options.add(option)
  })
  const all = random.once(4) ? [random.of(spread)] : [...fitting, random.of(transports), random.of(matches)]
  const ends = random.once(2) ? target(random, chain) : null
  return Array.from({ length: count }, () => {
    const words = [...all.map((part) => part(random)), (ends ?? target(random, chain))(random)]
    return words.filter((word) => word !== '').join(' ')
  })
}

export function text(random: Random): string {
  const lines = ['*mangle', `:FORWARD ${random.of(['ACCEPT', 'DROP'])} [0:0]`]
  for (let chain = 1; chain <= CHAINS; chain++) lines.push(`:c${chain} - [0:0]`)
  for (let chain = 0; chain <= CHAINS; chain++) {
    const name = chain === 0 ? 'FORWARD' : `c${chain}`
    for (let n = chain === 0 ? 1 + random.below(5) : random.below(4); n > 0; n--) {
      for (const rule of stretch(random, chain)) lines.push(`-A ${name} ${rule}`)
    }
  }
  return `${lines.join('\n')}\nCOMMIT\n`
}

/** What another packet of the same flow may have otherwise. */
export function other(random: Random, names: readonly string[]): Record<number, number> {
  const all = packet(random, names)
  return Object.fromEntries([x.LENGTH, x.IN_PORT, x.OUT_PORT].map((register) => [register, all[register]]))
}

/** A packet's registers; `names` are those that the rules in force mention. */
export function packet(random: Random, names: readonly string[]): Record<number, number> {
  const number = (wanted: 'port' | 'network') => {
    const known = names.map((name, at) => (world.kindOf(name) === wanted ? at + 1 : 0)).filter((id) => id > 0)
    return random.of([0, ...known, ...known])
  }
  const protocol = random.of([6, 6, 17, 17, 1, 47])
  return {
    [x.SOURCE]: address(random),
    [x.DESTINATION]: address(random),
    [x.PORTS]: protocol === 47 ? 0 : (random.below(6) << 16) | random.below(random.of([6, 2100])),
    [x.PROTOCOL]: protocol,
    [x.IN_NETWORK]: number('network'),
    [x.IN_PORT]: number('port'),
    [x.OUT_NETWORK]: number('network'),
    [x.OUT_PORT]: number('port'),
    [x.LENGTH]: random.below(130),
    [x.STATE]: random.of([x.STATE_NEW, x.STATE_ESTABLISHED, x.STATE_RELATED, x.STATE_INVALID]),
    [x.MARK]: random.below(4),
    // Headers are not looked at, but code may ask where they end.
    [x.NETWORK]: 0,
    [x.TRANSPORT]: 20,
    [x.END]: 1000,
  }
}
