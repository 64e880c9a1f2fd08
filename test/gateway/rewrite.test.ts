/** What NAT does to a packet's bytes: the incremental checksum is the full one, and there and back is where one was. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { requote, rewrite } from '../../src/gateway/rewrite.ts'
import { join, sum, u16, u32 } from '../lab/frame.ts'

const NEEDS_CSUM = 0x0100
const AT = 6

interface Packet {
  source: number
  destination: number
  protocol: number
  ports: number
  options: number
  payload: Uint8Array
}

const checksumAt: Record<number, number> = { 1: 2, 6: 16, 17: 6, 33: 6, 136: 6 }
const hasPorts = (protocol: number) => protocol === 6 || protocol === 17

/** Addresses and ports at their ends among them: sums there carry, and are 0 or 0xffff. */
const word = fc.oneof(fc.integer(), fc.constantFrom(0, -1, 1, 0xffff, -65536))
const packet: fc.Arbitrary<Packet> = fc.record({
  source: word,
  destination: word,
  protocol: fc.constantFrom(1, 6, 17, 33, 136, 50),
  ports: word,
  options: fc.constantFrom(0, 4, 40),
  payload: fc.uint8Array({ minLength: 0, maxLength: 64 }),
})

function pseudo({ source, destination, protocol }: Packet, length: number): number {
  return sum(join(u32(source), u32(destination), u16(protocol), u16(length)))
}

/** The transport part: its checksum made the slow way, left out (UDP) or only of the pseudo-header. */
function transport(packet: Packet, how: 'full' | 'none' | 'partial'): Uint8Array {
  const { protocol, ports, payload } = packet
  const place = checksumAt[protocol]
  const length = { 1: 8, 6: 20, 17: 8 }[protocol] ?? 12
  const bytes = join(new Uint8Array(length), payload)
  if (hasPorts(protocol)) bytes.set(u32(ports))
  if (protocol === 1) {
    bytes.set([8, 0])
    bytes.set(u16(ports >>> 16), 4)
  }
  if (place === undefined) return bytes
  if (how === 'partial') bytes.set(u16(pseudo(packet, bytes.length)), place)
  else if (how === 'full') {
    const total = ~sum(bytes, protocol === 1 ? 0 : pseudo(packet, bytes.length)) & 0xffff
    bytes.set(u16(total === 0 && protocol === 17 ? 0xffff : total), place)
  }
  return bytes
}

function whole(packet: Packet, how: 'full' | 'none' | 'partial'): Uint8Array {
  const body = transport(packet, how)
  const { source, destination, protocol, options } = packet
  const length = 20 + options + body.length
  const head = join(
    [0x40 | ((20 + options) >> 2), 0],
    u16(length),
    [0x12, 0x34, 0x40, 0, 64, protocol, 0, 0],
    u32(source),
    u32(destination),
    new Uint8Array(options).fill(1),
  )
  head.set(u16(~sum(head)), 10)
  return join(head, body)
}

/** The packet as `rewrite` leaves it, taken from the middle of a buffer of other bytes, which must stay as they are. */
function rewritten(bytes: Uint8Array, to: Packet, work = 0): Uint8Array {
  const buffer = new Uint8Array(AT + bytes.length + 8).fill(0xa5)
  buffer.set(bytes, AT)
  const view = new DataView(buffer.buffer)
  rewrite(view, AT, AT + bytes.length, to.source, to.destination, to.ports, work)
  expect([...buffer.subarray(0, AT), ...buffer.subarray(AT + bytes.length)]).toEqual(
    new Array(AT + 8).fill(0xa5),
  )
  return buffer.slice(AT, AT + bytes.length)
}

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** Both representations of zero are one number in ones' complement: compare sums, not bytes, where a checksum stands. */
function canonical(bytes: Uint8Array, place: number | undefined, protocol: number): string {
  const copy = bytes.slice()
  const at = ((bytes[0] & 15) << 2) + (place ?? 0)
  for (const each of place === undefined ? [10] : [10, at]) {
    const isNone = each === at && protocol === 17 && copy[each] === 0 && copy[each + 1] === 0
    if (!isNone && copy[each] === 0xff && copy[each + 1] === 0xff) copy.fill(0, each, each + 2)
  }
  return hexOf(copy)
}

const renamed = (from: Packet, to: Packet): Packet => ({
  ...from,
  source: to.source,
  destination: to.destination,
  ports: to.ports,
})

