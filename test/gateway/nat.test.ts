/** Translation as tables of packets, through the whole dataplane: what a guest sends, what the world gets, and back. */
import { afterEach, expect, it } from 'vitest'
import { join, u16 } from '../lab/frame.ts'
import { House, INSIDE, int32, OUTSIDE, type Settings } from '../lab/house.ts'
import { ACK, ends, query, read, SYN, tcp, udp } from '../lab/transport.ts'

const SERVER = '203.0.113.9:53'
const NEEDS_CSUM = 1

let house: House
afterEach(() => house.close())

function home(settings: Settings = {}): House {
  house = new House(settings)
  return house
}

/** Sends packets one after the other: who, what, and what arrives at whom. */
type Row = [from: number | 'out', packet: Uint8Array, at: number | 'out', arrives: string[]]
function table(rows: Row[]): void {
  rows.forEach(([from, packet, at, arrives], row) => {
    if (from === 'out') house.outside(packet)
    else house.guest(from, packet)
    expect(ends(at === 'out' ? house.atOutside() : house.atGuest(at)), `row ${row + 1}`).toEqual(arrives)
  })
}

it('translates out and back, payload and time to live as they should be', () => {
  home()
  house.guest(0, udp('10.0.0.11:5000', SERVER))
  expect(ends(house.atOutside())).toEqual([`${OUTSIDE}:5000 > ${SERVER}`])
  house.outside(udp(SERVER, `${OUTSIDE}:5000`, { payload: [7, 7] }))
  const [{ packet }] = house.atGuest(0)
  const { from, to, payload, ttl } = read(packet)
  expect([from, to, payload, ttl]).toEqual([SERVER, '10.0.0.11:5000', '0707', 63])
  expect(house.drops()).toEqual({})
})

it('leads published ports to their guests, ranges by their offset', () => {
  home({
    redirects: [
      { first: 8000, last: 8009, to: int32('10.0.0.12'), toFirst: 80 },
      { protocol: 6, first: 8005, last: 8005, to: int32('10.0.0.13'), toFirst: 22 },
      { first: 8005, last: 8100, to: int32('10.0.0.14'), toFirst: 1000 },
    ],
  })
  table([
    ['out', udp(SERVER, `${OUTSIDE}:8000`), 1, [`${SERVER} > 10.0.0.12:80`]],
    ['out', udp(SERVER, `${OUTSIDE}:8009`), 1, [`${SERVER} > 10.0.0.12:89`]],
    ['out', udp(SERVER, `${OUTSIDE}:8010`), 3, [`${SERVER} > 10.0.0.14:1005`]],
    ['out', tcp(SERVER, `${OUTSIDE}:8005`, SYN), 2, [`${SERVER} > 10.0.0.13:22`]],
    [1, udp('10.0.0.12:89', SERVER), 'out', [`${OUTSIDE}:8009 > ${SERVER}`]],
    ['out', udp(SERVER, `${OUTSIDE}:7999`), 1, []],
  ])
  expect(house.drops()).toEqual({ nat_filtered: 1 })
})

it('never gives a published port to a mapping', () => {
  home({
    first: 8000,
    last: 8003,
    redirects: [{ first: 8000, last: 8001, to: int32('10.0.0.12'), toFirst: 80 }],
  })
  table([
    [0, udp('10.0.0.11:8000', SERVER), 'out', [`${OUTSIDE}:8002 > ${SERVER}`]],
    [0, udp('10.0.0.11:8001', SERVER), 'out', [`${OUTSIDE}:8003 > ${SERVER}`]],
    [0, udp('10.0.0.11:8002', SERVER), 'out', []],
    [0, tcp('10.0.0.11:8000', SERVER, SYN), 'out', [`${OUTSIDE}:8000 > ${SERVER}`]],
  ])
})

