/** Packets in pieces, and segment sizes: for a way that is narrower than what it is given. */
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { clamp } from '../../src/gateway/mss.ts'
import { payload } from '../lab/fragment.ts'
import { ethernet, ip, ipv4, join, station, sum, u16, u32, vnet } from '../lab/frame.ts'
import { GATEWAY, OWN, Stand } from '../lab/stand.ts'
import { asking } from '../lab/super.ts'

let stand: Stand

beforeEach(() => {
  stand = new Stand()
})
afterEach(() => stand.close())

const ends = { source: '10.7.0.11', destination: '192.0.2.1' }

function split(frame: Uint8Array, piece: number, header?: Uint8Array): { why: number; frames: Uint8Array[] } {
  const packet = stand.place(1, frame, header)
  const why = stand.fragments.split(packet.at, frame.length, piece, OWN, 3)
  stand.pool.give(packet.frame)
  const sent = stand.out()
  expect(sent.every(({ port }) => port === 3)).toBe(true)
  return { why, frames: sent.map(({ frame }) => frame) }
}

interface Fragment {
  word: number
  id: number
  header: Uint8Array
  body: Uint8Array
}

function read(frame: Uint8Array): Fragment {
  const view = new DataView(frame.buffer, frame.byteOffset)
  const length = (frame[14] & 15) * 4
  expect(view.getUint16(16)).toBe(frame.length - 14)
  expect(sum(frame.subarray(14, 14 + length))).toBe(0xffff)
  return {
    word: view.getUint16(20),
    id: view.getUint16(18),
    header: frame.subarray(14, 14 + length),
    body: frame.subarray(14 + length),
  }
}

it('cuts any packet so that its pieces make it again', () => {
  const wanted = fc.record({
    length: fc.integer({ min: 1, max: 12_000 }),
    piece: fc.integer({ min: 68, max: 1500 }),
    dont: fc.boolean(),
    options: fc.constantFrom<number[]>([], [0x94, 4, 0, 0]),
  })
  fc.assert(
    fc.property(wanted, ({ length, piece, dont, options }) => {
      const bytes = payload(length)
      const body = ipv4({ ...ends, protocol: 17, id: 99, fragment: dont ? 0x4000 : 0, options }, bytes)
      const { why, frames } = split(ethernet(GATEWAY.mac, station(1), 0x0800, body), piece)
      expect(why).toBe(-1)
      let at = 0
      frames.forEach((frame, i) => {
        const { word, id, body: part, header } = read(frame)
        expect(frame.length - 14).toBeLessThanOrEqual(piece)
        const more = i < frames.length - 1
        expect([word, id]).toEqual([(dont ? 0x4000 : 0) | (more ? 0x2000 : 0) | (at >> 3), 99])
        expect([...header.subarray(20)]).toEqual(options)
        expect(Buffer.compare(part, bytes.subarray(at, at + part.length))).toBe(0)
        if (more) expect(frame.length - 14).toBeGreaterThan(piece - 8)
        at += part.length
      })
      expect([at, stand.pool.free]).toEqual([length, 512])
    }),
  )
})

it('leaves options that are not copied to the first piece', () => {
  // record route (7) is not copied, router alert (0x94) is (RFC 791 3.1)
  const options = [7, 7, 4, 1, 2, 3, 4, 0x94, 4, 0, 0, 1, 0, 0, 0, 0]
  const body = ipv4({ ...ends, protocol: 17, fragment: 0, options }, payload(3000))
  const { frames } = split(ethernet(GATEWAY.mac, station(1), 0x0800, body), 1500)
  const [first, ...rest] = frames.map((frame) => [...read(frame).header.subarray(20)])
  expect(first).toEqual(options)
  expect(rest).toEqual(Array(rest.length).fill([1, 1, 1, 1, 1, 1, 1, 0x94, 4, 0, 0, 1, 0, 0, 0, 0]))
})

it('completes a partial checksum before it cuts', () => {
  const { frame, vnet: header } = asking({ kind: 'udp4', payload: payload(3000), size: 0 })
  const { frames } = split(frame, 1500, header)
  const body = join(...frames.map((each) => read(each).body))
  const pseudo = sum([...ip('10.7.0.1'), ...ip('10.7.0.2')], 17 + body.length)
  expect(sum(body, pseudo)).toBe(0xffff)
})

