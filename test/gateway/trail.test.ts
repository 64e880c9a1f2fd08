/**
 * Rules in the straight loop against the slow path: two houses get the same packets under the same rules, in one of them every packet goes
 * the long way. What leaves, what is dropped, what rules count and what flows remember must be the same, over changes of rules.
 */
import { expect, it } from 'vitest'
import { BYTES, DEADLINE, FAST, MARK, PACKETS, STATUS, WORDS } from '../../src/table/flow.ts'
import { type Got, House, OUTSIDE } from '../lab/house.ts'
import { Random } from '../lab/random.ts'
import { Ruling } from '../lab/ruling.ts'
import { ACK, FIN, RST, SYN, tcp, udp } from '../lab/transport.ts'

const ROUNDS = 60
const PACKETS_A_ROUND = 120
const FLOWS = 12
const SERVERS = ['203.0.113.5:53', '203.0.113.6:80', '192.0.2.7:443', '203.0.113.5:8080']

interface Twins {
  quick: House
  plain: House
  ruling: Ruling
}

interface Shot {
  inward: boolean
  guest: number
  packet: Uint8Array
}

/** Everything that two houses can be told apart by. */
function outcome(house: House): unknown {
  const { flows } = house.parts
  const entries = []
  for (let flow = 1; flow <= flows.high; flow++) {
    if (!flows.isLive(flow)) continue
    const f = flow * WORDS
    const counts = [...flows.words.slice(f + PACKETS, f + PACKETS + 2)]
    const bytes = [...flows.f64.slice(f / 2 + BYTES, f / 2 + BYTES + 2)]
    const state = [flows.words[f + STATUS] & ~FAST, flows.words[f + DEADLINE], flows.words[f + MARK]]
    entries.push([...flows.words.slice(f, f + 3), ...state, ...counts, ...bytes].join())
  }
  return { entries: entries.sort(), drops: house.drops(), rules: house.saved().split('\n') }
}

const hex = (got: Got[]) => got.map(({ packet }) => Buffer.from(packet).toString('hex'))

/** Every kind of thing that the straight loop asks of each packet, at the hooks where it is another one. */
const ASKED = `*mangle
-A PREROUTING -m ttl --ttl-eq 64
-A FORWARD -m ttl --ttl-eq 63
-A FORWARD -d 10.0.0.0/24 -m length --length 28:60
-A POSTROUTING -p udp -m udp --dport 5000:5005
-A POSTROUTING -m tos --tos 0x10
COMMIT
*filter
-A FORWARD -i lan -o router -m ttl --ttl-lt 63 -j DROP
-A FORWARD -m conntrack --ctdir REPLY -d 10.0.0.11
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
COMMIT
`

/** What the straight loop leaves to the long way. */
const SLOW =
  /-m (limit|hashlimit|connlimit|recent|statistic|quota|u32|string|time|connbytes) |-j (LOG|NFLOG|TTL|TOS|DSCP|TCPMSS|SET|CONNMARK|TRACE)/

/**
 * Every other ruleset has nothing of that. When a UDP flow has become ASSURED the straight loop sees a little later, and where translations
 * clash each house draws its own port.
 */
function keeps(text: string, count: number): boolean {
  return (
    !/ASSURED|-j (DNAT|SNAT|NETMAP|REDIRECT|MASQUERADE)/.test(text) && (count % 2 === 0 || !SLOW.test(text))
  )
}

/** What a station of a flow sends: mostly what an ordinary connection is made of. */
function shoot(random: Random, flow: number, sequences: number[]): Shot {
  const guest = flow & 1
  const inward = random.once(2)
  const ends = [`10.0.0.${11 + guest}:${5000 + flow}`, SERVERS[flow % SERVERS.length]]
  const [from, to] = inward ? [ends[1], `${OUTSIDE}:${5000 + flow}`] : ends
  const payload = random.bytes(random.below(random.once(6) ? 900 : 60))
  const shape = { payload, ttl: random.once(30) ? 1 + random.below(3) : 64 }
  if (flow < FLOWS / 2) return { inward, guest, packet: udp(from, to, shape) }
  const side = inward ? 1 : 0
  const key = flow * 2
  const flags = random.once(12) ? random.of([SYN, FIN | ACK, RST, ACK | 8, SYN | ACK]) : ACK
  const sequence = sequences[key + side]
  const acknowledged = sequences[key + 1 - side]
  sequences[key + side] += payload.length
  const packet = tcp(from, to, flags, { ...shape, sequence, acknowledged })
  if (random.once(8)) packet[1] = random.of([0x10, 0x08, 0x02])
  return { inward, guest, packet: sealed(packet) }
}

