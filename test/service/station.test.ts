import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Received } from '../../src/service/station.ts'
import { eventually } from '../lab/command.ts'
import { Counter, datagram, GATEWAY, MAC } from '../lab/counter.ts'
import { arp, ethernet, hex, ipv4, join, udp } from '../lab/frame.ts'

let counter: Counter
let got: Received[]

beforeEach(() => {
  counter = new Counter()
  got = []
  counter.station.serve(53, (datagram) => got.push(datagram))
})
afterEach(() => counter.close())

const payload = [1, 2, 3, 4, 5]

describe('what comes in', () => {
  it('reaches the service of its port with all that it needs to answer', () => {
    counter.say(datagram(payload), 7)
    expect(got).toMatchObject([
      {
        high: 0x0200,
        low: 0x00000801,
        source: 0x0a080005,
        sourcePort: 4000,
        destination: 0x0a080001,
        destinationPort: 53,
        ingress: 7,
      },
    ])
    expect([...got[0].payload]).toEqual(payload)
  })

  it('IP options, Ethernet padding and a checksum that is not there or still to be made are no faults', () => {
    const bare = udp(4000, 53, payload)
    const fields = { source: '10.8.0.5', destination: GATEWAY, protocol: 17, fragment: 0 }
    counter.say(ethernet(MAC, '02:00:00:00:08:01', 0x0800, ipv4({ ...fields, options: [1, 1, 1, 0] }, bare)))
    counter.say(
      join(ethernet(MAC, '02:00:00:00:08:01', 0x0800, ipv4(fields, bare)), new Uint8Array(17).fill(9)),
    )
    const partial = datagram(payload)
    partial[41] ^= 0xff
    counter.say(partial, 1, true)
    expect(got.map((each) => [...each.payload])).toEqual([payload, payload, payload])
  })

  const good = datagram(payload)
  const changed = (at: number, value: number) => good.map((byte, i) => (i === at ? value : byte))
  const faults: [string, Uint8Array][] = [
    ['no Ethernet header', good.subarray(0, 13)],
    ['no IP header', good.subarray(0, 33)],
    ['IPv6 in its clothes', changed(14, 0x65)],
    ['a header of 16 bytes', changed(14, 0x44)],
    ['a header beyond the packet', changed(14, 0x4f)],
    ['cut off', good.subarray(0, good.length - 1)],
    ['a total length without room for UDP', changed(17, 27)],
    ['a fragment', changed(20, 0x20)],
    ['TCP', changed(23, 6)],
    ['a wrong header checksum', changed(24, good[24] ^ 1)],
    ['a wrong UDP checksum', changed(46, 99)],
    ['a UDP length below 8', changed(39, 7)],
    ['a UDP length beyond the packet', changed(39, 14)],
    ['another port', datagram(payload, { port: 54 })],
    ['a tag', ethernet(MAC, MAC, 0x0800, good.subarray(14), [[0x8100, 5]])],
  ]
  it.each(faults)('%s is counted, not served', (_, frame) => {
    counter.say(frame)
    expect(got).toEqual([])
    expect(counter.station.ignored).toBe(1)
  })

  it('ARP is told with its claim; cut off or for other hardware it is nothing', () => {
    const claims: unknown[] = []
    counter.station.onarp = (claim) => claims.push(claim)
    const answer = ethernet(
      MAC,
      '02:00:00:00:08:01',
      0x0806,
      arp(2, ['02:00:00:00:08:01', '10.8.0.9'], [MAC, '0.0.0.0']),
    )
    counter.say(answer, 3)
    counter.say(answer.subarray(0, 41))
    counter.say(answer.map((byte, i) => (i === 15 ? 2 : byte)))
    expect(claims).toEqual([
      { operation: 2, high: 0x0200, low: 0x0801, sender: 0x0a080009, target: 0, ingress: 3 },
    ])
    expect(counter.station.ignored).toBe(2)
  })

  it('no bytes make it throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(60), (noise, at) => {
        counter.say(noise)
        const frame = datagram(payload)
        frame.set(noise.subarray(0, Math.max(0, frame.length - at)), Math.min(at, frame.length))
        counter.say(frame)
        return true
      }),
    )
    counter.say(datagram(payload))
    expect([...got.at(-1)!.payload]).toEqual(payload)
  })

  it('a flood leaves others their turn, and nothing of it is lost', async () => {
    for (let i = 0; i < 300; i++) counter.put(datagram([i >> 8, i]))
    counter.tell()
    expect(got.length).toBe(64)
    await eventually('the rest', () => got.length === 300)
    expect(got.map(({ payload }) => (payload[0] << 8) | payload[1])).toEqual(
      Array.from({ length: 300 }, (_, i) => i),
    )
  })
})

