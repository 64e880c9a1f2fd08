/**
 * `steady.ts RULES [wasteful]`: warms an engine up, then runs a million packets through its chains between two lines of output, and says
 * what the heap did meanwhile.
 */
import * as x from '../../src/chain/registers.ts'
import { restore } from '../../src/chain/restore.ts'
import { FILTER, FORWARD } from '../../src/chain/rule.ts'
import { Chains } from '../lab/chains.ts'
import { measure } from '../lab/million.ts'

const [rules, wasteful] = process.argv.slice(2)
const writers: Record<string, (n: number) => string> = {
  lookups: (n) =>
    `-A FORWARD -s 10.0.${n % 100}.0/${24 + (n % 4)} -p udp -m udp --dport ${n % 50} -j ${n % 3 ? 'c1' : 'RETURN'}`,
  plain: (n) => `-A FORWARD -p udp -m udp ! --dport ${n % 50} -m length --length ${n}:${n + 9}`,
  loops: (n) =>
    `-A FORWARD -p udp -m udp --dport ${n % 50}:${60 + (n % 7)} -m length --length ${n % 99}:${100 + n}`,
}
const count = rules === 'loops' ? 1030 : 200
const lines = Array.from({ length: count }, (_, n) => writers[rules](n))
const chains = new Chains()
chains.load(
  restore(
    `*filter\n:FORWARD DROP [0:0]\n:c1 - [0:0]\n${lines.join('\n')}\n-A c1 -m mark --mark 0x1 -j ACCEPT\nCOMMIT\n`,
  ),
)
const { engine, registers, tally } = chains
let met = 0
let last: object | null = null

function move(packets: number): void {
  for (let n = 0; n < packets; n++) {
    registers[x.SOURCE] = 0x0a000000 + (n % 120) * 256
    registers[x.PORTS] = n % 70
    registers[x.PROTOCOL] = n % 5 === 0 ? 6 : 17
    registers[x.LENGTH] = n % 300
    registers[x.MARK] = n & 1
    registers[x.MET] = 0
    if (wasteful) last = { n, last: null }
    engine.run(FILTER, FORWARD)
    met += registers[x.MET]
    const trail = n % 3 === 0 ? engine.trail() : 0
    if (trail === 0) engine.settle(100)
    else tally.trailPackets[trail]++
  }
}

measure(move, () => (last === undefined ? 0 : met))
