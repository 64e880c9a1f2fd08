import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { numbered, station, vnet } from '../lab/frame.ts'
import { Rig } from '../lab/rig.ts'
import { type Ask, type Asking, asking } from '../lab/super.ts'
import { completed, read } from './reference.ts'

const kinds: Ask['kind'][] = ['tcp4', 'tcp6', 'udp4', 'udp6']

function rig(offloads: number): Rig {
  const made = new Rig({ networks: [{ mtu: 65521 }], ports: [{}, { offloads, mtu: 65521 }], frames: 8 })
  made.close()
  return made
}

const ask = fc.record({
  kind: fc.constantFrom(...kinds),
  payload: fc.uint8Array({ maxLength: 1500 }),
  size: fc.constant(0),
  tags: fc.array(fc.tuple(fc.constant(0x8100), fc.nat(0xffff)), { maxLength: 2 }),
}) as fc.Arbitrary<Ask>

describe('a partial checksum', () => {
  it('is completed for a port that cannot: what it comes to is the sum over everything', () => {
    const lan = rig(0)
    fc.assert(
      fc.property(ask, (given) => {
        const made = asking(given)
        lan.send(0, made)
        const [{ frame, vnet }] = lan.taken(1)
        expect(frame).toEqual(completed(given))
        expect(read(given.kind, frame, made.network, made.transport).sums).toEqual([0xffff, 0xffff])
        expect(vnet.every((byte) => byte === 0)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })
  it('passes as it is to a port that can, also beside one that cannot', () => {
    const given: Ask = { kind: 'udp4', payload: new Uint8Array(99), size: 0 }
    for (const order of [
      [1, 0],
      [0, 1],
    ]) {
      const lan = new Rig({ ports: [{}, ...order.map((offloads) => ({ offloads }))] })
      lan.close()
      const made = asking(given)
      lan.send(0, made)
      const [able, unable] = order[0] === 1 ? [1, 2] : [2, 1]
      expect(lan.taken(unable)[0].frame).toEqual(completed(given))
      // A sum that is complete already asks for nothing, and is as good.
      const [got] = lan.taken(able)
      const isDone = got.vnet.every((byte) => byte === 0)
      expect(got.frame).toEqual(isDone ? completed(given) : made.frame)
    }
    const lan = rig(1)
    lan.send(0, asking(given))
    expect(lan.taken(1)).toEqual([{ frame: asking(given).frame, vnet: asking(given).vnet }])
  })
})

/** A header that says what `asking` says but for `change`; `bytes` are changed in the frame. */
function lie(
  made: Asking,
  change: Partial<Record<'flags' | 'gso' | 'headers' | 'size' | 'start' | 'offset', number>>,
): Asking {
  const view = new DataView(Uint8Array.from(made.vnet).buffer)
  const [headers, size, start, offset] = [2, 4, 6, 8].map((at) => view.getUint16(at, true))
  return {
    ...made,
    vnet: vnet({ flags: made.vnet[0], gso: made.vnet[1], headers, size, start, offset, ...change }),
  }
}

function patch(made: Asking, at: number, ...bytes: number[]): Asking {
  const frame = Uint8Array.from(made.frame)
  frame.set(bytes, at)
  return { ...made, frame }
}

const tcp4 = asking({ kind: 'tcp4', payload: new Uint8Array(3000), size: 1000 })
const tcp6 = asking({ kind: 'tcp6', payload: new Uint8Array(3000), size: 1000 })
const udp4 = asking({ kind: 'udp4', payload: new Uint8Array(3000), size: 1000 })
const partial = asking({ kind: 'tcp4', payload: new Uint8Array(100), size: 0 })
const many = asking({ kind: 'tcp4', payload: new Uint8Array(1401), size: 1 })
const cut = (made: Asking, length: number) => ({ ...made, frame: made.frame.subarray(0, length) })

const lies: [string, string, { frame: Uint8Array; vnet: Uint8Array }][] = [
  ['a sum over the Ethernet header', 'vnet_checksum', lie(partial, { start: 13 })],
  ['a sum behind the end', 'vnet_checksum', lie(partial, { start: partial.frame.length - 1, offset: 0 })],
  [
    'a field that ends behind the end',
    'vnet_checksum',
    lie(partial, { offset: partial.frame.length - 34 - 1 }),
  ],
  ['offsets that wrap', 'vnet_checksum', lie(partial, { start: 0xffff, offset: 0xffff })],
  ['an unknown segmentation', 'vnet_gso', lie(tcp4, { gso: 2 })],
  ['UDP fragmentation', 'vnet_gso', lie(udp4, { gso: 3 })],
  ['congestion marks alone', 'vnet_gso', lie(tcp4, { gso: 0x80 })],
  ['segments without a sum', 'vnet_gso', lie(tcp4, { flags: 0 })],
  ['segments of nothing', 'vnet_gso', lie(tcp4, { size: 0 })],
  ['more segments than there can be', 'vnet_gso', many],
  ['IPv6 that is IPv4', 'vnet_header', lie(tcp4, { gso: 4 })],
  ['IPv4 that is IPv6', 'vnet_header', lie(tcp6, { gso: 1 })],
  ['UDP that is TCP', 'vnet_header', lie(tcp4, { gso: 5 })],
  ['TCP that is UDP', 'vnet_header', lie(udp4, { gso: 1 })],
  ['a sum elsewhere', 'vnet_header', lie(tcp4, { start: tcp4.transport + 2 })],
  ['a sum in another field', 'vnet_header', lie(tcp4, { offset: 6 })],
  ['no IP', 'vnet_header', patch(tcp4, 12, 0x08, 0x06)],
  ['another version', 'vnet_header', patch(tcp4, 14, 0x65)],
  ['an IPv4 header of 16 bytes', 'vnet_header', patch(tcp4, 14, 0x44)],
  ['an IPv4 header of 60 bytes that are the TCP header', 'vnet_header', patch(tcp4, 14, 0x4f)],
  ['a total length that is too short', 'vnet_header', patch(tcp4, 16, 0, 40)],
  ['a total length that is too long', 'vnet_header', patch(tcp4, 16, 0xff, 0xff)],
  ['a fragment', 'vnet_header', patch(tcp4, 20, 0x20, 0)],
  ['a TCP header of 16 bytes', 'vnet_header', patch(tcp4, tcp4.transport + 12, 0x40)],
  [
    'a TCP header behind the end',
    'vnet_header',
    patch(asking({ kind: 'tcp4', payload: new Uint8Array(4), size: 1 }), 46, 0xf0),
  ],
  [
    'a TCP header one word behind the end',
    'vnet_header',
    patch(asking({ kind: 'tcp4', payload: new Uint8Array(0), size: 1 }), 46, 0x60),
  ],
  ['a payload length that is too short', 'vnet_header', patch(tcp6, 18, 0, 20)],
  ['a fragment header', 'vnet_header', patch(tcp6, 20, 44)],
  ['an IPv4 header cut', 'vnet_header', lie(cut(tcp4, 33), { start: 14, offset: 16 })],
  ['an IPv6 header cut', 'vnet_header', lie(cut(tcp6, 53), { start: 14, offset: 16 })],
  ['a runt', 'runt', cut(tcp4, 13)],
]

describe('a vnet header that lies', () => {
  it.each(lies)('%s: %s', (_, reason, fed) => {
    for (const offloads of [31, 0]) {
      const lan = rig(offloads)
      lan.send(0, fed)
      expect([lan.taken(1), lan.drops(0), lan.pool.free]).toEqual([[], { [reason]: 1 }, 8])
    }
  })
  it('has what it leaves open written anew', () => {
    const lan = rig(31)
    lan.send(0, lie(tcp4, { headers: 0xffff, flags: 0xff }), lie(partial, { headers: 9, size: 7, flags: 3 }))
    const [first, second] = lan.taken(1)
    expect([first.vnet, second.vnet]).toEqual([tcp4.vnet, partial.vnet])
    lan.send(0, lie(udp4, { gso: 0x85 }))
    expect(lan.taken(1)[0].vnet).toEqual(udp4.vnet)
  })
  it('has its length field cleared when it asks for nothing', () => {
    const lan = rig(31)
    const frame = numbered(station(2), station(1), 1)
    lan.send(0, { frame, vnet: vnet({ headers: 0xffff }) })
    expect(lan.taken(1)).toEqual([{ frame, vnet: new Uint8Array(10) }])
  })
  it('says that the sum was checked, which is not passed on', () => {
    const lan = rig(31)
    const frame = numbered(station(2), station(1), 1)
    lan.send(0, { frame, vnet: vnet({ flags: 2, headers: 9, size: 8, start: 7, offset: 6 }) })
    expect(lan.taken(1)).toEqual([{ frame, vnet: new Uint8Array(10) }])
  })
})
