/** Bytes in, frames out: a driver puts frames into buffers of every layout, and finds what the switch sent in every layout. */
import { describe, expect, it } from 'vitest'
import { hex, numbered, station, vnet } from '../lab/frame.ts'
import { Random } from '../lab/random.ts'
import type { Sent } from '../lab/rig.ts'
import { Berth } from '../lab/virtio/berth.ts'
import * as feature from '../lab/virtio/feature.ts'
import { Memory } from '../lab/virtio/memory.ts'
import { type Layout, Pair, type PairOptions } from '../lab/virtio/pair.ts'

const MERGEABLE = feature.VERSION_1 | feature.MRG_RXBUF | feature.INDIRECT_DESC
const BIG = feature.VERSION_1 | feature.INDIRECT_DESC
const LEGACY = feature.INDIRECT_DESC
const GiB = 2n ** 30n
const EAGAIN = 11
const EMSGSIZE = 90
/** the longest frame: an IP packet of 65,535 bytes and an Ethernet header with two tags */
const LONGEST = 65_557

const header = vnet({ flags: 1, start: 34, offset: 16, gso: 1, headers: 54, size: 1448 })
const frame = (number: number, length = 60) => numbered(station(2), station(1), number, length)
/** Frames as text: compared a hundred times faster than as bytes. */
const told = (frames: Sent[]) => frames.flatMap(({ frame, vnet }) => hex([vnet, frame]))
const bytes = (length: number) => new Random(length).bytes(length)

/** Regions as a guest of more than 4 GiB has them, and one that begins within its file. */
const spans = () => [
  { guest: 0n, length: 2 ** 20 },
  { guest: 4n * GiB, length: 2 ** 22, offset: 4096 },
  { guest: 1023n * GiB + 4096n, length: 2 ** 22 },
  { guest: 2n ** 60n, length: 2 ** 21 },
]

function made(features: bigint, options: PairOptions = {}, memory = new Memory()) {
  const pair = new Pair(memory, { features, size: 1024, ...options })
  return { pair, berth: new Berth(pair) }
}

const layouts: [string, (header: number) => Layout][] = [
  ['one buffer', () => ({})],
  ['the header apart', (header) => ({ cuts: [header] })],
  ['a header in pieces', () => ({ cuts: [1, 2, 3] })],
  ['a buffer over the end of the header', (header) => ({ cuts: [header + 1] })],
  ['buffers of 100 bytes', () => ({ cuts: Array(700).fill(100) })],
  ['an indirect table of one', () => ({ direct: 0 })],
  ['an indirect table of many', () => ({ direct: 0, cuts: Array(900).fill(80) })],
  ['a chain that ends in an indirect table', () => ({ direct: 2, cuts: [5, 20, 30, 40] })],
]

describe.each([
  ['version 1', MERGEABLE],
  ['version 1, not mergeable', BIG],
  ['legacy', LEGACY],
])('a driver of %s', (_, features) => {
  it.each(layouts)('transmits in %s', (_, layout) => {
    const { pair, berth } = made(features)
    for (const length of [14, 60, 1514, 4096, LONGEST]) {
      const sent = bytes(length)
      expect(pair.send({ frame: sent, vnet: header, ...layout(pair.header) })).toBe(1)
      expect(told(berth.receive())).toEqual(told([{ frame: sent, vnet: header }]))
      expect(pair.reclaim()).toBe(1)
    }
    expect(berth.whole).toBe(true)
  })

  it('transmits from any region of its memory, in one frame from all', () => {
    const memory = new Memory(spans())
    for (const region of memory.regions) {
      const { pair, berth } = made(features, { region, size: 64 }, memory)
      const sent = bytes(400)
      const cuts = [pair.header, 100, 100, 100, 100]
      const free = memory.allocate
      let n = 0
      memory.allocate = (length) => free.call(memory, length, memory.regions[n++ % 4])
      expect(pair.send({ frame: sent, vnet: header, cuts })).toBe(1)
      memory.allocate = free
      expect(told(berth.receive())).toEqual(told([{ frame: sent, vnet: header }]))
      berth.unseat()
    }
  })

  it('gets what is longer than any frame as one that cannot be', () => {
    const { pair, berth } = made(features)
    for (const length of [LONGEST + 1, 2 ** 17]) {
      pair.send(bytes(length), frame(1))
      expect(berth.receive().map((each) => each.frame.length)).toEqual([0, 60])
    }
  })
})

const chains: [string, bigint, PairOptions][] = [
  ['one buffer each', MERGEABLE, { buffers: () => [9000] }],
  ['one buffer for the longest', BIG, { buffers: () => [65_569] }],
  ['the header apart', BIG, { buffers: () => [12, 65_557] }],
  ['pages', BIG, { buffers: () => [12, ...Array(17).fill(4096)] }],
  ['pages of a legacy driver', LEGACY, { buffers: () => [10, ...Array(17).fill(4096)] }],
  ['an indirect table of pages', BIG, { buffers: () => Array(17).fill(4096), indirect: true }],
  ['buffers that end anywhere', MERGEABLE, { buffers: (n) => [13, 1 + (n % 97), 10_000] }],
  [
    'indirect tables that end anywhere',
    MERGEABLE,
    { buffers: (n) => [12, 1 + (n % 97), 9999], indirect: true },
  ],
]

