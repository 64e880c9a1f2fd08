/** ICMP of the gateway: what it answers, what it tells of, and what it keeps silent about (RFC 792, RFC 1122, RFC 1812 4.3). */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { restore } from '../../src/gateway/quote.ts'
import { broadcast, ethernet, ip, ipv4, join, mac, station, sum, u16, u32, udp, vnet } from '../lab/frame.ts'
import { address, GATEWAY, Stand } from '../lab/stand.ts'

const guest = '10.7.0.11'
const outside = '192.0.2.1'
let stand: Stand

beforeEach(() => {
  stand = new Stand()
})
afterEach(() => stand.close())

function message(type: number, code: number, rest: number, data: Uint8Array): Uint8Array {
  const bare = join([type, code, 0, 0], u32(rest), data)
  return join([type, code], u16(~sum(bare)), bare.subarray(4))
}

interface Shape {
  source?: string
  destination?: string
  protocol?: number
  fragment?: number
  to?: string
}

function framed(body: Uint8Array, shape: Shape = {}): Uint8Array {
  const { source = guest, destination = outside, protocol = 17, to = GATEWAY.mac, fragment } = shape
  return ethernet(
    to,
    station(1),
    0x0800,
    ipv4({ source, destination, protocol, ...(fragment === undefined ? {} : { fragment }) }, body),
  )
}

function bytes(count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => i * 7)
}

function echo(frame: Uint8Array, header?: Uint8Array): { why: number; frame: Uint8Array } {
  const packet = stand.place(2, frame, header)
  packet.read(stand.arena.view)
  const why = stand.icmp.echo(packet)
  const after = stand.arena.u8.slice(packet.at, packet.at + packet.length)
  return { why, frame: after }
}

it.each([0, 1, 56, 1472, 9000])('answers an echo request of %i bytes in place', (length) => {
  const data = bytes(length)
  const request = framed(message(8, 0, 0x12340007, data), { destination: GATEWAY.address, protocol: 1 })
  const { why, frame } = echo(request)
  const body = ipv4(
    { source: GATEWAY.address, destination: guest, protocol: 1, fragment: 0 },
    message(0, 0, 0x12340007, data),
  )
  expect([why, Buffer.from(frame).toString('hex')]).toEqual([
    -1,
    Buffer.from(ethernet(station(1), GATEWAY.mac, 0x0800, body)).toString('hex'),
  ])
})

it('completes a partial checksum before it answers', () => {
  const whole = message(8, 0, 0x12340007, bytes(32))
  const open = join(whole.subarray(0, 2), [0, 0], whole.subarray(4))
  const asks = vnet({ flags: 1, start: 34, offset: 2 })
  const { why, frame } = echo(framed(open, { destination: GATEWAY.address, protocol: 1 }), asks)
  expect([why, sum(frame.subarray(34)), frame[34]]).toEqual([-1, 0xffff, 0])
  expect(stand.arena.u8.slice(stand.packet.at - 10, stand.packet.at)).toEqual(new Uint8Array(10))
})

it.each([
  [23, 'a wrong checksum', message(8, 0, 1, bytes(8)).fill(9, 2, 3), {}],
  [37, 'another type', message(13, 0, 1, bytes(12)), {}],
  [37, 'another code', message(8, 1, 1, bytes(12)), {}],
  [22, 'a cut header', message(8, 0, 1, bytes(8)).subarray(0, 7), {}],
  [24, 'its own source', message(8, 0, 1, bytes(8)), { source: GATEWAY.address }],
  [24, 'a broadcast source', message(8, 0, 1, bytes(8)), { source: '10.7.0.255' }],
  [24, 'no source', message(8, 0, 1, bytes(8)), { source: '0.0.0.0' }],
])('refuses with reason %i an echo request with %s', (reason, _, body, shape) => {
  const { why } = echo(framed(body, { destination: GATEWAY.address, protocol: 1, ...shape }))
  expect([why, stand.out()]).toEqual([reason, []])
})

/** What the gateway says about a frame. */
function told(frame: Uint8Array, type = 3, code = 1, detail = 0, now = 0): Uint8Array[] {
  const packet = stand.place(2, frame)
  packet.read(stand.arena.view)
  stand.icmp.error(packet, type, code, detail, now)
  stand.pool.give(packet.frame)
  return stand.out().map(({ port, frame }) => {
    expect(port).toBe(2)
    return frame
  })
}

it.each([
  [8, 3, 13, 0],
  [100, 11, 0, 0],
  [1480, 3, 4, 1400],
  [1480, 12, 0, 20 << 24],
])('tells of a packet of %i bytes by type %i code %i', (length, type, code, detail) => {
  const frame = framed(udp(1000, 53, bytes(length - 8)))
  const [error, ...more] = told(frame, type, code, detail)
  expect(more).toEqual([])
  const quote = frame.subarray(14, 14 + Math.min(548, frame.length - 14))
  expect([...error.subarray(0, 14)]).toEqual([...mac(station(1)), ...mac(GATEWAY.mac), 8, 0])
  const header = error.subarray(14, 34)
  expect([header[0], header[1], header[8], header[9]]).toEqual([0x45, 0xc0, 64, 1])
  expect([...header.subarray(2, 4), ...header.subarray(6, 8)]).toEqual([...u16(28 + quote.length), 0, 0])
  expect([...header.subarray(12)]).toEqual([...ip(GATEWAY.address), ...ip(guest)])
  expect([sum(header), sum(error.subarray(34))]).toEqual([0xffff, 0xffff])
  expect([...error.subarray(34, 36), ...error.subarray(38, 42)]).toEqual([type, code, ...u32(detail)])
  expect(error.subarray(42)).toEqual(quote)
  expect(stand.pool.free).toBe(512)
})