/** With its header's checksum made anew. */
function sealed(packet: Uint8Array): Uint8Array {
  packet.set([0, 0], 10)
  let sum = 0
  for (let at = 0; at < 20; at += 2) sum += (packet[at] << 8) | packet[at + 1]
  sum = (sum & 0xffff) + (sum >>> 16)
  const check = ~((sum & 0xffff) + (sum >>> 16)) & 0xffff
  packet.set([check >> 8, check & 255], 10)
  return packet
}

function give(house: House, { inward, guest, packet }: Shot): string[][] {
  if (inward) house.outside(packet.slice())
  else house.guest(guest, packet.slice())
  const { conntrack, flows } = house.parts
  conntrack.expire(flows.high, house.rig.time)
  return [house.atOutside(), house.atGuest(0), house.atGuest(1)].map(hex)
}

/** The same rules in both; in one no packet may take the straight loop. */
function enforce({ plain, ruling }: Twins, act: (ruling: Ruling) => void): void {
  act(ruling)
  plain.parts.chains.engine.decidesTracking = true
}

/** Begins flows while nothing hinders them: UDP in both directions, TCP by its handshake. */
function begin(twins: Twins, sequences: number[]): void {
  enforce(twins, (ruling) => ruling.enforce(''))
  for (const house of [twins.quick, twins.plain])
    for (let flow = 0; flow < FLOWS; flow++) {
      const [guest, server] = [`10.0.0.${11 + (flow & 1)}:${5000 + flow}`, SERVERS[flow % SERVERS.length]]
      const mapped = `${OUTSIDE}:${5000 + flow}`
      const opening: [boolean, Uint8Array][] =
        flow < FLOWS / 2
          ? [
              [false, udp(guest, server)],
              [true, udp(server, mapped)],
            ]
          : [
              [false, tcp(guest, server, SYN, { sequence: 999 })],
              [true, tcp(server, mapped, SYN | ACK, { sequence: 1999, acknowledged: 1000 })],
              [false, tcp(guest, server, ACK, { sequence: 1000, acknowledged: 2000 })],
            ]
      for (const [inward, packet] of opening) give(house, { inward, guest: flow & 1, packet })
    }
  for (let flow = 0; flow < FLOWS; flow++) {
    sequences[2 * flow] = 1000
    sequences[2 * flow + 1] = 2000
  }
}

/** Counts how often conntrack is asked the long way. */
function listen(house: House): () => number {
  const { conntrack } = house.parts
  const look = conntrack.look.bind(conntrack)
  let looks = 0
  conntrack.look = (packet, now) => {
    looks++
    return look(packet, now)
  }
  return () => looks
}

it('says of every packet in the straight loop what the long way says', { timeout: 120_000 }, () => {
  const random = new Random(Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31)))
  const [quick, plain] = [new House(), new House()]
  const twins: Twins = { quick, plain, ruling: new Ruling(random, [quick, plain], keeps) }
  const looks = [listen(quick), listen(plain)]
  let trails = 0
  const sequences = new Array<number>(2 * FLOWS).fill(0)
  try {
    begin(twins, sequences)
    for (let round = 0; round < ROUNDS; round++) {
      enforce(twins, (ruling) => (round % 12 === 11 ? ruling.enforce(ASKED) : ruling.next()))
      for (let n = 0; n < PACKETS_A_ROUND; n++) {
        const shot = shoot(random, random.below(FLOWS), sequences)
        const later = random.once(50) ? 2000 : random.below(3)
        for (const house of [quick, plain]) house.rig.time = (house.rig.time + later) | 0
        expect(give(quick, shot), `packet ${n} of round ${round}`).toEqual(give(plain, shot))
      }
      expect(outcome(quick), `round ${round}`).toEqual(outcome(plain))
      trails += quick.parts.chains.tally.used
    }
    // The quick one was quick: many of its packets never took the long way, and some only counted a trail.
    expect(looks[0]()).toBeLessThan(0.85 * looks[1]())
    expect(trails).toBeGreaterThan(ROUNDS / 10)
  } catch (error) {
    const { text } = twins.ruling
    throw new Error(`seed ${random.seed} (SEED=… brings it back), rules:\n${text}`, { cause: error })
  } finally {
    quick.close()
    plain.close()
  }
})