describe('a driver receives', () => {
  it.each(chains)('into %s', (_, features, options) => {
    const { pair, berth } = made(features, { ...options, receiveSize: 4096 })
    for (const length of [0, 14, 60, 1514, 1524, 1525, 4096, 65_535, LONGEST]) {
      pair.fill(8)
      const sent = bytes(length)
      expect(berth.transmit({ frame: sent, vnet: header })).toEqual({ taken: 1, errors: [0] })
      expect(told([pair.receive()!])).toEqual(told([{ frame: sent, vnet: header }]))
    }
    expect(berth.whole).toBe(true)
  })

  it('a long frame in as many buffers as it needs, and is told how many', () => {
    const { pair, berth } = made(MERGEABLE, { buffers: () => [512] })
    pair.fill()
    for (const [length, buffers] of [
      [500, 1],
      [501, 2],
      [5108, 10],
      [5109, 11],
    ]) {
      berth.transmit(bytes(length))
      expect(pair.receive()).toMatchObject({ buffers })
    }
  })

  it('one buffer a frame where the driver cannot merge', () => {
    for (const features of [BIG, LEGACY]) {
      const { pair, berth } = made(features, { buffers: () => [1526] })
      pair.fill()
      expect(berth.transmit(frame(1), bytes(1600), frame(2))).toEqual({ taken: 2, errors: [0, EMSGSIZE, 0] })
      expect(pair.drain()).toMatchObject([
        { frame: frame(1), buffers: 1 },
        { frame: frame(2), buffers: 1 },
      ])
    }
  })

  it('what there is room for; the rest is refused, and comes when there are buffers again', () => {
    const { pair, berth } = made(MERGEABLE, { buffers: () => [100] })
    expect(berth.transmit(frame(0))).toEqual({ taken: 0, errors: [EAGAIN] })
    pair.fill(3)
    expect(berth.transmit(frame(1), frame(2), frame(3), frame(4))).toEqual({
      taken: 3,
      errors: [0, 0, 0, EAGAIN],
    })
    expect(pair.drain().length).toBe(3)
    pair.fill()
    expect(berth.transmit(frame(4)).taken).toBe(1)
  })

  it('a frame whole or not at all when its last buffer is missing', () => {
    const { pair, berth } = made(MERGEABLE, { buffers: () => [100] })
    pair.fill(3)
    expect(berth.transmit(bytes(300), bytes(60), bytes(150)).errors).toEqual([EAGAIN, 0, 0])
    expect(pair.drain().map((each) => each.frame.length)).toEqual([60, 150])
  })
})

describe('a ring that is not enabled', () => {
  it('is emptied without effect, and gives the guest nothing', () => {
    const { pair, berth } = made(MERGEABLE)
    berth.seat({ receive: { enabled: false }, transmit: { enabled: false } })
    pair.fill()
    pair.send(frame(1), frame(2))
    expect(berth.receive()).toEqual([])
    expect(pair.reclaim()).toBe(2)
    expect(berth.queue.active).toBe(false)
    expect(berth.transmit(frame(3)).taken).toBe(0)
    expect(pair.receive()).toBe(null)
    expect(berth.queue.quiet).toBe(true)
  })

  it('goes on where it was once it is', () => {
    const { pair, berth } = made(MERGEABLE)
    const generations = { receive: { generation: -1 }, transmit: { generation: -1 } }
    berth.seat(generations)
    pair.fill()
    pair.send(frame(1))
    expect(berth.receive().length).toBe(1)
    const off = { generation: -1, enabled: false }
    berth.seat({ receive: off, transmit: off })
    pair.send(frame(2))
    expect(berth.receive()).toEqual([])
    berth.seat(generations)
    pair.send(frame(3))
    expect(berth.receive()).toMatchObject([{ frame: frame(3) }])
    expect([pair.reclaim(), pair.transmitter.ring.outstanding]).toEqual([1, 0])
    expect(berth.next).toEqual([0, 3])
  })
})

it('a ring that was stopped tells where it goes on, and goes on there', () => {
  const { pair, berth } = made(MERGEABLE, { base: 65_530 })
  pair.fill()
  const sent = Array.from({ length: 10 }, (_, i) => frame(i))
  pair.send(...sent)
  expect(berth.receive(7).length).toBe(7)
  berth.transmit(...sent.slice(0, 5))
  berth.unseat()
  expect(berth.next).toEqual([(65_530 + 5) & 0xffff, (65_530 + 7) & 0xffff])
  expect(berth.receive()).toEqual([])
  expect(berth.transmit(frame(1)).taken).toBe(0)
  const [receive, transmit] = berth.next.map((base) => ({ base }))
  berth.seat({ receive, transmit })
  expect(berth.receive().map((each) => each.frame)).toEqual(sent.slice(7))
  berth.transmit(...sent.slice(5))
  expect(pair.drain().map((each) => each.frame)).toEqual(sent)
  expect(pair.reclaim()).toBe(10)
})
