/**
 * The straight loop against the slow path: two houses get the same packets in bursts, in one of them no flow is ever fast. What leaves,
 * what is counted and what is dropped must be the same, byte by byte. The seed of a failure is printed by fast-check.
 */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { BYTES, DEADLINE, FAST, PACKETS, STATUS, WORDS } from '../../src/table/flow.ts'
import { type Got, House, OUTSIDE } from '../lab/house.ts'
import { ACK, FIN, RST, SYN, tcp, udp } from '../lab/transport.ts'

const SERVERS = ['203.0.113.9:53', '203.0.113.9:80', '203.0.113.10:53']

/** What one step of a test sends: a burst of packets of some flows, one way. */
interface Step {
  inward: boolean
  packets: { flow: number; kind: number; length: number; damage: number }[]
}

const steps = fc.array(
  fc.record({
    inward: fc.boolean(),
    packets: fc.array(
      fc.record({
        flow: fc.integer({ min: 0, max: 11 }),
        kind: fc.integer({ min: 0, max: 9 }),
        length: fc.integer({ min: 0, max: 600 }),
        damage: fc.integer({ min: 0, max: 30 }),
      }),
      { minLength: 1, maxLength: 12 },
    ),
  }),
  { minLength: 1, maxLength: 25 },
)

/** The flags of a TCP packet of that kind: mostly plain acknowledgements. */
const flags = [SYN, SYN | ACK, ACK, ACK, ACK, ACK, ACK, ACK | 8, FIN | ACK, RST]

/** A packet of a flow; `damage` now and then makes it what no ordinary packet is. */
function make(step: Step, index: number): Uint8Array {
  const { flow, kind, length, damage } = step.packets[index]
  const guest = `10.0.0.${11 + (flow & 1)}:${5000 + flow}`
  const server = SERVERS[flow % 3]
  const mapped = `${OUTSIDE}:${5000 + flow}`
  const [from, to] = step.inward ? [server, mapped] : [guest, server]
  const shape = { payload: new Uint8Array(length).fill(flow), ttl: damage === 1 ? 1 : 64 }
  const isTcp = flow >= 6
  const packet = isTcp
    ? tcp(from, to, flags[kind], { ...shape, sequence: 1000 + kind, acknowledged: 1001 })
    : udp(from, to, shape)
  if (damage === 2) packet[10] ^= 0xff // the header's checksum
  if (damage === 3 && !isTcp) packet.set([0, 0], 26) // UDP without a checksum
  if (damage === 4) packet[1] = 0xb8 // a type of service: the header's checksum is wrong, too
  if (damage === 5) packet[0] = 0x44
  return packet
}

/** Takes the straight loop away from every flow. */
function slow(house: House): void {
  const { words, high } = house.parts.flows
  for (let flow = 1; flow <= high; flow++) words[flow * WORDS + STATUS] &= ~FAST
}

/** Everything that a run can be told by. */
function outcome(house: House): unknown {
  const { flows } = house.parts
  const entries = []
  for (let flow = 1; flow <= flows.high; flow++) {
    if (!flows.isLive(flow)) continue
    const f = flow * WORDS
    const packets = flows.words.slice(f + PACKETS, f + PACKETS + 2)
    const bytes = flows.f64.slice(f / 2 + BYTES, f / 2 + BYTES + 2)
    const state = [flows.words[f + STATUS] & ~FAST, flows.words[f + DEADLINE]]
    entries.push([...flows.words.slice(f, f + 3), ...state, ...packets, ...bytes])
  }
  return { entries, drops: house.drops() }
}

const hex = (got: Got[]) => got.map(({ packet }) => Buffer.from(packet).toString('hex'))

it('passes every packet as the slow path does', { timeout: 120_000 }, () => {
  fc.assert(
    fc.property(steps, (given) => {
      const [quick, plain] = [new House(), new House()]
      try {
        for (const step of given) {
          const packets = step.packets.map((_, index) => make(step, index))
          const results = [quick, plain].map((house) => {
            if (house === plain) slow(house)
            packets.forEach((packet, p) => {
              if (step.inward) house.outside(packet.slice())
              else house.guest(step.packets[p].flow & 1, packet.slice())
              if (house === plain) slow(house)
            })
            return [house.atOutside(), house.atGuest(0), house.atGuest(1)].map(hex)
          })
          expect(results[0]).toEqual(results[1])
          expect(outcome(quick)).toEqual(outcome(plain))
        }
      } finally {
        quick.close()
        plain.close()
      }
    }),
    { numRuns: 40 },
  )
})

it('lets ordinary packets pass without the slow path', () => {
  const house = new House()
  const { conntrack } = house.parts
  const look = conntrack.look.bind(conntrack)
  let looks = 0
  conntrack.look = (packet, now) => {
    looks++
    return look(packet, now)
  }
  for (let n = 0; n < 50; n++) {
    house.guest(0, udp('10.0.0.11:5000', '203.0.113.9:53'))
    house.atOutside()
    house.outside(udp('203.0.113.9:53', `${OUTSIDE}:5000`))
    house.atGuest(0)
  }
  expect(looks).toBeLessThan(6)
  house.close()
})
