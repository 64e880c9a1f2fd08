/** Rulesets at random, of everything that the kernel has: four tables, user chains, sets. */
import { head, matches, type Place, services } from './matches.ts'
import type { Random } from './random.ts'
import { target } from './targets.ts'

export interface Line {
  table: string
  chain: string
  /** what stands behind `-A CHAIN` */
  text: string
}

export interface Written {
  sets: string
  /** chains with their policies, `-` for user chains */
  chains: { table: string; name: string; policy: string }[]
  lines: Line[]
}

const bases: Record<string, string[]> = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
}

/** How many rules a base chain gets at most; FORWARD is where most packets come by. */
const most: Record<string, number> = {
  'raw PREROUTING': 3,
  'raw OUTPUT': 2,
  'mangle PREROUTING': 4,
  'mangle INPUT': 2,
  'mangle FORWARD': 4,
  'mangle OUTPUT': 2,
  'mangle POSTROUTING': 4,
  'nat PREROUTING': 4,
  'nat INPUT': 1,
  'nat OUTPUT': 1,
  'nat POSTROUTING': 3,
  'filter INPUT': 4,
  'filter FORWARD': 12,
  'filter OUTPUT': 3,
}

/** The ruleset as iptables-restore reads it. */
export function textOf({ chains, lines }: Written): string {
  const parts: string[] = []
  for (const table of Object.keys(bases)) {
    parts.push(`*${table}`)
    for (const chain of chains) if (chain.table === table) parts.push(`:${chain.name} ${chain.policy} [0:0]`)
    // Where no rule at all is in force, ours drops what is INVALID by itself.
    if (table === 'filter') parts.push('-A OUTPUT -m comment --comment "in force"')
    for (const line of lines) if (line.table === table) parts.push(`-A ${line.chain} ${line.text}`)
    parts.push('COMMIT')
  }
  return `${parts.join('\n')}\n`
}

/** Without what nothing refers to any more: chains and sets, for who makes it smaller. */
export function tidied(written: Written): Written {
  const names = new Set(written.lines.flatMap(({ text }) => text.split(' ')))
  const chains = written.chains.filter(({ name, policy }) => policy !== '-' || names.has(name))
  const kept = new Set(chains.map(({ table, name }) => `${table} ${name}`))
  const lines = written.lines.filter(({ table, chain }) => kept.has(`${table} ${chain}`))
  const isUsed = lines.some(({ text }) => / set | SET /.test(` ${text} `))
  const tidy = { sets: isUsed ? written.sets : '', chains, lines }
  return lines.length === written.lines.length && chains.length === written.chains.length
    ? tidy
    : tidied(tidy)
}

/** A protocol as a rule names it, and which matches may follow. */
function protocol(random: Random): { text: string; name: string } {
  const dice = random.below(20)
  if (dice < 10) return { text: '', name: '' }
  if (dice < 14) return { text: '-p tcp', name: 'tcp' }
  if (dice < 17) return { text: '-p udp', name: 'udp' }
  if (dice < 19) return { text: '-p icmp', name: 'icmp' }
  if (random.once(2)) return { text: `! -p ${random.of(['tcp', 'udp', 'icmp'])}`, name: '' }
  return { text: `-p ${random.of(['47', 'sctp', '132', '0'])}`, name: '' }
}

function rule(random: Random, place: Place, chains: string[]): string {
  const asked = protocol(random)
  const here = { ...place, protocol: asked.name }
  const isJump = chains.length > 0 && random.once(5)
  const way = random.once(4) ? '-g' : '-j'
  const aim = isJump ? { text: random.of(chains) } : target(random, here)
  const jump = aim.text === '' ? '' : `${isJump ? way : '-j'} ${aim.text}`
  const needs = 'needs' in aim ? (aim.needs ?? '') : ''
  // What a target needs stands alone: beside it stands only what cannot say the opposite.
  if (needs !== '')
    return [needs, random.once(3) ? '-m conntrack --ctstate NEW' : '', jump].filter(Boolean).join(' ')
  return [head(random, place), asked.text, matches(random, here), jump].filter(Boolean).join(' ')
}

/** User chains of a table: each is for one base chain or, with hook null, for several. */
interface User {
  name: string
  hook: string | null
}

function users(random: Random, table: string): User[] {
  const count = random.below(table === 'filter' ? 5 : 3)
  return Array.from({ length: count }, (_, n) => {
    const isShared = table !== 'nat' && random.once(3)
    const hook = isShared
      ? null
      : random.of(table === 'filter' ? ['FORWARD', 'FORWARD', 'INPUT'] : bases[table])
    return { name: `${table.toUpperCase()}${n}`, hook }
  })
}

const first = [
  '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
  '-m conntrack --ctstate INVALID -j DROP',
  '-m conntrack --ctstate ESTABLISHED -j ACCEPT',
  '-m set --match-set pairs dst,dst -j ACCEPT',
]

function policy(random: Random, table: string, hook: string): string {
  if (table === 'nat') return 'ACCEPT'
  if (table === 'filter') return random.once(4) ? 'DROP' : 'ACCEPT'
  return random.once(hook === 'OUTPUT' ? 20 : 40) ? 'DROP' : 'ACCEPT'
}

