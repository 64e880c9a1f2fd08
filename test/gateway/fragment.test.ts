/** Fragments put together in any order, and what a hostile sender of fragments cannot do. */
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Link } from '../../src/gateway/link.ts'
import { TAKEN } from '../../src/gateway/packet.ts'
import { Network } from '../../src/port/network.ts'
import { type Cut, cuts, type Datagram, fragment, payload } from '../lab/fragment.ts'
import { ethernet, ipv4, join, mac, station, sum, vnet } from '../lab/frame.ts'
import { GATEWAY, Stand } from '../lab/stand.ts'

const INVALID = 30
let stand: Stand

beforeEach(() => {
  stand = new Stand()
})
afterEach(() => stand.close())

/** Gives a frame to the fragments: the reason, TAKEN, or the whole datagram's frame. */
function add(frame: Uint8Array, now = 0, port = 1, header?: Uint8Array): number | Uint8Array {
  const packet = stand.place(port, frame, header)
  const own = packet.frame
  const why = stand.fragments.add(packet, now)
  stand.pool.give(own)
  if (why !== -1) return why
  const whole = stand.arena.u8.slice(packet.at, packet.at + packet.length)
  expect([packet.position, packet.work, packet.network - packet.at]).toEqual([-1, 0, 14])
  expect(stand.arena.u8.slice(packet.at - 10, packet.at)).toEqual(new Uint8Array(10))
  stand.pool.give(packet.frame)
  return whole
}

function whole(bytes: Uint8Array, datagram: Datagram = {}): Uint8Array {
  const { source = '10.7.0.11', destination = '192.0.2.1', id = 7, protocol = 17 } = datagram
  const { options = [], dont = false, from = 1 } = datagram
  const fields = { source, destination, id, protocol, fragment: dont ? 0x4000 : 0, options }
  return ethernet(GATEWAY.mac, station(from), 0x0800, ipv4(fields, bytes))
}

function text(result: number | Uint8Array): number | string {
  return typeof result === 'number' ? result : Buffer.from(result).toString('hex')
}

/** Adds cuts one after the other and says what each gave. */
function feed(bytes: Uint8Array, list: Cut[], datagram: Datagram = {}, now = 0): (number | string)[] {
  return list.map((cut) => text(add(fragment(bytes, cut, datagram), now)))
}

function isEmpty(): void {
  expect([stand.fragments.datagrams.count, stand.pool.free]).toEqual([0, 512])
}

it('puts a datagram together and knows its largest fragment', () => {
  const bytes = payload(4000)
  expect(feed(bytes, cuts(4000, 1480))).toEqual([TAKEN, TAKEN, text(whole(bytes))])
  expect(stand.packet.largest).toBe(1500)
  isEmpty()
})

it('puts datagrams together from any cuts in any order, with duplicates, several at a time', () => {
  const datagram = fc
    .record({
      length: fc.integer({ min: 9, max: 6000 }),
      at: fc.uniqueArray(fc.integer({ min: 1, max: 749 }), { minLength: 1, maxLength: 12 }),
      options: fc.constantFrom<number[]>([], [1, 1, 1, 0], [0x94, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0]),
      dont: fc.boolean(),
      again: fc.array(fc.nat(), { maxLength: 4 }),
    })
    .filter(({ length, at }) => at.some((place) => place * 8 < length))
  const wanted = fc.tuple(fc.array(datagram, { minLength: 1, maxLength: 5 }), fc.infiniteStream(fc.nat()))
  fc.assert(
    fc.property(wanted, ([list, stream]) => {
      const waiting: { frame: Uint8Array; number: number; isCopy: boolean }[] = []
      const bodies = list.map(({ length }) => payload(length))
      list.forEach(({ length, at, again, ...rest }, number) => {
        const places = [0, ...at.map((place) => place * 8).filter((place) => place < length), length].sort(
          (a, b) => a - b,
        )
        const made = places.slice(1).map((to, i) => ({ from: places[i], to, more: to < length }))
        const frames = made.map((cut) => fragment(bodies[number], cut, { ...rest, id: number }))
        for (const frame of frames) waiting.push({ frame, number, isCopy: false })
        for (const which of again)
          waiting.push({ frame: frames[which % frames.length], number, isCopy: true })
      })
      const left = list.map(({ length, at }) => 1 + at.filter((place) => place * 8 < length).length)
      const seen = new Set<Uint8Array>()
      while (waiting.length > 0) {
        const [{ frame, number }] = waiting.splice(stream.next().value % waiting.length, 1)
        if (left[number] === 0) continue // a copy behind the whole would begin another datagram
        if (!seen.has(frame)) left[number]--
        seen.add(frame)
        const { options, dont } = list[number]
        const expected = left[number] > 0 ? TAKEN : text(whole(bodies[number], { id: number, options, dont }))
        expect(text(add(frame))).toBe(expected)
      }
      isEmpty()
    }),
    { numRuns: 200 },
  )
})

