/** The whole bridge path while somebody captures: nothing, what a filter never lets through, everything. */
import { HEAD, lengthOf, TAIL } from '../../src/pipeline/record.ts'
import { meet, times } from './bridge.ts'
import type { Case } from './case.ts'

const FRAMES = 4096
const MACS = 1000
const WORDS = 2 ** 22
/** udp and dst port 9, as libpcap compiles it for Ethernet and IPv4: ldh [12], ip; ldb [23], udp; ldh [20], no fragment; ldx, ldh [x + 16], 9 */
const FILTER = Int32Array.from([
  ...[0x28, 12, 0x15 | (8 << 24), 0x0800, 0x30, 23, 0x15 | (6 << 24), 17],
  ...[0x28, 20, 0x45 | (4 << 16), 0x1fff, 0xb1, 14, 0x48, 16],
  ...[0x15 | (1 << 24), 9, 0x06, 65_535, 0x06, 0],
])

export function captured(): Case[] {
  return [
    { name: 'everything', filter: null },
    { name: 'a filter that matches nothing', filter: FILTER },
  ].map(({ name, filter }) => {
    const { rig, queue } = meet(MACS, 64)
    const { arena, dataplane, ports, swap } = rig
    const { at } = arena.allocate('capture', lengthOf(WORDS))
    const watched = ports.map(({ index, incarnation }): [number, number] => [index, incarnation])
    swap.capture(0, { at, words: WORDS, snap: 65_535, directions: 3, drops: false, filter, ports: watched })
    const forget = () => Atomics.store(arena.i32, (at >> 2) + TAIL, arena.i32[(at >> 2) + HEAD])
    const move = times(64, () => void dataplane.service(ports[0], queue))
    const run = () => {
      forget()
      move()
    }
    return { name: `bridge, ${MACS} MACs, burst 64, capturing ${name}`, frames: FRAMES, run }
  })
}
