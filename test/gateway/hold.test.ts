/** Packets that wait for a neighbour, and what becomes of neighbours with time. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { TAKEN } from '../../src/gateway/packet.ts'
import { Port } from '../../src/port/port.ts'
import { INCOMPLETE, PROBE, REACHABLE, STALE } from '../../src/table/neighbour.ts'
import { payload } from '../lab/fragment.ts'
import { ethernet, ip, ipv4, mac, station, sum, u16, udp } from '../lab/frame.ts'
import { answers, asks, asksEverybody, delivered, keep, out, says, state } from '../lab/speech.ts'
import { address, GATEWAY, Stand } from '../lab/stand.ts'

let stand: Stand

beforeEach(() => {
  stand = new Stand()
})
afterEach(() => stand.close())

it('asks once a second, three times, then tells every sender', () => {
  expect(keep(stand, '10.7.0.9', 0)).toBe(TAKEN)
  expect(keep(stand, '10.7.0.9', 10, 2)).toBe(TAKEN)
  const question = asksEverybody('10.7.0.9')
  expect(out(stand)).toEqual({ 1: [question], 2: [question], 3: [question], 4: [question] })
  const asked: number[] = []
  for (let now = 250; now < 3000; now += 250) {
    stand.tick(now)
    if (stand.out().length > 0) asked.push(now)
  }
  expect([asked, stand.hold.count]).toEqual([[1000, 2000], 2])
  stand.tick(3000)
  const told = stand.out()
  expect(told.map(({ port }) => port)).toEqual([1, 2])
  for (const { frame } of told) expect([...frame.subarray(34, 36)]).toEqual([3, 1])
  expect([stand.drops(1), stand.drops(2)]).toEqual([{ no_neighbour: 1 }, { no_neighbour: 1 }])
  expect([stand.hold.count, stand.neighbours.count, stand.pool.free]).toEqual([0, 0, 512])
})

it('sends what waited, in its order, when the answer comes', () => {
  keep(stand, '10.7.0.9', 0)
  keep(stand, '10.7.0.9', 1, 2)
  out(stand)
  expect(stand.hear(3, answers(9, '10.7.0.9'), 50)).toBe(TAKEN)
  expect(out(stand)).toEqual({ 3: [delivered('10.7.0.9', 1, 9), delivered('10.7.0.9', 2, 9)] })
  expect([state(stand, '10.7.0.9'), stand.hold.count, stand.pool.free]).toEqual([REACHABLE, 0, 512])
})

it('sends what waited when the station speaks of its own accord', () => {
  keep(stand, '10.7.0.9', 0)
  out(stand)
  expect(stand.hear(3, says(1, 9, '10.7.0.9', '10.7.0.9'), 50)).toBe(-1)
  expect(out(stand)).toEqual({ 3: [delivered('10.7.0.9', 1, 9)] })
  expect(state(stand, '10.7.0.9')).toBe(STALE)
})

it('holds the latest sixteen packets for a neighbour and drops older ones by name', () => {
  for (let i = 0; i < 20; i++) expect(keep(stand, '10.7.0.9', i)).toBe(TAKEN)
  expect([stand.hold.count, stand.drops(1)]).toEqual([16, { held_full: 4 }])
})

it('holds 64 packets for one port and 256 in all, and asks for no more than it holds', () => {
  stand.close()
  stand = new Stand({ neighbours: 1024, ports: 6 })
  for (let port = 1; port <= 6; port++) {
    const taken = Array.from({ length: 80 }, (_, i) => keep(stand, `10.7.${port}.${100 + i}`, 0, port))
    expect(taken.filter((why) => why === TAKEN)).toHaveLength(port <= 4 ? 64 : 0)
    expect(stand.out()).toHaveLength(port <= 4 ? 64 * 6 : 0)
  }
  expect(stand.neighbours.incomplete).toBe(256)
  stand.hold.close()
  expect([stand.hold.count, stand.pool.free]).toEqual([0, 512])
})

it('lets a port that waits for nobody ask while others scan a small table full', () => {
  for (let i = 0; i < 80; i++) keep(stand, `10.7.0.${100 + i}`, 0, 1)
  expect([stand.neighbours.incomplete, stand.hold.count]).toEqual([32, 32])
  expect(keep(stand, '10.7.0.9', 0, 2)).toBe(TAKEN)
  stand.out()
  stand.hear(3, answers(9, '10.7.0.9'), 50)
  expect(out(stand)).toEqual({ 3: [delivered('10.7.0.9', 2, 9)] })
})

it('asks a neighbour itself when it is used 30 seconds after its answer', () => {
  keep(stand, '10.7.0.9', 0)
  stand.hear(3, answers(9, '10.7.0.9'), 50)
  out(stand)
  const n = stand.neighbours.find(1, address('10.7.0.9'))
  stand.tick(29_000)
  expect([state(stand, '10.7.0.9'), out(stand)]).toEqual([REACHABLE, {}])
  stand.tick(30_100)
  stand.tick(31_000)
  expect([state(stand, '10.7.0.9'), out(stand)]).toEqual([STALE, {}])
  expect(stand.neighbours.usable(n, 31_200)).toBe(true)
  stand.tick(31_300)
  const question = asks(9, '10.7.0.9')
  expect([state(stand, '10.7.0.9'), out(stand), stand.neighbours.usable(n, 31_300)]).toEqual([
    PROBE,
    { 3: [question] },
    true,
  ])
  stand.hear(3, answers(9, '10.7.0.9'), 31_400)
  expect(state(stand, '10.7.0.9')).toBe(REACHABLE)
})

it('asks everybody for a used neighbour that is silent, and forgets an unused one', () => {
  keep(stand, '10.7.0.9', 0)
  stand.hear(3, answers(9, '10.7.0.9'), 50)
  stand.hear(2, says(1, 8, '10.7.0.8', GATEWAY.address), 50)
  out(stand)
  const [used, idle] = ['10.7.0.9', '10.7.0.8'].map((text) => stand.neighbours.find(1, address(text)))
  stand.neighbours.usable(idle, 31_000)
  for (let now = 30_100; now <= 34_000; now += 100) {
    if (stand.neighbours.find(1, address('10.7.0.9')) === used) stand.neighbours.usable(used, now)
    stand.tick(now)
  }
  expect([state(stand, '10.7.0.9'), state(stand, '10.7.0.8')]).toEqual([INCOMPLETE, 0])
  expect(out(stand)[1]).toEqual([asksEverybody('10.7.0.9')])
})

it('follows a station to another port', () => {
  keep(stand, '10.7.0.9', 0)
  stand.hear(3, answers(9, '10.7.0.9'), 50)
  const n = stand.neighbours.find(1, address('10.7.0.9'))
  stand.network.macs.move(stand.network.macs.find(0x0200, 9), 4, 100)
  stand.tick(500)
  expect(stand.neighbours.port(n)).toBe(4)
  stand.hear(2, says(1, 9, '10.7.0.9', '10.7.0.9'), 600)
  expect(stand.neighbours.port(n)).toBe(2)
})

it('keeps who is known through a scan of addresses that nobody has', () => {
  stand.link.mask = -65536
  keep(stand, '10.7.0.9', 0)
  stand.hear(3, answers(9, '10.7.0.9'), 50)
  stand.hear(2, says(1, 8, '10.7.0.8', GATEWAY.address), 60)
  for (let i = 0; i < 5000; i++) {
    keep(stand, `10.7.${1 + (i >> 8)}.${i & 255}`, 100, 1)
    stand.out()
  }
  expect([state(stand, '10.7.0.9'), state(stand, '10.7.0.8')]).toEqual([REACHABLE, STALE])
  expect(stand.neighbours.incomplete).toBeLessThanOrEqual(32)
  for (let now = 1000; now < 9000; now += 250) stand.tick(now)
  stand.out()
  expect([stand.hold.count, stand.pool.free, stand.neighbours.count]).toEqual([0, 512, 2])
})

it('drops what waits when the network or the port goes', () => {
  keep(stand, '10.7.0.9', 0)
  stand.neighbours.forget(1, true)
  expect([stand.hold.count, stand.drops(1)]).toEqual([0, { no_neighbour: 1 }])
  keep(stand, '10.7.0.9', 10)
  stand.hear(3, answers(9, '10.7.0.9'), 50)
  stand.neighbours.leave(3)
  expect(state(stand, '10.7.0.9')).toBe(0)
})

/** A translated packet that waits: what it says is not what it came with. */
function translated(piece: number, length = 8): void {
  const ends = { source: '100.64.0.2', destination: '10.7.0.9', protocol: 17, fragment: 0 }
  const body = ipv4(ends, udp(40000, 53, payload(length)))
  const packet = stand.place(2, ethernet(GATEWAY.mac, station(2), 0x0800, body))
  packet.read(stand.arena.view)
  packet.source = address('10.7.0.12')
  packet.ports = (1234 << 16) | 99
  packet.destination = address('192.0.2.5')
  expect(stand.hold.keep(stand.link, address('10.7.0.9'), packet, piece, 0)).toBe(TAKEN)
  stand.out()
}