it('puts the largest packet together from the smallest pieces, backwards', () => {
  const bytes = payload(65515)
  const results = feed(bytes, cuts(65515, 8).reverse())
  expect([results.filter((result) => result === TAKEN).length, results.at(-1)]).toEqual([
    8189,
    text(whole(bytes)),
  ])
  isEmpty()
})

it.each([
  ['in its middle', { from: 800, to: 1600, more: true }],
  ['by one block at its start', { from: 992, to: 1104, more: true }],
  ['by one block at its end', { from: 1992, to: 2104, more: true }],
  ['around another', { from: 992, to: 2008, more: true }],
])('gives a datagram up when a fragment overlaps %s', (_, cut) => {
  const bytes = payload(4000)
  const before = [cuts(4000, 1000)[1], { from: 0, to: 800, more: true }, { from: 2000, to: 2008, more: true }]
  expect(feed(bytes, before)).toEqual([TAKEN, TAKEN, TAKEN])
  expect(feed(bytes, [cut, ...cuts(4000, 1000)])).toEqual(Array(5).fill(INVALID))
  expect(stand.drops(1)).toEqual({ fragment_invalid: 3 })
  stand.tick(2000)
  isEmpty()
  expect(feed(bytes, cuts(4000, 1000), {}, 2001).at(-1)).toBe(text(whole(bytes)))
})

it.each([
  [
    'a second end before the first',
    [
      { from: 2000, to: 3000, more: false },
      { from: 1000, to: 1500, more: false },
    ],
  ],
  [
    'a second end behind the first',
    [
      { from: 2000, to: 3000, more: false },
      { from: 3000, to: 3500, more: false },
    ],
  ],
  [
    'more behind the end',
    [
      { from: 2000, to: 3000, more: false },
      { from: 3000, to: 3800, more: true },
    ],
  ],
  [
    'an end before what has come',
    [
      { from: 2000, to: 3000, more: true },
      { from: 1000, to: 1500, more: false },
    ],
  ],
])('gives a datagram up that has %s', (_, list: Cut[]) => {
  expect(feed(payload(4000), list)).toEqual([TAKEN, INVALID])
})

it('ignores what is contained in what has come, and keeps the first bytes', () => {
  const bytes = payload(3000)
  expect(feed(bytes, [{ from: 0, to: 1600, more: true }])).toEqual([TAKEN])
  const others = bytes.map((byte) => ~byte)
  expect(
    feed(others, [
      { from: 0, to: 1600, more: true },
      { from: 800, to: 808, more: true },
    ]),
  ).toEqual([TAKEN, TAKEN])
  expect(feed(bytes, [{ from: 1600, to: 3000, more: false }])).toEqual([text(whole(bytes))])
})

it.each([
  ['is empty', payload(0), { from: 0, to: 0, more: true }],
  ['ends within a block though more follow', payload(100), { from: 0, to: 100, more: true }],
])('refuses a fragment that %s', (_, bytes, cut) => {
  expect(feed(bytes, [cut])).toEqual([INVALID])
  isEmpty()
})

it('refuses a fragment that ends beyond what a packet can be', () => {
  const bytes = payload(65536)
  expect(feed(bytes, [{ from: 65512, to: 65536, more: false }])).toEqual([INVALID])
  expect(feed(bytes, [{ from: 65512, to: 65515, more: false }])).toEqual([TAKEN])
})

it('refuses a packet that its options make too long', () => {
  const bytes = payload(65515)
  const list = [
    { from: 1480, to: 65515, more: false },
    { from: 0, to: 1480, more: true },
  ]
  expect(text(add(fragment(bytes, list[0])))).toBe(TAKEN)
  expect(text(add(fragment(bytes, list[1], { options: [1, 1, 1, 0] })))).toBe(TAKEN)
  expect(stand.drops(1)).toEqual({ fragment_invalid: 2 })
  isEmpty()
})