it.each(['full', 'none', 'partial'] as const)('writes what the slow way writes, checksums %s', (how) => {
  const property = fc.property(packet, packet, (from, other) => {
    const work = how === 'partial' ? NEEDS_CSUM : 0
    // Without a checksum only UDP may be; with a partial one only what has a pseudo-header.
    fc.pre(how === 'full' || (how === 'none' ? from.protocol === 17 : hasPorts(from.protocol)))
    const to = renamed(from, other)
    const got = rewritten(whole(from, how), to, work)
    const place = checksumAt[from.protocol]
    expect(canonical(got, place, from.protocol)).toBe(canonical(whole(to, how), place, from.protocol))
  })
  fc.assert(property, { numRuns: 2000 })
})

it('goes there and back', () => {
  const property = fc.property(packet, packet, (from, other) => {
    const bytes = whole(from, 'full')
    const back = rewritten(rewritten(bytes, renamed(from, other)), from)
    const place = checksumAt[from.protocol]
    expect(canonical(back, place, from.protocol)).toBe(canonical(bytes, place, from.protocol))
  })
  fc.assert(property, { numRuns: 2000 })
})

it('leaves a wrong checksum wrong by as much', () => {
  const property = fc.property(packet, packet, fc.integer({ min: 1, max: 0xfffe }), (from, other, error) => {
    fc.pre(hasPorts(from.protocol))
    const place = 20 + from.options + checksumAt[from.protocol]
    const spoil = (bytes: Uint8Array) => {
      const view = new DataView(bytes.buffer)
      view.setUint16(place, sum([...u16(view.getUint16(place)), ...u16(error)]))
      return bytes
    }
    const bytes = spoil(whole(from, 'full'))
    fc.pre(bytes[place] !== 0 || bytes[place + 1] !== 0)
    const to = renamed(from, other)
    const good = spoil(whole(to, 'full'))
    const place2 = checksumAt[from.protocol]
    expect(canonical(rewritten(bytes, to), place2, 6)).toBe(canonical(good, place2, 6))
  })
  fc.assert(property)
})

it('never makes a UDP checksum of 0 out of one that is not', () => {
  const from: Packet = {
    source: 1,
    destination: 2,
    protocol: 17,
    ports: 3,
    options: 0,
    payload: join([0, 0]),
  }
  for (let port = 0; port <= 0xffff; port++) {
    const got = rewritten(whole(from, 'full'), { ...from, ports: port })
    expect(got[26] | got[27]).not.toBe(0)
  }
}, 30_000)

it('touches nothing behind the end of a packet that is cut off', () => {
  const property = fc.property(packet, packet, fc.nat(100), (from, other, cut) => {
    const bytes = whole(from, 'full')
    const header = 20 + from.options
    const length = Math.max(header, bytes.length - cut)
    const buffer = bytes.slice()
    rewrite(new DataView(buffer.buffer), 0, length, other.source, other.destination, other.ports, 0)
    expect(hexOf(buffer.subarray(length))).toBe(hexOf(bytes.subarray(length)))
    expect(sum(buffer.subarray(0, header))).toBe(0xffff)
  })
  fc.assert(property)
})

/** An ICMP error of type 3 about `quoted`, of which `length` bytes are quoted. */
function error(quoted: Uint8Array, length: number): Uint8Array {
  const bytes = join([3, 1, 0, 0, 0, 0, 0, 0], quoted.subarray(0, length))
  bytes.set(u16(~sum(bytes)), 2)
  return bytes
}

it('rewrites what an error quotes, however little that is, and mends the error', () => {
  const property = fc.property(packet, packet, fc.nat(120), (from, other, more) => {
    const to = renamed(from, other)
    const length = 20 + from.options + more
    const before = error(whole(from, 'full'), length)
    const after = before.slice()
    requote(new DataView(after.buffer), 0, 8, after.length, to.source, to.destination, to.ports, 0)
    expect(sum(after)).toBe(0xffff)
    const place = 28 + from.options + (checksumAt[from.protocol] ?? 0)
    const quoted = error(whole(to, 'full'), length)
    const room = length - 20 - from.options
    // Of a field that is quoted in half nothing is rewritten.
    if (room < (from.protocol === 1 ? 8 : 4) || room === (checksumAt[from.protocol] ?? 0) + 1) return
    for (const bytes of [after, quoted]) {
      for (const at of [2, 18, place]) {
        const isZero = at + 1 < bytes.length && bytes[at] === 0xff && bytes[at + 1] === 0xff
        if (isZero) bytes.fill(0, at, at + 2)
      }
      bytes.fill(0, 2, 4)
    }
    expect(hexOf(after)).toBe(hexOf(quoted))
  })
  fc.assert(property, { numRuns: 3000 })
})
