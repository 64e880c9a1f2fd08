/** The kernel of this machine asked the same, packet by packet: does a match with a memory, or one that reads bytes, say what it says there? */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { matchKind } from '../../src/chain/kinds.ts'
import { makeMatcher, settleMemories } from '../../src/chain/matchers.ts'
import * as R from '../../src/chain/registers.ts'
import { MANGLE } from '../../src/chain/rule.ts'
import { split } from '../../src/chain/words.ts'
import { WORDS } from '../../src/table/flow.ts'
import { Ground } from '../lab/condition.ts'
import { Kernel } from '../lab/kernel.ts'
import { suite } from '../lab/peer.ts'
import { Random } from '../lab/random.ts'
import { query, udp } from '../lab/transport.ts'

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))

/** What the registers know of the flow that a packet belongs to, as the gateway would have made it. */
class Flows {
  private readonly ground: Ground
  private readonly byKey = new Map<string, number>()

  constructor(ground: Ground) {
    this.ground = ground
    const { flows } = ground
    for (let flow = flows.high; flow > 0; flow--) if (flows.isLive(flow)) flows.remove(flow)
  }

  registers(packet: Uint8Array): Record<number, number> {
    const flow = this.byKey.get(keyOf(packet))
    return flow === undefined ? {} : { [R.FLOW]: flow }
  }

  /** The packet has passed: its flow is made, or counts it. */
  passed(packet: Uint8Array): void {
    const { flows } = this.ground
    const [source, destination, ports] = tupleOf(packet)
    let flow = this.byKey.get(keyOf(packet))
    if (flow === undefined) {
      const reply = packet[9] === 1 ? ports & ~0xffff : (ports << 16) | (ports >>> 16)
      flow = flows.create(source, destination, ports, packet[9], destination, source, reply, 2 ** 30)
      this.byKey.set(keyOf(packet), flow)
    }
  }

  /** A packet is counted before rules are asked, whether it passes or not; false if its flow is not made yet. */
  counted(packet: Uint8Array): boolean {
    const flow = this.byKey.get(keyOf(packet))
    if (flow === undefined) return false
    this.ground.flows.words[flow * WORDS + 10]++
    this.ground.flows.f64[flow * (WORDS / 2) + 6] += packet.length
    return true
  }
}

/** Source, destination and ports, or identifier, type and code. */
function tupleOf(packet: Uint8Array): [number, number, number] {
  const view = new DataView(packet.buffer, packet.byteOffset)
  const ports = packet[9] === 1 ? (view.getUint16(24) << 16) | view.getUint16(20) : view.getInt32(20)
  return [view.getInt32(12), view.getInt32(16), ports]
}

function keyOf(packet: Uint8Array): string {
  return `${packet[9]} ${tupleOf(packet).join(' ')}`
}

/** The kernel looks a list of flows through once a jiffy, which is 4 or 10 ms: two packets within one find what has ended still there. */
const jiffyMs = 11

/** Packets of a few guests, addresses, ports and lengths: no more tuples than the ground has room for flows. */
function traffic(random: Random, count: number): { station: number; packet: Uint8Array }[] {
  return Array.from({ length: count }, () => {
    const station = random.below(4)
    const from = `10.0.0.${11 + station}:${1000 + random.below(2)}`
    const to = `203.0.113.${5 + random.below(2)}:${53 + random.below(2)}`
    const text = random.of(['', 'abc', 'GET /index', 'xxABCxx', 'aabaabaaab', 'a|b"c', '\u0001\u0002x'])
    const payload = [...Buffer.from(text), ...new Uint8Array(random.below(4) * 50)]
    const ttl = random.of([64, 64, 10])
    if (random.once(4)) return { station, packet: query(from, to, 8, { payload, ttl }) }
    return { station, packet: udp(from, to, { payload, ttl }) }
  })
}