it('quotes no more than a narrow link takes', () => {
  stand.link.mtu = 128
  expect(told(framed(udp(1, 2, bytes(1000))))[0]).toHaveLength(14 + 128)
})

const query = message(8, 0, 1, bytes(8))
it.each([
  ['an ICMP error', framed(message(3, 1, 0, bytes(28)), { protocol: 1 })],
  ['a redirect', framed(message(5, 1, 0, bytes(28)), { protocol: 1 })],
  ['an unknown ICMP type', framed(message(41, 0, 0, bytes(28)), { protocol: 1 })],
  ['an ICMP packet without a header', framed(new Uint8Array(0), { protocol: 1 })],
  ['a later fragment', framed(bytes(64), { fragment: 0x2001 })],
  ['a frame for everybody', framed(query, { protocol: 1, to: broadcast })],
  ['a packet for a group', framed(query, { protocol: 1, destination: '224.0.0.5' })],
  ['a packet for everybody', framed(query, { protocol: 1, destination: '255.255.255.255' })],
  ["a packet for the subnet's broadcast", framed(query, { protocol: 1, destination: '10.7.0.255' })],
  ['a packet from nobody', framed(query, { protocol: 1, source: '0.0.0.0' })],
  ['a packet from loopback', framed(query, { protocol: 1, source: '127.0.0.1' })],
  ['a packet from a group', framed(query, { protocol: 1, source: '239.1.1.1' })],
  ['a packet from everybody', framed(query, { protocol: 1, source: '255.255.255.255' })],
  ["a packet from the subnet's broadcast", framed(query, { protocol: 1, source: '10.7.0.255' })],
  ['a packet from the gateway itself', framed(query, { protocol: 1, source: GATEWAY.address })],
])('says nothing about %s', (_, frame) => {
  expect(told(frame)).toEqual([])
  expect(stand.pool.free).toBe(512)
})

it('says something about an echo request and a first fragment', () => {
  expect(told(framed(query, { protocol: 1 }))).toHaveLength(1)
  expect(told(framed(udp(1, 2, bytes(56)), { fragment: 0x2000 }))).toHaveLength(1)
})

it('says nothing where it has no address', () => {
  stand.link.address = 0
  expect(told(framed(udp(1, 2, bytes(8))))).toEqual([])
})

it('has an allowance for each port, which fills again', () => {
  const frame = framed(udp(1, 2, bytes(8)))
  const count = (now: number, port: number) => {
    let sent = 0
    for (let i = 0; i < 200; i++) {
      const packet = stand.place(port, frame)
      packet.read(stand.arena.view)
      stand.icmp.error(packet, 3, 1, 0, now)
      stand.pool.give(packet.frame)
      sent += stand.out().length
    }
    return sent
  }
  expect([count(0, 1), count(0, 2), count(10, 1), count(1000, 1), count(2 ** 31 - 5, 1)]).toEqual([
    50, 50, 10, 50, 50,
  ])
  expect(count(-(2 ** 31) + 5, 1)).toBe(10)
})

/** A whole packet with right checksums. */
function whole(protocol: number, source: string, destination: string, ports: number): Uint8Array {
  const data = bytes(13)
  const pseudo = (length: number) => sum([...ip(source), ...ip(destination)], protocol + length)
  const word = u32(ports)
  let body = message(8, 0, (ports & ~0xffff) | 7, data)
  if (protocol === 17) {
    const open = join(word, u16(8 + data.length), [0, 0], data)
    body = join(open.subarray(0, 6), u16(~sum(open, pseudo(open.length))), data)
  } else if (protocol === 6) {
    const open = join(word, u32(1), u32(2), [0x50, 0x10], u16(512), [0, 0, 0, 0], data)
    body = join(open.subarray(0, 16), u16(~sum(open, pseudo(open.length))), [0, 0], data)
  } else if (protocol === 47) body = data
  return framed(body, { source, destination, protocol })
}

it.each([
  ['TCP', 6],
  ['UDP', 17],
  ['ICMP', 1],
  ['GRE', 47],
])('puts a translated packet of %s back into its own words', (_, protocol) => {
  const original = whole(protocol, guest, outside, (1000 << 16) | (protocol === 1 ? 0x0800 : 53))
  const translated = whole(
    protocol,
    '100.64.0.2',
    '198.51.100.7',
    (40000 << 16) | (protocol === 1 ? 0x0800 : 99),
  )
  const { at, frame } = stand.place(2, translated)
  restore(
    stand.arena.view,
    at,
    address(guest),
    address(outside),
    (1000 << 16) | (protocol === 1 ? 0x0800 : 53),
  )
  const after = stand.arena.u8.slice(at, at + translated.length)
  expect(Buffer.from(after).toString('hex')).toBe(Buffer.from(original).toString('hex'))
  stand.pool.give(frame)
})

it('leaves a partial checksum alone', () => {
  const body = whole(17, '100.64.0.2', '198.51.100.7', (40000 << 16) | 99)
  const { at } = stand.place(2, body, vnet({ flags: 1, start: 34, offset: 6 }))
  restore(stand.arena.view, at, address(guest), address(outside), (1000 << 16) | 53)
  expect(stand.arena.u8.slice(at + 40, at + 42)).toEqual(body.slice(40, 42))
})

it('leaves a UDP checksum that was never made alone', () => {
  const body = udp(40000, 99, bytes(8))
  const { at } = stand.place(2, framed(body, { source: '100.64.0.2' }))
  restore(stand.arena.view, at, address(guest), address(outside), (1000 << 16) | 53)
  expect([...stand.arena.u8.slice(at + 34, at + 42)]).toEqual([...u16(1000), ...u16(53), 0, 16, 0, 0])
})