describe('what goes out', () => {
  const answer = (bytes: number[] | Uint8Array) => ({
    high: 0x0200,
    low: 0x0801,
    source: 0x0a080001,
    sourcePort: 53,
    destination: 0x0a080005,
    destinationPort: 4000,
    payload: Uint8Array.from(bytes),
  })

  it('is the frame that the book says, whatever the length', () => {
    for (const length of [0, 1, 2, 5, 1472]) {
      const bytes = Array.from({ length }, (_, i) => i & 0xff)
      expect(counter.station.send(answer(bytes))).toBe(true)
      const back = {
        from: MAC,
        to: '02:00:00:00:08:01',
        source: GATEWAY,
        destination: '10.8.0.5',
        sourcePort: 53,
        port: 4000,
      }
      const [frame] = counter.heard()
      const expected = datagram(bytes, back)
      // Identification and what it does to the header checksum are the sender's own.
      for (const at of [18, 19, 24, 25]) expected[at] = frame[at]
      expect(hex([frame])).toEqual(hex([expected]))
      counter.say(join(frame.subarray(0, 34), [0x0f, 0xa0, 0, 53], frame.subarray(38)))
    }
    // It understands itself: header and UDP checksums hold after the ports were swapped.
    expect(got.map(({ payload }) => payload.length)).toEqual([0, 1, 2, 5, 1472])
  })

  it('never a checksum of 0, which would say that there is none', () => {
    for (let i = 0; i < 65_536; i++) {
      counter.station.send(answer([i >> 8, i & 0xff]))
      const [frame] = counter.heard()
      if (frame[40] === 0xff && frame[41] === 0xff) return
      expect((frame[40] << 8) | frame[41]).not.toBe(0)
    }
    throw new Error('no sum came out as 0')
  })

  it('is refused beyond the MTU', () => {
    expect(counter.station.send(answer(new Uint8Array(1473)))).toBe(false)
    const jumbo = new Counter(9000)
    expect(jumbo.station.send(answer(new Uint8Array(1473)))).toBe(true)
    expect(jumbo.station.send(answer(new Uint8Array(4000)))).toBe(false)
    jumbo.close()
  })

  it('waits for room in a full port, up to a bound, in order', async () => {
    const sent = Array.from({ length: 1100 }, (_, i) => counter.station.send(answer([i >> 8, i & 0xff])))
    expect(sent.filter(Boolean)).toHaveLength(1024)
    expect(counter.station.refused).toBe(76)
    const order: number[] = []
    await eventually('all', () => {
      order.push(...counter.heard().map((frame) => (frame[42] << 8) | frame[43]))
      return order.length === 1024
    })
    expect(order).toEqual(Array.from({ length: 1024 }, (_, i) => i))
  })

  it('a probe asks everybody and says no address of its own', () => {
    counter.station.probe(0x0a080009)
    const asked = arp(1, [MAC, '0.0.0.0'], ['00:00:00:00:00:00', '10.8.0.9'])
    expect(hex(counter.heard())).toEqual(hex([ethernet('ff:ff:ff:ff:ff:ff', MAC, 0x0806, asked)]))
  })
})
