/** What people ask of a capture, and frames of which each asks for some. */
import { BLOCK_LENGTH, BURST, LENGTHS } from '../../src/memory/block.ts'
import { STRIDE } from '../../src/memory/pool.ts'
import { compileSieve } from '../../src/pipeline/filter.ts'
import { arp, broadcast, ethernet, ipv4, join, station, u16, udp } from './frame.ts'
import { Random } from './random.ts'

const inside = '10.0.2.15'
const outside = '198.51.100.1'

function tcp(source: number, destination: number, flags: number, payload = 0): Uint8Array {
  const head = [
    ...u16(source),
    ...u16(destination),
    0,
    0,
    0,
    1,
    0,
    0,
    0,
    2,
    0x50,
    flags,
    0xff,
    0xff,
    0,
    0,
    0,
    0,
  ]
  return join(head, new Uint8Array(payload).fill(7))
}

function ipv6(next: number, payload: Uint8Array): Uint8Array {
  const address = (last: number) => [0xfd, 0, ...new Array<number>(13).fill(0), last]
  return join([0x60, 0, 0, 0], u16(payload.length), [next, 64], address(1), address(2), payload)
}

const between = (type: number, payload: Uint8Array, tags: [number, number][] = []) =>
  ethernet(station(1), station(2), type, payload, tags)

function conversation(source: string, destination: string): Uint8Array[] {
  const packet = (protocol: number, payload: Uint8Array, options: number[] = []) =>
    ipv4({ source, destination, protocol, options }, payload)
  const payloads = [
    packet(6, tcp(40000, 443, 0x02)),
    packet(6, tcp(80, 40000, 0x12, 100)),
    packet(6, tcp(40000, 22, 0x18, 1000), [1, 1, 1, 1]),
    packet(17, udp(53, 53, new Uint8Array(30))),
    packet(17, udp(5353, 67, new Uint8Array(3)), [1, 1, 1, 1, 1, 1, 1, 0]),
    packet(1, Uint8Array.of(8, 0, 0, 0, 0, 1, 0, 1)),
    packet(132, join(u16(9), u16(443), new Uint8Array(12))),
    packet(47, new Uint8Array(8)),
    packet(4, ipv4({ source: '192.0.2.1', destination: inside, protocol: 17 }, udp(1, 2, new Uint8Array(4)))),
    ipv4({ source, destination, protocol: 17, fragment: 0x2000 }, udp(7, 8, new Uint8Array(40))),
    ipv4({ source, destination, protocol: 17, fragment: 0x0006 }, udp(7, 8, new Uint8Array(40))),
  ]
  return payloads.flatMap((each) => [between(0x0800, each), between(0x0800, each, [[0x8100, 0x2064]])])
}

const whole = [
  ...conversation(inside, outside),
  ...conversation(outside, inside),
  ...conversation('10.0.2.2', '224.0.0.251'),
  ethernet(broadcast, station(3), 0x0806, arp(1, [station(3), inside], [station(0), '10.0.2.2'])),
  ethernet(station(3), station(1), 0x0806, arp(2, [station(1), '10.0.2.2'], [station(3), inside])),
  between(0x86dd, ipv6(6, tcp(40000, 443, 0x10))),
  between(0x86dd, ipv6(17, udp(546, 547, new Uint8Array(9)))),
  between(0x86dd, ipv6(58, Uint8Array.of(135, 0, 0, 0, 0, 0, 0, 0))),
  ethernet('33:33:00:00:00:01', station(1), 0x86dd, ipv6(44, new Uint8Array(16))),
  between(0x0800, ipv4({ source: inside, destination: outside, protocol: 6 }, tcp(1, 2, 4)), [
    [0x88a8, 7],
    [0x8100, 100],
  ]),
  between(0x8847, new Uint8Array(40).fill(0x45)),
  between(0x8863, new Uint8Array(20)),
  between(60, join([0x42, 0x42, 3], new Uint8Array(57))),
]

const random = new Random(6)

/** Whole ones and pieces of them, down to a few bytes. */
export const packets: Uint8Array[] = [
  ...whole,
  ...whole.map((frame) => frame.subarray(0, 1 + random.below(frame.length))),
]

const primitives = `
ip|ip6|arp|rarp|tcp|udp|icmp|icmp6|sctp|igmp|vlan|vlan 100|vlan 100 and tcp|vlan and vlan|mpls|pppoed|stp
host 10.0.2.15|src host 10.0.2.15|dst 198.51.100.1|net 10.0.0.0/8|src net 198.51.100.0/24|dst net 224.0.0.0/4
ip6 host fd00::1|dst host fd00::2|ip6 net fd00::/8|ether host 02:00:00:00:00:01|ether src 02:00:00:00:00:03
ether broadcast|ether multicast|ip multicast|ip6 multicast|ether proto 0x88a8|ether[0] & 1 = 1
port 443|src port 40000|dst port 53|tcp port 80|udp port 67|tcp dst port 22|portrange 20-90|udp portrange 5000-6000
greater 100|less 60|len > 1000|len - 14 = 46|tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn|tcp[13] = 18
ip[0] & 0xf > 5|ip[6:2] & 0x1fff != 0|ip[2:2] > 576|icmp[icmptype] = icmp-echo|udp[4:2] < 20|ip proto 47|proto 4
arp[6:2] = 2|ether[12:2] = 0x8847|ip[8] * 2 = 128|ip[8] / 3 = 21|ip[8] % 7 = 1|ip[4:2] ^ 0x1234 = 0|ip[12:4] = 0x0a00020f
(ip[0] & 15) << 2 = 24|ip[0] >> 4 = 4|0xff & -ip[8] = 192|tcp[(tcp[12] >> 4) * 4:4] = 0x07070707|ip[9] | 1 = 7
`
  .trim()
  .split(/\n|\|(?!tcp-| 1)/)

/** Each by itself, and some together. */
export const expressions: string[] = [
  ...primitives,
  ...primitives.map((each) => `not (${each})`),
  ...Array.from({ length: 40 }, () => {
    const [one, other, third] = [random.of(primitives), random.of(primitives), random.of(primitives)]
    return random.of([
      `(${one}) and (${other})`,
      `(${one}) or (${other})`,
      `(${one}) and not (${other}) or (${third})`,
    ])
  }),
]

/** Bytes behind a frame that are not its. */
const BEHIND = 128

/** The frames that a filter lets through, by place: in bursts, among bytes that are not theirs. */
export function passed(program: Int32Array, frames: Uint8Array[]): number[] {
  const slots = Math.min(BURST, frames.length)
  const buffer = new ArrayBuffer(BLOCK_LENGTH + slots * STRIDE)
  const [u8, i32] = [new Uint8Array(buffer), new Int32Array(buffer)]
  const sieve = compileSieve(program, new DataView(buffer), i32, BLOCK_LENGTH)
  const found = new Int32Array(BURST)
  const all: number[] = []
  for (let first = 0; first < frames.length; first += slots) {
    const burst = frames.slice(first, first + slots)
    for (const [i, frame] of burst.entries()) {
      // The slots are not in the order of the burst.
      i32[i] = slots - 1 - i
      i32[LENGTHS + i] = frame.length
      const at = BLOCK_LENGTH + i32[i] * STRIDE
      u8.fill(0xa5, at, at + frame.length + BEHIND)
      u8.set(frame, at)
    }
    const count = sieve(0, 0, burst.length, found)
    all.push(...Array.from(found.subarray(0, count), (place) => first + place))
  }
  return all
}