suite('the kernel says the same', ['iptables-legacy', 'nft', 'conntrack', 'ipset'], () => {
  let kernel: Kernel
  const ground = new Ground(makeMatcher)
  const random = new Random(seed)
  beforeAll(() => {
    kernel = new Kernel()
  })
  afterAll(() => {
    kernel?.close()
    ground.close()
  })

  /** Drops what matches in the kernel, and asks ours; both as rows of packet numbers that matched. */
  function compare(rules: string[], count = 60): void {
    kernel.load(`*mangle\n${rules.map((rule) => `-A FORWARD -m ${rule} -j DROP`).join('\n')}\nCOMMIT\n`)
    settleMemories(ground.footing, [])
    const asks = rules.map((rule) => {
      const [name = '', ...options] = split(rule).words.map(({ text }) => text)
      const kind = matchKind(name)
      if (!kind) throw new Error(name)
      return ground.match(kind, options)
    })
    const flows = new Flows(ground)
    const theirs: number[] = []
    const ours: number[] = []
    const began = performance.now()
    const lag = rules[0].startsWith('connlimit') ? jiffyMs : 0
    for (const [number, parcel] of traffic(random, count).entries()) {
      if (lag > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lag)
      if (kernel.give(parcel).length === 0) theirs.push(number)
      const isKnown = flows.counted(parcel.packet)
      const now = Math.round(performance.now() - began)
      ground.load(parcel.packet, {
        ...flows.registers(parcel.packet),
        [R.NOW]: now,
        [R.TABLE]: MANGLE,
        [R.AGED]: 1,
      })
      if (asks.some((ask) => ask() || ground.x[R.HOTDROP] === 1)) ours.push(number)
      else flows.passed(parcel.packet)
      if (!isKnown) flows.counted(parcel.packet)
    }
    expect({ rules, seed, matched: ours }).toEqual({ rules, seed, matched: theirs })
  }

  it.each([
    'limit --limit 1/hour --limit-burst 7',
    'limit --limit 3/day --limit-burst 2',
    'quota --quota 1500',
    'quota ! --quota 700',
    'statistic --mode nth --every 3 --packet 0',
    'statistic --mode nth --every 3 --packet 2',
    'statistic --mode nth ! --every 4 --packet 1',
    'statistic --mode nth --every 1 --packet 0',
    'statistic --mode random --probability 0',
    'statistic --mode random ! --probability 1',
    'hashlimit --hashlimit-upto 1/hour --hashlimit-burst 3 --hashlimit-mode srcip --hashlimit-name a',
    'hashlimit --hashlimit-above 1/hour --hashlimit-burst 3 --hashlimit-mode srcip --hashlimit-name b',
    'hashlimit --hashlimit-above 1/day --hashlimit-burst 1 --hashlimit-mode srcip,dstport --hashlimit-name c',
    'hashlimit --hashlimit-above 2/day --hashlimit-burst 2 --hashlimit-mode srcport,dstip --hashlimit-name d',
    'hashlimit --hashlimit-above 1/hour --hashlimit-burst 3 --hashlimit-mode srcip --hashlimit-srcmask 31 --hashlimit-name e',
    'hashlimit --hashlimit-above 1/hour --hashlimit-burst 3 --hashlimit-mode dstip --hashlimit-dstmask 0 --hashlimit-name f',
    'hashlimit ! --hashlimit-above 1/hour --hashlimit-burst 9 --hashlimit-name g',
    'hashlimit --hashlimit-above 16b/s --hashlimit-mode srcip --hashlimit-name i',
    'hashlimit --hashlimit-above 32b/s --hashlimit-burst 64 --hashlimit-mode srcip --hashlimit-name j',
    'hashlimit --hashlimit-above 4/hour --hashlimit-mode srcip --hashlimit-rate-match --hashlimit-name k',
    'hashlimit --hashlimit-above 100b/s --hashlimit-mode srcip --hashlimit-rate-match --hashlimit-rate-interval 1000 --hashlimit-name l',
    'recent --set',
    'recent ! --set --name n',
    'recent --rcheck',
    'recent ! --update --name o',
    'recent --remove --name p',
    'connlimit --connlimit-above 2',
    'connlimit --connlimit-upto 2 --connlimit-daddr',
    'connlimit --connlimit-above 4 --connlimit-mask 30',
    'connlimit ! --connlimit-above 3 --connlimit-mask 31 --connlimit-daddr',
    'connlimit --connlimit-above 0',
    'time',
    'time --timestart 12:00 --timestop 11:59:59',
    'time --datestop 2001',
    'connbytes --connbytes 2: --connbytes-dir original --connbytes-mode packets',
    'connbytes --connbytes 1:2 --connbytes-dir both --connbytes-mode packets',
    'connbytes ! --connbytes 1:2 --connbytes-dir original --connbytes-mode packets',
    'connbytes --connbytes 0:0 --connbytes-dir reply --connbytes-mode bytes',
    'connbytes --connbytes 100:400 --connbytes-dir original --connbytes-mode bytes',
    'connbytes --connbytes 70: --connbytes-dir original --connbytes-mode avgpkt',
    'connbytes --connbytes 60: --connbytes-dir both --connbytes-mode avgpkt',
    'string --algo bm --string abc',
    'string --algo kmp --string abc --icase',
    'string --algo bm ! --string aab',
    'string --algo kmp --string aaab --from 30',
    'string --algo kmp --string abc --from 28 --to 31',
    'string --algo kmp --string abc --from 28 --to 30',
    'string --algo bm --string abc --to 31',
    'string --algo bm --string abc --to 30',
    'string --algo bm --string abc --from 29',
    'string --algo bm --string abc --from 2000',
    'string --algo kmp --hex-string "|0a 00 00 0b|"',
    'string --algo bm --hex-string "|0102|x"',
    'string --algo bm --string INDEX --icase',
    'u32 --u32 "0>>24=0x45"',
    'u32 --u32 "6&0xff=17&&12=0x0a00000b:0x0a00000c"',
    'u32 --u32 "0>>22&0x3c@0>>16=1000,1002"',
    'u32 ! --u32 "0>>22&0x3c@0&0xffff=53"',
    'u32 --u32 "28=0x61626300:0x616263ff"',
    'u32 --u32 "100=0"',
    'u32 ! --u32 "1000=0"',
    'u32 --u32 "0<<24>>24=0:0xff"',
    'u32 --u32 "0&0xffff@0=0:0xffffffff"',
    'u32 --u32 "8>>24=63"',
    'u32 --u32 "4&0xffffffff@0=0:0xffffffff"',
  ])('of %s', (rule) => compare([rule]))

  it.each([
    [['recent --name q --rcheck --hitcount 3', 'recent --name q ! --set']],
    [['recent --name r --update --seconds 3600 --hitcount 2 --rttl', 'recent --name r ! --set --rsource']],
    [['recent --name s --remove', 'recent --name s ! --set']],
    [['recent --name t --update --hitcount 4 --rdest', 'recent --name t ! --set --rdest']],
    [['recent --name u --rcheck --hitcount 2 --mask 255.255.255.254', 'recent --name u ! --set']],
    [['recent --name v ! --rcheck --hitcount 5 --rttl', 'recent --name v ! --set']],
    [['recent --name w ! --update --hitcount 3', 'recent --name w ! --set']],
    [['recent --name x --rcheck --hitcount 33', 'recent --name x ! --set --mask 255.255.255.0']],
    [['recent --name y --rcheck --seconds 3600 --reap --hitcount 2', 'recent --name y ! --set']],
    [
      [
        'hashlimit --hashlimit-above 1/hour --hashlimit-burst 9 --hashlimit-mode srcip --hashlimit-name z',
        'hashlimit --hashlimit-above 2/hour --hashlimit-burst 3 --hashlimit-mode dstip --hashlimit-name z',
      ],
    ],
    [['statistic --mode nth --every 2 --packet 0', 'statistic --mode nth --every 2 --packet 0']],
    [['limit --limit 1/hour', 'limit --limit 1/hour']],
  ])('of %s together', (rules) => compare(rules, 120))
})