it('keeps datagrams apart by addresses, identification, protocol and network', () => {
  const bytes = payload(2000)
  const [first, second] = cuts(2000, 1000)
  expect(feed(bytes, [first])).toEqual([TAKEN])
  const others: Datagram[] = [
    { source: '10.7.0.12' },
    { destination: '192.0.2.2' },
    { id: 8 },
    { protocol: 1 },
  ]
  for (const other of others) expect(feed(bytes, [second], other)).toEqual([TAKEN])
  expect(stand.fragments.datagrams.count).toBe(5)
  const elsewhere = new Link(new Network(2, 0, 1500, stand.network.macs), stand.ports[2])
  const packet = stand.place(2, fragment(bytes, second))
  packet.ingress = elsewhere
  expect(stand.fragments.add(packet, 0)).toBe(TAKEN)
  expect(stand.fragments.datagrams.count).toBe(6)
  expect(feed(bytes, [second])).toEqual([text(whole(bytes))])
})

it('completes a partial checksum of a fragment before it is put together', () => {
  const bytes = payload(1600)
  bytes.set([0, 0], 6)
  const [first, second] = cuts(1600, 800)
  add(fragment(bytes, first), 0, 1, vnet({ flags: 1, start: 34, offset: 6 }))
  const result = add(fragment(bytes, second)) as Uint8Array
  expect(sum(result.subarray(34, 834))).toBe(0xffff)
})

it('gives up after thirty seconds and tells the sender if the first fragment came', () => {
  const bytes = payload(4000)
  const [first, second] = cuts(4000, 1480)
  const options = [1, 1, 1, 0]
  feed(bytes, [second, first], { options })
  feed(bytes, [second], { id: 9 })
  stand.tick(29_900)
  expect([stand.fragments.datagrams.count, stand.out()]).toEqual([2, []])
  stand.tick(30_200)
  const [error, ...more] = stand.out()
  expect([more, error.port, stand.drops(1)]).toEqual([[], 1, { fragment_timeout: 3 }])
  expect([...error.frame.subarray(34, 36)]).toEqual([11, 1])
  const quoted = fragment(bytes, first, { options }).subarray(14, 14 + 548)
  expect(error.frame.subarray(42)).toEqual(quoted)
  isEmpty()
})

it('is bounded by source, by port and in all; who wants more loses its own oldest', () => {
  const bytes = payload(2000)
  const [first, second] = cuts(2000, 1000)
  const { capacity } = stand.fragments.datagrams
  expect(capacity).toBe(64)
  const start = (datagram: Datagram, port: number) => add(fragment(bytes, first, datagram), 0, port)
  const finish = (datagram: Datagram, port: number) => text(add(fragment(bytes, second, datagram), 0, port))
  const patient: Datagram = { source: '10.7.0.99', id: 1 }
  start(patient, 2)
  for (let id = 0; id < 20; id++) start({ id }, 1)
  expect([stand.fragments.datagrams.count, stand.drops(1)]).toEqual([9, { fragments_full: 12 }])
  for (let i = 0; i < 5000; i++) start({ source: `10.7.${i >> 8}.${i & 255}`, id: i }, 1)
  expect([stand.fragments.datagrams.count, stand.drops(2)]).toEqual([33, {}])
  expect(finish(patient, 2)).toBe(text(whole(bytes, patient)))
  for (let port = 1; port <= 4; port++)
    for (let i = 0; i < 500; i++) start({ source: `10.8.${i >> 8}.${i & 255}`, id: i }, port)
  expect(stand.fragments.datagrams.count).toBe(64)
  stand.fragments.close()
  isEmpty()
})

it('says when no frame is left, and loses none', () => {
  const taken: number[] = []
  for (let frame = stand.pool.take(); frame >= 0; frame = stand.pool.take()) taken.push(frame)
  stand.pool.give(taken.pop()!)
  expect(add(fragment(payload(2000), cuts(2000, 1000)[0]))).toBe(19)
  for (const frame of taken) stand.pool.give(frame)
  isEmpty()
})

it('keeps the first fragment’s Ethernet and IP header, whichever came first', () => {
  const bytes = payload(2000)
  const [first, second] = cuts(2000, 1000)
  add(fragment(bytes, second, { from: 3 }))
  const result = add(fragment(bytes, first, { from: 2 })) as Uint8Array
  expect(result.subarray(0, 12)).toEqual(join(mac(GATEWAY.mac), mac(station(2))))
})
