/** Random rulesets of matches that remember nothing, random packets for them, and a walk through. */
import { makeMatcher } from '../../src/chain/matchers.ts'
import * as R from '../../src/chain/registers.ts'
import type { Hook, Ruleset, TableName } from '../../src/chain/rule.ts'
import { type Step, Walk } from '../../src/chain/walk.ts'
import { Ground } from './condition.ts'
import type { Random } from './random.ts'

/** What bears names there, and their numbers in the registers. */
export const NAMES: Record<string, 'port' | 'network'> = {
  vm1: 'port',
  vm2: 'port',
  default: 'network',
  other: 'network',
}
const names = ['', ...Object.keys(NAMES)]

const ADDRESSES = [0x0a000001, 0x0a000002, 0x0a000101, 0x0a010101, 0xc0a80001 | 0, 0x08080808]
const PORTS = [22, 53, 80, 443, 1024]
const STATES = [R.STATE_NEW, R.STATE_ESTABLISHED, R.STATE_RELATED, R.STATE_INVALID]

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.')
}

/** One random condition or none. */
function condition(random: Random): string {
  const not = random.once(5) ? '! ' : ''
  const net = `${dotted(random.of(ADDRESSES))}/${random.of([8, 16, 24, 32])}`
  const port = `${not}--${random.of(['dport', 'sport'])} ${random.of([String(random.of(PORTS)), '1:1023', '53:443'])}`
  return random.of([
    `${not}-s ${net}`,
    `${not}-d ${net}`,
    `${not}-i ${random.of(['vm1', 'vm2', 'default', 'vm+'])}`,
    `${not}-o ${random.of(['vm2', 'other', 'oth+'])}`,
    `${not}-p ${random.of(['tcp', 'udp', 'icmp'])}`,
    `-p tcp ${port}`,
    `-p udp ${port}`,
    '-p tcp --syn',
    `-p tcp -m multiport ${not}--dports 22,80,100:500`,
    `-m conntrack ${not}--ctstate ${random.of(['NEW', 'RELATED,ESTABLISHED', 'INVALID'])}`,
    `-m iprange ${not}--src-range 10.0.0.1-10.0.1.1`,
    `-m mark ${not}--mark ${random.below(3)}`,
    '-m ttl --ttl-gt 63',
    `-m length ${not}--length 30:50`,
    '-m comment --comment x',
    '',
  ])
}

/** A table with FORWARD and a few chains, jumps that lead downwards, and rules that often overlap. */
export function rules(random: Random, table: 'filter' | 'mangle' = 'filter'): string {
  const chains = ['a', 'b', 'c'].slice(0, random.below(4))
  const lines = chains.map((name) => `:${name} - [0:0]`)
  const below = (name: string) => chains.slice(chains.indexOf(name) + 1)
  const other = table === 'filter' ? '-j REJECT' : `-j MARK --set-mark ${random.below(3)}`
  const targets = ['-j ACCEPT', '-j DROP', '-j RETURN', other, '', '-j ACCEPT']
  for (const chain of ['FORWARD', ...chains]) {
    const count = 1 + random.below(8)
    const jumps = below(chain).flatMap((name) => [`-j ${name}`, `-g ${name}`])
    for (let n = 0; n < count; n++) {
      const target = random.of([...targets, ...jumps, ...jumps])
      const asked = [condition(random), condition(random)].sort((a, b) => a.length - b.length)
      // Two conditions that name the same option would be refused.
      const options = (text: string): string[] => text.match(/-{1,2}[a-z]+|conntrack/g) ?? []
      const both = options(asked[0]).some((option) => option !== '-m' && options(asked[1]).includes(option))
      lines.push(['-A', chain, ...(both ? [asked[1]] : asked).filter(Boolean), target].join(' ').trim())
    }
  }
  return [`*${table}`, `:FORWARD ${random.of(['ACCEPT', 'DROP'])} [0:0]`, ...lines, 'COMMIT', ''].join('\n')
}

export class Stroll {
  readonly ground = new Ground(makeMatcher)
  private readonly ruleset: Ruleset
  private borne: Record<number, string> = {}
  private bytes = new Uint8Array(0)
  private registers: Record<number, number> = {}
  steps: Step[] = []

  constructor(ruleset: Ruleset) {
    this.ruleset = ruleset
  }

  /** Lays down a random packet; names are those of NAMES, by their place from 1 on. */
  packet(random: Random): void {
    const protocol = random.of([1, 6, 6, 17, 17, 47])
    const bytes = new Uint8Array(40)
    const view = new DataView(bytes.buffer)
    bytes[0] = 0x45
    view.setUint16(2, 40)
    bytes[8] = 64
    bytes[9] = protocol
    view.setInt32(12, random.of(ADDRESSES))
    view.setInt32(16, random.of(ADDRESSES))
    view.setUint16(20, protocol === 1 ? 0x0800 : random.of(PORTS))
    view.setUint16(22, random.of(PORTS))
    bytes[32] = 0x50
    bytes[33] = random.of([0x02, 0x10, 0x12, 0x11])
    this.borne = {
      [R.IN_PORT]: random.of(['vm1', 'vm2', '']),
      [R.IN_NETWORK]: random.of(['default', 'other']),
      [R.OUT_PORT]: random.of(['vm2', '']),
      [R.OUT_NETWORK]: random.of(['default', 'other']),
    }
    this.bytes = bytes
    this.registers = { [R.STATE]: random.of(STATES), [R.MARK]: random.below(3) }
    this.load((name) => names.indexOf(name))
  }

  /** Lays the same packet down once more; `number` gives the names that it bears their numbers, '' 0. */
  load(number: (name: string) => number): void {
    const borne = Object.entries(this.borne).map(([register, name]) => [register, number(name)])
    this.ground.load(this.bytes, { ...this.registers, ...Object.fromEntries(borne) })
  }

  /** Walks for the packet that lies there: the verdict. */
  walk(table: TableName, hook: Hook): number {
    const { footing, flows, arena } = this.ground
    const walk = new Walk(this.ruleset, {
      footing,
      view: arena.view,
      words: flows.words,
      make: makeMatcher,
      kindOf: (name) => NAMES[name] ?? null,
      set: () => null,
    })
    for (const name of names.slice(1)) walk.number(name)
    const verdict = walk.run(table, hook)
    this.steps = walk.steps
    return verdict
  }

  close(): void {
    this.ground.close()
  }
}
