/** One MAC on the air: frames in, frames out, byte by byte. The card is 02:…:cc, stations 02:…:01 and on. */
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { Translation } from '../../src/port/translation.ts'
import { arp, broadcast, ethernet, ip, ipv4, join, mac, sum, u16, udp } from '../lab/frame.ts'

const card = '02:00:00:00:00:cc'
const router = '02:00:00:00:00:fe'
const one = '02:00:00:00:00:01'
const two = '02:00:00:00:00:02'
const AT = 64

/** A DHCP message of a client, its UDP checksum as the client would have written it, or 0. */
function dhcp(from: string, flags: number, summed: boolean, operation = 1): Uint8Array {
  const head = [operation, 1, 6, 0, 1, 2, 3, 4, 0, 0, ...u16(flags), ...new Array(16).fill(0), ...mac(from)]
  const message = join(head, new Array(206).fill(0), [99, 130, 83, 99, 53, 1, 1, 255])
  const [source, destination] = operation === 1 ? ['0.0.0.0', '255.255.255.255'] : ['192.0.2.1', '192.0.2.9']
  const datagram = operation === 1 ? udp(68, 67, message) : udp(67, 68, message)
  if (summed) datagram.set(u16(~sum(datagram, pseudo(source, destination, datagram.length))), 6)
  return ipv4({ source, destination, protocol: 17 }, datagram)
}

function pseudo(source: string, destination: string, length: number): number {
  return sum(join(ip(source), ip(destination), [0, 17], u16(length)))
}