it('tells the sender of a translated packet in its own words', () => {
  translated(0)
  for (const now of [1000, 2000, 3000]) stand.tick(now)
  const told = stand.out().filter(({ frame }) => frame[13] === 0)
  expect(told).toHaveLength(1)
  const [{ frame, port }] = told
  expect([port, [...frame.subarray(30, 34)]]).toEqual([2, ip('10.7.0.12')])
  expect([...frame.subarray(54, 66)]).toEqual([
    ...ip('10.7.0.12'),
    ...ip('192.0.2.5'),
    ...u16(1234),
    ...u16(99),
  ])
  expect(sum(frame.subarray(42, 62))).toBe(0xffff)
})

it('tells nobody when the port that a packet came from is another by now', () => {
  translated(0)
  const { row, queue } = stand.ports[2]
  stand.ports[2] = Object.assign(new Port(2, 99, stand.network, row, 0), { queue, mtu: 1500 })
  for (const now of [1000, 2000, 3000]) stand.tick(now)
  expect(stand.out().filter(({ frame }) => frame[13] === 0)).toEqual([])
  expect([stand.hold.count, stand.pool.free]).toEqual([0, 512])
})

it('sends what waited in the pieces that it is to leave in', () => {
  translated(600, 1400)
  stand.hear(3, answers(9, '10.7.0.9'), 50)
  const sent = stand.out()
  expect(sent.map(({ frame }) => frame.length)).toEqual([610, 610, 290])
  expect(sent.every(({ frame }) => frame.subarray(0, 6).join() === mac(station(9)).join())).toBe(true)
  expect(stand.pool.free).toBe(512)
})