it('shows the gateway as the source where a redirect masquerades, told apart by port', () => {
  home({ redirects: [{ first: 8000, last: 8001, to: int32('10.0.0.12'), toFirst: 80, masquerade: true }] })
  table([
    ['out', udp('203.0.113.9:4000', `${OUTSIDE}:8000`), 1, [`${INSIDE}:4000 > 10.0.0.12:80`]],
    [1, udp('10.0.0.12:80', `${INSIDE}:4000`), 'out', [`${OUTSIDE}:8000 > 203.0.113.9:4000`]],
  ])
  house.outside(udp('203.0.113.10:4000', `${OUTSIDE}:8000`))
  const second = read(house.atGuest(1)[0].packet).from
  expect(second).toMatch(/^10\.0\.0\.1:/)
  expect(second).not.toBe(`${INSIDE}:4000`)
  table([[1, udp('10.0.0.12:80', second), 'out', [`${OUTSIDE}:8000 > 203.0.113.10:4000`]]])
})

it('translates one address to another both ways, whatever the protocol', () => {
  const address = '198.51.100.9'
  home({ redirects: [{ protocol: 0, address: int32(address), to: int32('10.0.0.12'), mutual: true }] })
  const esp = (from: string, to: string) => {
    const bytes = udp(`${from}:0`, `${to}:0`)
    bytes[9] = 50
    bytes.set([0, 0], 10)
    return bytes
  }
  const summed = (bytes: Uint8Array) => {
    let sum = 0
    for (let i = 0; i < 20; i += 2) sum += (bytes[i] << 8) | bytes[i + 1]
    bytes.set(u16(~((sum & 0xffff) + (sum >>> 16))), 10)
    return bytes
  }
  table([
    ['out', tcp(SERVER, `${address}:22`, SYN), 1, [`${SERVER} > 10.0.0.12:22`]],
    ['out', query('203.0.113.9:7', `${address}:0`), 1, ['203.0.113.9:7 > 10.0.0.12:7']],
    [1, query('10.0.0.12:0', '203.0.113.9:7', 0), 'out', [`${address}:7 > 203.0.113.9:7`]],
    [1, udp('10.0.0.12:99', SERVER), 'out', [`${address}:99 > ${SERVER}`]],
    [0, udp('10.0.0.11:9900', SERVER), 'out', [`${OUTSIDE}:9900 > ${SERVER}`]],
    ['out', summed(esp('203.0.113.9', address)), 1, ['203.0.113.9:0 > 10.0.0.12:0']],
    [1, summed(esp('10.0.0.12', '203.0.113.9')), 'out', [`${address}:0 > 203.0.113.9:0`]],
  ])
})

it('gives a guest all that nobody else asked for, without taking the ports of the others', () => {
  home({ redirects: [{ protocol: 0, address: int32(OUTSIDE), to: int32('10.0.0.12') }] })
  table([
    [0, udp('10.0.0.11:5000', SERVER), 'out', [`${OUTSIDE}:5000 > ${SERVER}`]],
    ['out', udp(SERVER, `${OUTSIDE}:5000`), 0, [`${SERVER} > 10.0.0.11:5000`]],
    ['out', tcp(SERVER, `${OUTSIDE}:5000`, SYN), 1, [`${SERVER} > 10.0.0.12:5000`]],
  ])
})

it('drops the UDP flows of a redirect that went, and serves the one that came', () => {
  const to = (guest: string) => ({ redirects: [{ first: 8000, last: 8000, to: int32(guest), toFirst: 80 }] })
  home(to('10.0.0.12'))
  table([['out', udp(SERVER, `${OUTSIDE}:8000`), 1, [`${SERVER} > 10.0.0.12:80`]]])
  house.set(to('10.0.0.13'))
  table([['out', udp(SERVER, `${OUTSIDE}:8000`), 2, [`${SERVER} > 10.0.0.13:80`]]])
  house.set({})
  table([['out', udp(SERVER, `${OUTSIDE}:8000`), 2, []]])
})

it('refuses hairpins where they are off, and through an isolated network', () => {
  const redirects = [{ first: 8000, last: 8000, to: int32('10.0.0.12'), toFirst: 80 }]
  home({ hairpin: false, redirects })
  table([[0, udp('10.0.0.11:5000', `${OUTSIDE}:8000`), 1, []]])
  house.close()
  home({ isolated: true, redirects })
  table([[0, udp('10.0.0.11:5000', `${OUTSIDE}:8000`), 1, []]])
  expect(house.drops()).toEqual({ isolated: 1 })
})

