import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hex, numbered, station, sum } from '../lab/frame.ts'
import { Rig } from '../lab/rig.ts'
import { type Ask, asking } from '../lab/super.ts'
import { read, segments } from './reference.ts'

const CSUM = 1
const FRAMES = 136

/** What an egress with these offloads is given of one super-frame. */
function through(ask: Ask, offloads = 0, frames = FRAMES): Uint8Array[] {
  const rig = new Rig({ networks: [{ mtu: 65521 }], ports: [{}, { offloads, mtu: 65521 }], frames })
  rig.close()
  rig.send(0, asking(ask))
  expect([rig.drops(0), rig.drops(1)]).toEqual([{}, {}])
  expect(rig.pool.free).toBe(frames)
  const sent = rig.taken(1)
  for (const { vnet } of sent) expect(vnet.every((byte) => byte === 0)).toBe(true)
  expect(rig.transmitted(1)).toBe(sent.length)
  return sent.map(({ frame }) => frame)
}

function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff)
}

const words = (size: number, count: number) =>
  fc.nat(count).chain((n) => fc.array(fc.nat(255), { minLength: n * size, maxLength: n * size }))

const extension = fc.record({
  type: fc.constantFrom(0, 43, 60),
  // A routing header whose segments are all left behind: the destination is the final one.
  bytes: words(8, 4).map((rest) => [0, 0, 4, 0, 1, 2, 3, 4, ...rest]),
})

const ask: fc.Arbitrary<Ask> = fc
  .record({
    kind: fc.constantFrom<Ask['kind'][]>('tcp4', 'tcp6', 'udp4', 'udp6'),
    size: fc.oneof(
      fc.integer({ min: 1, max: 64 }),
      fc.integer({ min: 64, max: 3000 }),
      fc.constantFrom(1448, 65535),
    ),
    count: fc.integer({ min: 1, max: 90 }),
    short: fc.nat(3000),
    tags: fc.array(fc.tuple(fc.constantFrom(0x8100, 0x88a8), fc.nat(0xffff)), { maxLength: 2 }),
    options: words(4, 10),
    tcpOptions: words(4, 10),
    extensions: fc.array(extension, { maxLength: 3 }),
    flags: fc.nat(255),
    id: fc.nat(0xffff),
    sequence: fc.oneof(fc.nat(0xffffffff), fc.constant(0xffffff00)),
    ecn: fc.boolean(),
  })
  .map(({ count, short, ...rest }) => {
    const length = Math.min(64_000, Math.max(1, rest.size * count - (short % rest.size)))
    return { ...rest, payload: bytes(length) }
  })

