/** What the gateway says and learns by ARP, and what a hostile guest cannot make it say or learn. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { TAKEN } from '../../src/gateway/packet.ts'
import { PERMANENT, STALE } from '../../src/table/neighbour.ts'
import { broadcast, station } from '../lab/frame.ts'
import { answers, asks, asksEverybody, keep, out, replies, says, state } from '../lab/speech.ts'
import { address, GATEWAY, Stand } from '../lab/stand.ts'

const nobody = '00:00:00:00:00:00'

let stand: Stand

beforeEach(() => {
  stand = new Stand()
})
afterEach(() => stand.close())

it('answers a request for its address once, on the port that asked, and learns who asked', () => {
  expect(stand.hear(2, says(1, 7, '10.7.0.9', GATEWAY.address), 0)).toBe(TAKEN)
  expect(out(stand)).toEqual({ 2: [replies(7, GATEWAY.address, '10.7.0.9')] })
  const n = stand.neighbours.find(1, address('10.7.0.9'))
  const { neighbours } = stand
  expect([neighbours.state(n), neighbours.high(n), neighbours.low(n), neighbours.port(n)]).toEqual([
    STALE,
    0x0200,
    7,
    2,
  ])
})

it('answers a probe (RFC 5227) without learning from it', () => {
  expect(stand.hear(2, says(1, 7, '0.0.0.0', GATEWAY.address), 0)).toBe(TAKEN)
  expect(out(stand)).toEqual({ 2: [replies(7, GATEWAY.address, '0.0.0.0')] })
  expect(stand.neighbours.count).toBe(0)
})

it('leaves requests for others to the bridge, and learns nothing from strangers', () => {
  expect(stand.hear(2, says(1, 7, '10.7.0.9', '10.7.0.10'), 0)).toBe(-1)
  expect(stand.hear(2, says(2, 7, '10.7.0.9', '10.7.0.9'), 0)).toBe(-1)
  expect(stand.hear(2, answers(7, '10.7.0.9'), 0)).toBe(TAKEN)
  expect([out(stand), stand.neighbours.count]).toEqual([{}, 0])
})

it('leaves to the bridge what goes to another station, as a kernel asks whether a neighbour is still there', () => {
  const to = station(10)
  expect(stand.hear(2, says(1, 7, '10.7.0.9', '10.7.0.10', { to }), 0)).toBe(-1)
  expect(stand.hear(2, says(2, 7, '10.7.0.9', '10.7.0.10', { to, knows: to }), 0)).toBe(-1)
  expect(stand.hear(2, says(1, 7, '10.7.0.9', '10.7.0.10', { to }).subarray(0, 41), 0)).toBe(-1)
  expect([out(stand), stand.neighbours.count]).toEqual([{}, 0])
})

it.each([
  ['another subnet', '10.8.0.9'],
  ["the subnet's broadcast", '10.7.0.255'],
  ["the subnet's own number", '10.7.0.0'],
  ['loopback', '127.0.0.1'],
  ['multicast', '224.0.0.1'],
])('answers but does not learn a sender from %s', (_, sender) => {
  expect(stand.hear(2, says(1, 7, sender, GATEWAY.address), 0)).toBe(TAKEN)
  expect(Object.keys(out(stand))).toEqual(['2'])
  expect(stand.neighbours.count).toBe(0)
})

it.each([
  ['short', (frame: Uint8Array) => frame.subarray(0, 41)],
  ['of other hardware', (frame: Uint8Array) => frame.fill(6, 15, 16)],
  ['of another protocol', (frame: Uint8Array) => frame.fill(9, 16, 17)],
  ['of other lengths', (frame: Uint8Array) => frame.fill(8, 18, 19)],
])('refuses a frame that is %s', (_, change) => {
  const frame = change(says(1, 7, '10.7.0.9', GATEWAY.address, { to: GATEWAY.mac }))
  expect(stand.hear(2, frame, 0)).toBe(39)
  expect([out(stand), stand.neighbours.count]).toEqual([{}, 0])
})

it('refuses a sender whose MAC is a group or nothing', () => {
  for (const hardware of ['01:00:5e:00:00:01', broadcast, nobody])
    expect(stand.hear(2, says(1, 7, '10.7.0.9', GATEWAY.address, { hardware }), 0)).toBe(39)
  expect([out(stand), stand.neighbours.count]).toEqual([{}, 0])
})

it('stops claims of its own address, and says at most once a second whose it is', () => {
  const truth = asksEverybody(GATEWAY.address)
  for (let i = 0; i < 100; i++) expect(stand.hear(2, says(2, 7, GATEWAY.address, '10.7.0.9'), 500)).toBe(39)
  expect(out(stand)).toEqual({ 1: [truth], 2: [truth], 3: [truth], 4: [truth] })
  expect(stand.hear(2, says(1, 7, GATEWAY.address, GATEWAY.address), 1600)).toBe(39)
  expect(Object.keys(out(stand))).toHaveLength(4)
  expect(stand.neighbours.count).toBe(0)
})

it('answers for claimed addresses beside its own', () => {
  stand.arp.claim(Int32Array.of(1, address('10.7.0.50'), 2, address('10.7.0.51')))
  expect(stand.hear(2, says(1, 7, '10.7.0.9', '10.7.0.50'), 0)).toBe(TAKEN)
  expect(out(stand)).toEqual({ 2: [replies(7, '10.7.0.50', '10.7.0.9')] })
  expect(stand.hear(2, says(1, 7, '10.7.0.9', '10.7.0.51'), 0)).toBe(-1)
})

it("lets the control thread's own probes be answered", () => {
  const reply = says(2, 7, '10.7.0.9', '0.0.0.0', { to: GATEWAY.mac, knows: GATEWAY.mac })
  expect(stand.hear(2, reply, 0)).toBe(-1)
  expect(stand.neighbours.count).toBe(0)
})

it('says nothing on a network whose gateway address the kernel has', () => {
  stand.link.intercept = true
  expect(stand.hear(2, says(1, 7, '10.7.0.9', GATEWAY.address), 0)).toBe(-1)
  expect(out(stand)).toEqual({})
})

it('asks the one that has an address before another gets it', () => {
  keep(stand, '10.7.0.9', 0)
  stand.hear(3, answers(9, '10.7.0.9'), 50)
  const n = stand.neighbours.find(1, address('10.7.0.9'))
  out(stand)
  // A storm of claims: each way to claim, again and again.
  for (let now = 2000; now < 2900; now += 10) {
    stand.hear(4, says(1, 13, '10.7.0.9', GATEWAY.address), now)
    stand.hear(4, says(2, 13, '10.7.0.9', '10.7.0.9'), now)
    stand.hear(4, answers(13, '10.7.0.9'), now)
    if (now === 2100) stand.hear(3, answers(9, '10.7.0.9'), now)
    expect([stand.neighbours.low(n), stand.neighbours.port(n)]).toEqual([9, 3])
  }
  const asked = out(stand)[3]
  expect(asked).toEqual([asks(9, '10.7.0.9')])
  for (let now = 3000; now < 9000; now += 100) {
    stand.hear(4, says(2, 13, '10.7.0.9', '10.7.0.9'), now)
    stand.tick(now)
    if (out(stand)[3]) stand.hear(3, answers(9, '10.7.0.9'), now + 1)
    expect(stand.neighbours.low(n)).toBe(9)
  }
})

it('gives an address to who claims it when the one that had it is silent or gone', () => {
  keep(stand, '10.7.0.9', 0)
  stand.hear(3, answers(9, '10.7.0.9'), 50)
  const n = stand.neighbours.find(1, address('10.7.0.9'))
  stand.hear(4, says(1, 13, '10.7.0.9', '10.7.0.9'), 5000)
  stand.tick(5900)
  expect(stand.neighbours.low(n)).toBe(9)
  stand.tick(6200)
  expect([stand.neighbours.low(n), stand.neighbours.port(n), state(stand, '10.7.0.9')]).toEqual([
    13,
    4,
    STALE,
  ])
  stand.network.macs.flush(4)
  stand.hear(2, says(1, 14, '10.7.0.9', '10.7.0.9'), 6300)
  expect([stand.neighbours.low(n), stand.neighbours.port(n)]).toEqual([14, 2])
})

it('believes nobody about a configured neighbour, and finds the only port itself', () => {
  const n = stand.neighbours.permanent(1, address('10.7.0.2'), 0x0200, 2, 0)
  stand.hear(4, says(2, 13, '10.7.0.2', '10.7.0.2'), 5000)
  stand.hear(4, says(1, 13, '10.7.0.2', GATEWAY.address), 5000)
  stand.tick(400_000)
  const { neighbours } = stand
  expect([state(stand, '10.7.0.2'), neighbours.low(n), neighbours.port(n)]).toEqual([PERMANENT, 2, -1])
  stand.network.members = [stand.ports[3]]
  stand.tick(400_500)
  expect(stand.neighbours.port(n)).toBe(3)
})

it('keeps who was confirmed or configured through a storm of senders', () => {
  stand.link.mask = -65536
  const fixed = stand.neighbours.permanent(1, address('10.7.0.2'), 0x0200, 2, 0)
  keep(stand, '10.7.0.9', 0)
  stand.hear(3, answers(9, '10.7.0.9'), 50)
  const known = stand.neighbours.find(1, address('10.7.0.9'))
  out(stand)
  for (let i = 0; i < 5000; i++) {
    stand.hear(4, says(1, 13, `10.7.${1 + (i >> 8)}.${i & 255}`, GATEWAY.address), 100 + i)
    expect(stand.out()).toHaveLength(1)
  }
  expect([stand.neighbours.is(fixed, 1, address('10.7.0.2')), stand.neighbours.count]).toEqual([true, 64])
  expect(stand.neighbours.is(known, 1, address('10.7.0.9'))).toBe(true)
})

it('looks for a sender that hides behind another MAC where that MAC was learned', () => {
  const frame = says(1, 7, '10.7.0.9', GATEWAY.address, { hardware: station(8) })
  stand.hear(4, frame, 0)
  const n = stand.neighbours.find(1, address('10.7.0.9'))
  expect([stand.neighbours.low(n), stand.neighbours.port(n)]).toEqual([8, -1])
  stand.network.macs.insert(0x0200, 8, 2, 1, 0)
  stand.tick(500)
  expect(stand.neighbours.port(n)).toBe(2)
})

it('keeps a configured neighbour configured when it answers', () => {
  const n = stand.neighbours.permanent(1, address('10.7.0.9'), 0x0200, 9, 0)
  expect(stand.hear(3, answers(9, '10.7.0.9'), 50)).toBe(TAKEN)
  expect([state(stand, '10.7.0.9'), stand.neighbours.port(n)]).toEqual([PERMANENT, 3])
})