/** Runs of rules that differ only in values, as lookups are made of. */
function run(random: Random, table: string, chain: string): Line[] {
  const hosts = [
    '10.0.0.11',
    '10.0.0.12',
    '10.0.0.13',
    '10.0.0.14',
    '203.0.113.5',
    '203.0.113.6',
    '192.0.2.7',
  ]
  const masks = random.of([[32], [32, 24], [32, 28, 16]])
  const isPorts = random.once(2)
  const aim = table === 'mangle' ? ['MARK --set-xmark 0x1', 'ACCEPT'] : ['ACCEPT', 'DROP', 'RETURN', 'REJECT']
  return Array.from({ length: 8 + random.below(20) }, () => {
    const way = random.of(['-s', '-d', '-d'])
    const ports = isPorts ? ` -p ${random.of(['tcp', 'udp'])} --dport ${random.of(services)}` : ''
    const extra = random.once(8) ? ' -m connmark ! --mark 0x3' : ''
    return {
      table,
      chain,
      text: `${way} ${random.of(hosts)}/${random.of(masks)}${ports}${extra} -j ${random.of(aim)}`,
    }
  })
}

function table(random: Random, name: string, serial: number, written: Written): void {
  const own = users(random, name)
  for (const hook of bases[name])
    written.chains.push({ table: name, name: hook, policy: policy(random, name, hook) })
  for (const user of own) written.chains.push({ table: name, name: user.name, policy: '-' })
  for (const hook of bases[name]) {
    const reachable = own.filter((user) => user.hook === null || user.hook === hook).map((user) => user.name)
    if (name === 'filter' && !random.once(4))
      written.lines.push({ table: name, chain: hook, text: random.of(first) })
    if (hook === 'FORWARD' && random.once(6)) written.lines.push(...run(random, name, hook))
    const place = { table: name, hook, protocol: '', serial }
    const isQuiet = name !== 'filter' && name !== 'nat' && random.once(2)
    for (let count = isQuiet ? 0 : random.below(most[`${name} ${hook}`] + 1); count > 0; count--)
      written.lines.push({ table: name, chain: hook, text: rule(random, place, reachable) })
  }
  own.forEach(({ name: chain, hook }, n) => {
    // A chain calls only those behind it that no other hook is bound to: no circle.
    const below = own.slice(n + 1).filter((user) => user.hook === hook || user.hook === null)
    const place = { table: name, hook, protocol: '', serial }
    for (let count = random.below(5); count > 0; count--)
      written.lines.push({
        table: name,
        chain,
        text: rule(
          random,
          place,
          below.map((user) => user.name),
        ),
      })
  })
}

function sets(random: Random): string {
  const hosts = [
    '10.0.0.11',
    '10.0.0.12',
    '10.0.0.13',
    '203.0.113.5',
    '203.0.113.6',
    '192.0.2.7',
    '198.51.100.2',
  ]
  const nets = ['10.0.0.0/28', '10.0.0.12/31', '203.0.113.0/24', '192.0.2.0/25', '198.51.100.0/24']
  const port = () => `${random.of(['tcp', 'udp'])}:${random.of(services)}`
  const lines = [
    'create addresses hash:ip family inet hashsize 64 maxelem 1024',
    'create nets hash:net family inet hashsize 64 maxelem 1024',
    'create pairs hash:ip,port family inet hashsize 64 maxelem 1024',
    'create networks hash:net,port family inet hashsize 64 maxelem 1024',
    'create numbers bitmap:port range 1-30000',
    'create timed hash:ip family inet hashsize 64 maxelem 1024 timeout 600',
    'create every list:set size 8',
  ]
  const add = (name: string, ...entries: string[]) => {
    for (const entry of new Set(entries)) lines.push(`add ${name} ${entry}`)
  }
  const many = <T>(make: () => T) => Array.from({ length: 1 + random.below(4) }, make)
  add('addresses', ...many(() => random.of(hosts)))
  add('nets', ...many(() => random.of(nets)))
  if (random.once(2)) add('nets', '10.0.0.12/32 nomatch')
  add('pairs', ...many(() => `${random.of(hosts)},${port()}`))
  add('networks', ...many(() => `${random.of(nets)},${port()}`))
  add('numbers', ...many(() => String(random.of(services))))
  add('timed', ...many(() => random.of(hosts)))
  add('every', random.of(['addresses', 'timed']), 'nets')
  return `${lines.join('\n')}\n`
}

/** A ruleset, its name `serial`: what the kernel keeps under a name is no other ruleset's. */
export function ruleset(random: Random, serial: number): Written {
  const written: Written = { sets: sets(random), chains: [], lines: [] }
  for (const name of Object.keys(bases)) {
    if (name !== 'filter' && random.once(3)) {
      for (const hook of bases[name]) written.chains.push({ table: name, name: hook, policy: 'ACCEPT' })
    } else table(random, name, serial, written)
  }
  const { lines } = written
  return tidied(plain({ ...written, lines: lines.map((line) => silent(line, lines)) }))
}

/**
 * What OUTPUT rejects the kernel tells itself, over its loopback interface, by OUTPUT again; a gateway that has no such interface drops it. So
 * nothing that OUTPUT may come to rejects.
 */
function silent(line: Line, lines: Line[]): Line {
  const isUser = !['INPUT', 'FORWARD', 'OUTPUT'].includes(line.chain)
  const leaves = lines.some(
    ({ table, chain, text }) =>
      table === 'filter' && chain === 'OUTPUT' && / -[jg] [A-Z]+\d/.test(` ${text}`),
  )
  if (line.table !== 'filter' || !(isUser ? leaves : line.chain === 'OUTPUT')) return line
  return { ...line, text: line.text.replace(/-j REJECT.*/, '-j DROP') }
}

/** Behind CT --zone the raw table sees the kernel's template of a connection, which is nobody's: what asks for connections is left out there. */
function plain(written: Written): Written {
  const isRaw = ({ table }: Line) => table === 'raw'
  if (!written.lines.some((line) => isRaw(line) && line.text.includes('--zone'))) return written
  const asks = /-m (conntrack|state|connmark|connbytes)|CONNMARK/
  return { ...written, lines: written.lines.filter((line) => !isRaw(line) || !asks.test(line.text)) }
}