describe('segmentation', () => {
  it('makes what the sender would have sent itself', () => {
    fc.assert(
      fc.property(ask, (given) => {
        const made = through(given)
        expect(hex(made)).toEqual(hex(segments(given)))
        const { network, transport } = asking(given)
        const fields = made.map((frame) => read(given.kind, frame, network, transport))
        for (const { sums } of fields) expect(sums).toEqual([0xffff, 0xffff])
        expect(Buffer.concat(fields.map(({ payload }) => payload)).equals(given.payload)).toBe(true)
      }),
      { numRuns: 150 },
    )
  })

  it('counts sequence numbers over their end and keeps FIN and PSH for the last, CWR for the first', () => {
    const given: Ask = {
      kind: 'tcp4',
      payload: bytes(2500),
      size: 1000,
      flags: 0xd9,
      sequence: 0xfffffc18,
      ecn: true,
    }
    const fields = through(given).map((frame) => read('tcp4', frame, 14, 34))
    expect(fields.map(({ sequence }) => sequence)).toEqual([0xfffffc18, 0, 1000])
    expect(fields.map(({ flags }) => flags)).toEqual([0xd0, 0x50, 0x59])
  })

  it.each([
    ['one byte a segment', 1, 1400, 1400],
    ['exactly two segments', 1448, 2896, 2],
    ['a byte more', 1448, 2897, 3],
    ['exactly one segment', 1448, 1448, 1],
    ['a segment larger than the payload', 9000, 1448, 1],
    ['no payload at all', 1448, 0, 1],
    ['the largest packet', 1448, 65_495, 46],
  ])('%s', (_, size, length, count) => {
    const given: Ask = { kind: 'tcp4', payload: bytes(length), size, flags: 0x19 }
    const made = through(given)
    expect(made.length).toBe(count)
    expect(hex(made)).toEqual(hex(segments(given)))
  })

  it.each(['udp4', 'udp6'] as const)('%s: a sum of zero is sent as ones', (kind) => {
    for (const length of [6, 12]) {
      const payload = new Uint8Array(length).fill(1)
      const [plain] = segments({ kind, payload, size: 6 })
      const { transport } = asking({ kind, payload, size: 6 })
      const value = new DataView(plain.buffer).getUint16(transport + 6)
      // The word that the sum lacks makes it zero.
      const lacking = sum([value >> 8, value & 255, payload[0], payload[1]])
      payload.set([lacking >> 8, lacking & 255])
      const [first] = through({ kind, payload, size: 6 })
      expect(new DataView(first.buffer).getUint16(transport + 6)).toBe(0xffff)
      expect(read(kind, first, 14, transport).sums[1]).toBe(0xffff)
    }
  })

  it('does with one free frame what it does with many, and says when there is none', () => {
    const given: Ask = { kind: 'tcp6', payload: bytes(20_000), size: 1000 }
    expect(hex(through(given, CSUM, 2))).toEqual(hex(segments(given)))
    const rig = new Rig({ ports: [{}, { offloads: 0 }], frames: 1 })
    rig.close()
    rig.send(0, asking(given))
    expect([rig.taken(1), rig.drops(1), rig.pool.free]).toEqual([[], { no_frames: 1 }, 1])
  })

  it('counts every segment that the egress does not take, and gives its frame back', () => {
    const rig = new Rig({ ports: [{}, { offloads: 0 }] })
    rig.close()
    rig.feed(1).room = 70
    rig.send(0, asking({ kind: 'tcp4', payload: bytes(10_000), size: 100 }))
    expect([rig.taken(1).length, rig.drops(1), rig.pool.free]).toEqual([70, { egress_full: 30 }, FRAMES])
  })

  it('stays in order with the frames before and behind', () => {
    const rig = new Rig({ ports: [{}, { offloads: 0 }] })
    rig.close()
    const [to, from] = [station(2), station(1)]
    const first: Ask = { kind: 'tcp4', payload: bytes(7000), size: 700, to, from, sequence: 1 }
    const second: Ask = { ...first, sequence: 7001 }
    const [a, b, c, d] = [1, 2, 3, 4].map((number) => numbered(to, from, number))
    rig.send(0, a, asking(first), b, c, asking(second), d)
    expect(rig.taken(1).map(({ frame }) => frame)).toEqual([
      a,
      ...segments(first),
      b,
      c,
      ...segments(second),
      d,
    ])
  })

  it('leaves a frame whole for those that can take it, flooded to all kinds together', () => {
    const masks = [31, 0, CSUM, 31 & ~2, 31 & ~8]
    const rig = new Rig({ ports: [{}, ...masks.map((offloads) => ({ offloads }))] })
    rig.close()
    const given: Ask = {
      kind: 'tcp4',
      payload: bytes(3000),
      size: 1000,
      flags: 0x90,
      ecn: true,
      to: station(2),
    }
    const whole = asking(given)
    rig.send(0, whole)
    expect(rig.taken(1)).toEqual([{ frame: whole.frame, vnet: whole.vnet }])
    for (const port of [2, 3, 4, 5])
      expect(hex(rig.taken(port).map(({ frame }) => frame))).toEqual(hex(segments(given)))
  })
})