describe('translation', () => {
  let bytes: Uint8Array
  let translation: Translation
  beforeEach(() => {
    bytes = new Uint8Array(4096).fill(0xa5)
    bytes.fill(0, AT - 10, AT)
    translation = new Translation(new DataView(bytes.buffer), 0x0200, 0x000000cc, 64)
  })

  function out(frame: Uint8Array): Uint8Array | null {
    bytes.set(frame, AT)
    if (!translation.leave(3, AT, frame.length)) return null
    const sent = bytes.slice(AT, AT + frame.length)
    translation.restore(3, AT)
    expect(bytes.slice(AT, AT + frame.length)).toEqual(frame)
    return sent
  }

  function back(frame: Uint8Array): Uint8Array | null {
    bytes.set(frame, AT)
    return translation.enter(AT, frame.length) ? bytes.slice(AT, AT + frame.length) : null
  }

  const packet = (to: string, from: string, source: string, destination: string) =>
    ethernet(to, from, 0x0800, ipv4({ source, destination, protocol: 17 }, udp(1, 2, [1, 2, 3])))

  it('sends with the card’s MAC and gives answers back by address', () => {
    expect(out(packet(router, one, '192.0.2.11', '192.0.2.1'))).toEqual(
      packet(router, card, '192.0.2.11', '192.0.2.1'),
    )
    out(packet(router, two, '192.0.2.12', '192.0.2.1'))
    for (const [station, address] of [
      [one, '192.0.2.11'],
      [two, '192.0.2.12'],
    ])
      expect(back(packet(card, router, '192.0.2.1', address))).toEqual(
        packet(station, router, '192.0.2.1', address),
      )
    // The host's own address, and a station's address on somebody else's MAC.
    expect(back(packet(card, router, '192.0.2.1', '192.0.2.99'))).toBeNull()
    expect(back(packet(two, router, '192.0.2.1', '192.0.2.11'))).toBeNull()
  })

  it('follows an address to another station, and a tagged frame', () => {
    out(packet(router, one, '192.0.2.11', '192.0.2.1'))
    out(packet(router, two, '192.0.2.11', '192.0.2.1'))
    const tagged = (to: string) =>
      ethernet(
        to,
        router,
        0x0800,
        ipv4({ source: '192.0.2.1', destination: '192.0.2.11', protocol: 6 }, []),
        [[0x8100, 5]],
      )
    expect(back(tagged(card))).toEqual(tagged(two))
  })

  it('ARP: the sender’s MAC out, the target’s back, also before any packet', () => {
    const ask = (from: string) =>
      ethernet(broadcast, from, 0x0806, arp(1, [from, '192.0.2.11'], ['00:00:00:00:00:00', '192.0.2.1']))
    expect(out(ask(one))).toEqual(ask(card))
    const reply = (to: string) =>
      ethernet(to, router, 0x0806, arp(2, [router, '192.0.2.1'], [to, '192.0.2.11']))
    expect(back(reply(card))).toEqual(reply(one))
    const probe = (to: string) =>
      ethernet(to, router, 0x0806, arp(1, [router, '192.0.2.1'], ['00:00:00:00:00:00', '192.0.2.11']))
    expect(back(probe(card))).toEqual(probe(one))
    expect(back(probe(broadcast))).toEqual(probe(broadcast))
    const others = ethernet(card, router, 0x0806, arp(2, [router, '192.0.2.1'], [card, '192.0.2.99']))
    expect(back(others)).toBeNull()
  })

  it.each([
    ['summed', true],
    ['without a checksum', false],
  ])('DHCP: the broadcast flag is set, %s; the client’s MAC in the message stays', (_name, summed) => {
    const sent = out(ethernet(broadcast, one, 0x0800, dhcp(one, 0, summed)))
    expect(sent).toEqual(ethernet(broadcast, card, 0x0800, dhcp(one, 0x8000, summed)))
    const flagged = ethernet(broadcast, one, 0x0800, dhcp(one, 0x8000, summed))
    expect(out(flagged)).toEqual(ethernet(broadcast, card, 0x0800, dhcp(one, 0x8000, summed)))
  })

  it('DHCP: a partial checksum stays, a server’s unicast goes to the client that it names', () => {
    const frame = ethernet(broadcast, one, 0x0800, dhcp(one, 0, false))
    frame.set(u16(pseudo('0.0.0.0', '255.255.255.255', frame.length - 34)), 40)
    bytes[AT - 10] = 1
    expect([...out(frame)!.subarray(40, 42)]).toEqual([...frame.subarray(40, 42)])
    const offer = (to: string) => ethernet(to, router, 0x0800, dhcp(two, 0, true, 2))
    expect(back(offer(card))).toEqual(offer(two))
  })

  it('what an access point repeats is not taken for a station’s, IPv6 is not sent', () => {
    expect(back(packet(broadcast, card, '192.0.2.11', '192.0.2.255'))).toBeNull()
    expect(back(packet(broadcast, router, '192.0.2.1', '192.0.2.255'))).not.toBeNull()
    expect(out(ethernet(broadcast, one, 0x86dd, new Array(40).fill(0)))).toBeNull()
  })

  it('keeps the last thousand stations that spoke', () => {
    for (let i = 0; i < 20_000; i++) {
      const frame = packet(router, one, `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, '192.0.2.1')
      bytes.set(frame, AT)
      translation.leave(0, AT, frame.length)
    }
    const known = Array.from({ length: 1000 }, (_, n) => 19_000 + n).filter(
      (i) => back(packet(card, router, '192.0.2.1', `10.0.${i >> 8}.${i & 255}`)) !== null,
    )
    expect(known.length).toBeGreaterThan(950)
    expect(back(packet(card, router, '192.0.2.1', '10.0.0.1'))).toBeNull()
  })

  it('any bytes: restoring gives back what was there, checksums stay right, nothing outside is touched', () => {
    const type = fc.constantFrom([8, 0], [8, 6], [0x81, 0], [0x88, 0xb5])
    const any = fc.tuple(
      fc.uint8Array({ minLength: 12, maxLength: 12 }),
      type,
      fc.uint8Array({ maxLength: 400 }),
    )
    fc.assert(
      fc.property(any, fc.boolean(), ([macs, kind, rest], isDhcp) => {
        const payload = isDhcp ? join(dhcp(one, 0, true).subarray(0, 40), rest) : rest
        bytes.fill(0xa5, AT)
        const frame = join(macs, isDhcp ? [8, 0] : kind, payload)
        out(frame)
        expect(bytes.subarray(AT + frame.length).every((byte) => byte === 0xa5)).toBe(true)
        back(frame)
        expect(bytes.subarray(AT + frame.length).every((byte) => byte === 0xa5)).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
})