it('gives a port back when the last flow of its mapping has ended', () => {
  home({ first: 3000, last: 3000 })
  table([
    [0, udp('10.0.0.11:5000', '203.0.113.9:1'), 'out', [`${OUTSIDE}:3000 > 203.0.113.9:1`]],
    [1, udp('10.0.0.12:5000', SERVER), 'out', []],
  ])
  house.rig.time += 200_000
  table([[0, udp('10.0.0.11:5000', '203.0.113.9:2'), 'out', [`${OUTSIDE}:3000 > 203.0.113.9:2`]]])
  // The first flow is over, the second holds the mapping still.
  house.rig.time += 150_000
  table([[1, udp('10.0.0.12:5000', SERVER), 'out', []]])
  for (let second = 0; second < 200; second++) house.rig.time += 1000
  table([[1, udp('10.0.0.12:5000', SERVER), 'out', [`${OUTSIDE}:3000 > ${SERVER}`]]])
})

it('holds no port for a packet that found no room for its flow', () => {
  home({ flows: 64, first: 3000, last: 3099 })
  for (let port = 1; port <= 64; port++) {
    house.guest(0, tcp(`10.0.0.11:${port}`, SERVER, SYN, { sequence: 1 }))
    house.outside(tcp(SERVER, read(house.atOutside()[0].packet).from, SYN | ACK, { acknowledged: 2 }))
    house.guest(0, tcp(`10.0.0.11:${port}`, SERVER, ACK, { sequence: 2, acknowledged: 1001 }))
    house.atOutside()
  }
  const { nat, links } = house.parts
  const uplink = links.list.find(({ address }) => address === int32(OUTSIDE))!
  const before = nat.endpointsInUse(uplink.port.index)
  for (let port = 100; port < 300; port++) house.guest(1, udp(`10.0.0.12:${port}`, SERVER))
  expect(house.atOutside()).toEqual([])
  expect(nat.endpointsInUse(uplink.port.index)).toEqual(before)
  expect(house.drops()).toEqual({ flows_full: 200 })
})

it('leaves a UDP packet without a checksum without one', () => {
  home()
  const bare = udp('10.0.0.11:5000', SERVER)
  bare.set([0, 0], 26)
  house.guest(0, bare)
  expect([...house.atOutside()[0].packet.subarray(26, 28)]).toEqual([0, 0])
})

it('keeps a partial checksum partial, and a super-frame whole', () => {
  home()
  house.guest(0, tcp('10.0.0.11:5000', SERVER, SYN, { sequence: 1 }))
  house.outside(tcp(SERVER, `${OUTSIDE}:5000`, SYN | ACK, { sequence: 9, acknowledged: 2 }))
  house.guest(0, tcp('10.0.0.11:5000', SERVER, ACK, { sequence: 2, acknowledged: 10 }))
  house.atOutside()
  const payload = new Uint8Array(4000).fill(3)
  const header = { flags: NEEDS_CSUM, gso: 1, headers: 54, size: 1000, start: 34, offset: 16 }
  for (const flags of [ACK, ACK | 0x08, ACK]) {
    const big = tcp('10.0.0.11:5000', SERVER, flags, { sequence: 2, acknowledged: 10, payload })
    const translated = tcp(`${OUTSIDE}:5000`, SERVER, flags, { sequence: 2, acknowledged: 10, payload })
    for (const packet of [big, translated]) packet.set(u16(pseudo(packet)), 36)
    house.guest(0, big, header)
    const [got] = house.atOutside()
    expect(Buffer.from(got.packet.subarray(12)).equals(translated.subarray(12))).toBe(true)
    expect([got.vnet[0], got.vnet[1]]).toEqual([NEEDS_CSUM, 1])
  }
})

/** The sum that a partial checksum is: of the pseudo-header, not complemented. */
function pseudo(packet: Uint8Array): number {
  const bytes = join(packet.subarray(12, 20), u16(6), u16(packet.length - 20))
  let sum = 0
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] << 8) | bytes[i + 1]
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum
}
