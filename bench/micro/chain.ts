/** What a filter costs: packets that no rule stops, against ever more rules of several kinds. */

import type { SetPlace } from '../../src/chain/extension.ts'
import * as x from '../../src/chain/registers.ts'
import { restore } from '../../src/chain/restore.ts'
import { FILTER, FORWARD } from '../../src/chain/rule.ts'
import * as entry from '../../src/table/entry.ts'
import { SetTable } from '../../src/table/set.ts'
import * as shape from '../../src/table/shape.ts'
import { Chains } from '../../test/lab/chains.ts'
import type { Case } from './case.ts'

/** Packets that one timed call filters, all different. */
const PACKETS = 4096
const SIZES = [10, 100, 1000, 10_000]

/** The same numbers every time: of a linear congruence. */
class Dice {
  private state = 1

  below(end: number): number {
    this.state = (Math.imul(this.state, 1103515245) + 12345) & 0x7fffffff
    return (this.state >>> 8) % end
  }
}

/** Rules of a kind: the text of rule n. */
type Writer = (n: number, dice: Dice) => string

/** Lengths of prefixes, 25 of them, as many as masks are wanted from the left. */
const LENGTHS = [
  24, 16, 28, 20, 32, 8, 22, 18, 26, 12, 30, 10, 14, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31,
]

/** Prefix, protocol and port under so many masks. */
function prefixes(masks: number): Writer {
  return (n, dice) => {
    const bits = LENGTHS[n % masks]
    const network = (0x0a000000 + dice.below(2 ** 24)) & (-1 << (32 - bits))
    const address = [24, 16, 8, 0].map((shift) => (network >>> shift) & 255).join('.')
    return `-A FORWARD -d ${address}/${bits} -p tcp -m tcp --dport ${1 + dice.below(65_535)} -j ACCEPT`
  }
}

const ranges: Writer = (_n, dice) => {
  const [port, length] = [1 + dice.below(60_000), dice.below(100)]
  return `-A FORWARD -p tcp -m tcp --dport ${port}:${port + length} -m length --length 1500 -j ACCEPT`
}

/** What no key can be made of. */
const loose: Writer = (_n, dice) =>
  `-A FORWARD -p tcp -m tcp ! --dport ${1 + dice.below(60_000)} -m length --length ${1000 + dice.below(500)} -j ACCEPT`

const SETS = 8
const MEMBERS = 1000

/** A port, and a set that the source has to be in. */
const sets: Writer = (n, dice) =>
  `-A FORWARD -p tcp -m tcp --dport ${1 + dice.below(65_535)} -m set --match-set s${n % SETS} src -j ACCEPT`

/** Sets of addresses in an arena, none of which a packet comes from. */
function filled({ arena }: Chains, name: string): SetPlace {
  const made = { type: shape.HASH_IP, capacity: 65_536, timeoutMs: -1, netmask: 32, first: 0, last: 0 }
  const at = arena.allocate(`slot/${name}`, shape.SLOT).at
  const body = arena.find(`set/${name}`)?.at ?? arena.allocate(`set/${name}`, shape.lengthOf(made)).at
  shape.lay(arena, body, made)
  arena.i32[at >> 2] = body >> 2
  const set = new SetTable(arena, at)
  for (let n = 0; n < MEMBERS; n++) set.add(0x0c000000 + n * 17, entry.keyOf(32, 0, 0), 0, -1, false, 0)
  return { name, type: 'hash:ip', at }
}

function text(count: number, write: Writer, last = ''): string {
  const dice = new Dice()
  const rules = Array.from({ length: count }, (_, n) => write(n, dice))
  return `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n${rules.join('\n')}\n${last}COMMIT\n`
}

/** Packets with random ports among the prefixes that rules are about; `run` fills the registers that differ, runs the chain, counts. */
function filtering(name: string, rules: string): Case {
  const chains = new Chains()
  const places = new Map([...Array(SETS).keys()].map((n) => [`s${n}`, filled(chains, `s${n}`)]))
  chains.load(restore(rules), { kindOf: () => 'network', set: (set) => places.get(set) ?? null })
  const { engine, registers } = chains
  const dice = new Dice()
  const packets = new Int32Array(PACKETS * 3)
  for (let p = 0; p < packets.length; p += 3) {
    packets[p] = 0x0b000000 + dice.below(2 ** 24)
    packets[p + 1] = 0x0a000000 + dice.below(2 ** 24)
    packets[p + 2] = (dice.below(65_536) << 16) | dice.below(65_536)
  }
  registers[x.PROTOCOL] = 6
  registers[x.STATE] = x.STATE_NEW
  registers[x.LENGTH] = 60
  const run = () => {
    for (let p = 0; p < packets.length; p += 3) {
      registers[x.SOURCE] = packets[p]
      registers[x.DESTINATION] = packets[p + 1]
      registers[x.PORTS] = packets[p + 2]
      registers[x.MET] = 0
      engine.run(FILTER, FORWARD)
      engine.settle(60)
    }
  }
  return { name, frames: PACKETS, run }
}

/** The rules that most people have; packets of connections under way, each asked of the rules, or counted by the trail of the first. */
function usual(): Case[] {
  const chains = new Chains()
  const rules = [
    '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-m conntrack --ctstate INVALID -j DROP',
    '-p icmp -j ACCEPT',
    '-p tcp -m tcp --dport 22 -j ACCEPT',
    '-p tcp -m tcp --dport 443 -j ACCEPT',
    '-j DROP',
  ]
  chains.load(restore(`*filter\n${rules.map((rule) => `-A FORWARD ${rule}\n`).join('')}COMMIT\n`))
  const { engine, registers, tally } = chains
  registers[x.PROTOCOL] = 6
  registers[x.STATE] = x.STATE_ESTABLISHED
  engine.run(FILTER, FORWARD)
  const trail = engine.trail()
  const asked = () => {
    for (let n = 0; n < PACKETS; n++) {
      registers[x.PORTS] = n
      registers[x.MET] = 0
      engine.run(FILTER, FORWARD)
      engine.settle(60)
    }
  }
  const followed = () => {
    for (let n = 0; n < PACKETS; n++) {
      tally.trailPackets[trail]++
      tally.trailBytes[trail] += 60
    }
  }
  return [
    { name: 'filter, established, accept first: asked', frames: PACKETS, run: asked },
    { name: 'filter, established, accept first: by its trail', frames: PACKETS, run: followed },
  ]
}

export function chains(): Case[] {
  const found = usual()
  for (const masks of [1, 4]) {
    for (const count of SIZES) {
      const name = `filter, ${count} rules of prefix, protocol, port, ${masks} ${masks === 1 ? 'mask' : 'masks'}`
      found.push(filtering(name, text(count, prefixes(masks))))
    }
  }
  for (const count of SIZES) {
    found.push(filtering(`filter, ${count} rules of port and set`, text(count, sets)))
  }
  for (const masks of [2, 8, 12, 16, 20, 25]) {
    found.push(filtering(`filter, 10000 rules, ${masks} masks`, text(10_000, prefixes(masks))))
  }
  for (const count of SIZES) {
    found.push(filtering(`filter, ${count} rules of port ranges`, text(count, ranges)))
    found.push(filtering(`filter, ${count} rules that do not group`, text(count, loose)))
  }
  return found
}