it('makes more segments of a segmented packet, which stay one frame', () => {
  const { frame, vnet: header } = asking({ kind: 'tcp4', payload: payload(20_000), size: 1460 })
  const packet = stand.place(1, frame, header)
  expect(stand.fragments.split(packet.at, frame.length, 1300, OWN, 3)).toBe(-1)
  stand.pool.give(packet.frame)
  const [sent, ...more] = stand.out()
  expect([more, sent.frame]).toEqual([[], frame])
  expect(sent.vnet).toEqual(vnet({ flags: 1, gso: 1, headers: 54, size: 1260, start: 34, offset: 16 }))
})

it('refuses what cannot be cut', () => {
  const { frame, vnet: header } = asking({ kind: 'udp4', payload: payload(6000), size: 1400 })
  expect(split(frame, 1300, header)).toEqual({ why: 14, frames: [] })
  const body = ipv4({ ...ends, protocol: 17, fragment: 0 }, payload(3000))
  expect(split(ethernet(GATEWAY.mac, station(1), 0x0800, body), 27)).toEqual({ why: 14, frames: [] })
  expect(stand.pool.free).toBe(512)
})

/** A TCP segment with right checksum, from and to `ends`. */
function segment(flags: number, options: number[]): Uint8Array {
  const size = 20 + options.length
  const head = join(u16(1000), u16(80), u32(1), u32(2), [(size >> 2) << 4, flags], u16(512), [0, 0, 0, 0])
  const open = join(head, options, payload(5))
  const pseudo = sum([...ip(ends.source), ...ip(ends.destination)], 6 + open.length)
  return join(open.subarray(0, 16), u16(~sum(open, pseudo)), open.subarray(18))
}

function clamped(bytes: Uint8Array, mtu: number, work = 0): Uint8Array {
  const frame = ethernet(GATEWAY.mac, station(1), 0x0800, ipv4({ ...ends, protocol: 6 }, bytes))
  const packet = stand.place(1, frame)
  packet.read(stand.arena.view)
  clamp(stand.arena.view, packet.transport, packet.end, mtu, work)
  const after = stand.arena.u8.slice(packet.transport, packet.end)
  stand.pool.give(packet.frame)
  return after
}

const size = (value: number) => [2, 4, ...u16(value)]

it.each([
  ['first', (value: number) => [...size(value), 1, 1, 4, 2]],
  ['at an odd place', (value: number) => [1, ...size(value), 1, 1, 1]],
  ['behind others', (value: number) => [4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, ...size(value)]],
])('lowers the segment size that a SYN offers, %s', (_, options) => {
  for (const flags of [0x02, 0x12, 0xc2])
    expect(clamped(segment(flags, options(1460)), 1400)).toEqual(segment(flags, options(1360)))
})

it('leaves what needs no change', () => {
  const low = segment(0x02, size(536))
  const late = segment(0x10, size(1460))
  const none = segment(0x02, [1, 1, 4, 2])
  for (const bytes of [low, late, none]) expect(clamped(bytes, 1400)).toEqual(bytes)
  expect(clamped(segment(0x02, size(1460)), 1500)).toEqual(segment(0x02, size(1460)))
})

it('leaves a partial checksum alone', () => {
  const bytes = segment(0x02, size(1460))
  const after = clamped(bytes, 1400, 0x100)
  expect([...after.subarray(16, 18), ...after.subarray(20, 24)]).toEqual([
    ...bytes.subarray(16, 18),
    ...size(1360),
  ])
})

it.each([
  ['an option that ends beyond the header', [1, 1, 2, 4]],
  ['an option of no length', [2, 0, 255, 255]],
  ['an option of one byte', [2, 1, 255, 255]],
  ['the end before it', [0, 0, 0, 0, ...size(1460)]],
  ['another length', [2, 3, 255, 1]],
])('is not misled by %s', (_, options) => {
  const bytes = segment(0x02, options)
  expect(clamped(bytes, 1400)).toEqual(bytes)
})

it('reads no further than the packet', () => {
  const bytes = segment(0x02, size(1460)).subarray(0, 22)
  expect(clamped(bytes, 1400)).toEqual(bytes)
  expect(clamped(bytes.subarray(0, 19), 1400)).toEqual(bytes.subarray(0, 19))
})
