/** RFC 2131 by single messages: what the server answers, where it sends it, and what it does not let anybody do. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as message from '../../../src/service/dhcp/message.ts'
import type { Settings } from '../../../src/service/dhcp/option.ts'
import { Server } from '../../../src/service/dhcp/server.ts'
import { Leases } from '../../../src/service/dhcp/store.ts'
import * as dhcp from '../../../src/wire/dhcp.ts'
import { Counter, datagram, everybody, MAC } from '../../lab/counter.ts'
import { Diary, four, settings } from '../../lab/dhcp.ts'
import { arp, ethernet, mac as macBytes } from '../../lab/frame.ts'

let counter: Counter
let server: Server
let leases: Leases
let diary: Diary

function begin(more: Partial<Settings> = {}): void {
  counter = new Counter()
  diary = new Diary()
  leases = new Leases(null, diary)
  server = new Server(counter.station, settings(more), leases, diary)
  counter.heard()
}
beforeEach(() => begin())
afterEach(async () => {
  server.close()
  counter.close()
  await leases.close()
})

const station = (number: number) => `02:00:00:00:08:${number.toString(16).padStart(2, '0')}`
const text = (address: number) => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')

interface Ask {
  type: number
  mac?: string
  ciaddr?: string
  giaddr?: string
  flags?: number
  options?: [number, Uint8Array][]
  from?: string
  source?: string
  to?: string
  ingress?: number
}
interface Answer {
  type: number
  yiaddr: string
  to: string
  destination: string
  port: number
  options: Map<number, Uint8Array>
}

/** The answers to a message, as the LAN would see them. */
function ask({ type, mac = station(1), ciaddr = '0.0.0.0', giaddr = '0.0.0.0', ...more }: Ask): Answer[] {
  const { flags = 0, options = [], from = mac, source = ciaddr, to = everybody, ingress = 1 } = more
  const bytes = macBytes(mac)
  const payload = message.write(
    {
      op: dhcp.REQUEST_OP,
      type,
      xid: 0x1234,
      secs: 0,
      flags,
      ciaddr: four(ciaddr),
      yiaddr: 0,
      giaddr: four(giaddr),
      high: (bytes[0] << 8) | bytes[1],
      low: four(bytes.slice(2).join('.')),
      options: new Map(options),
    },
    548,
  )
  const destination = to === everybody ? '255.255.255.255' : '10.8.0.1'
  counter.say(datagram(payload, { from, to, source, destination, sourcePort: 68, port: 67 }), ingress)
  return counter.heard().flatMap((frame) => answers(frame))
}

function answers(frame: Uint8Array): Answer[] {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  if (view.getUint16(12) !== 0x0800) return []
  const got = message.parse(frame.subarray(42))!
  const to = [...frame.subarray(0, 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
  const destination = text(view.getInt32(30))
  return [
    {
      type: got.type,
      yiaddr: text(got.yiaddr),
      to,
      destination,
      port: view.getUint16(36),
      options: got.options,
    },
  ]
}

const address = (code: number, value: string): [number, Uint8Array] => [code, message.int32(four(value))]
const ours = address(dhcp.SERVER, '10.8.0.1')

/** The four messages; the address. */
function exchange(number: number, more: Partial<Ask> = {}): string {
  const mac = station(number)
  const [offer] = ask({ type: dhcp.DISCOVER, mac, ...more })
  if (offer === undefined) return ''
  const wanted = address(dhcp.ADDRESS, offer.yiaddr)
  const options = [...(more.options ?? []), wanted, ours]
  const [answer] = ask({ type: dhcp.REQUEST, mac, ...more, options })
  return answer.type === dhcp.ACK ? answer.yiaddr : ''
}

const bound = () => leases.list().map((lease) => text(lease.address))

describe('where an answer goes (RFC 2131 4.1)', () => {
  const discover = { type: dhcp.DISCOVER }
  it('to the client, to everybody, to a relay', () => {
    expect(ask(discover)).toMatchObject([{ type: 2, to: station(1), destination: '10.8.0.15', port: 68 }])
    expect(ask({ ...discover, flags: 0x8000 })).toMatchObject([
      { to: everybody, destination: '255.255.255.255', port: 68 },
    ])
    const relay = { giaddr: '10.8.0.200', from: station(200), source: '10.8.0.200', to: MAC }
    const options: [number, Uint8Array][] = [[82, Uint8Array.of(1, 2, 3, 4)]]
    const [relayed] = ask({ ...discover, ...relay, flags: 0x8000, options })
    expect(relayed).toMatchObject({ to: station(200), destination: '10.8.0.200', port: 67 })
    expect([...(relayed.options.get(82) ?? [])]).toEqual([1, 2, 3, 4])
  })
  it('a relay of another network hears nothing', () => {
    expect(ask({ ...discover, giaddr: '10.9.0.1' })).toEqual([])
    expect(server.counts.ignored).toBe(1)
  })
  it('a renewal is answered to its address, a refusal to everybody', () => {
    const ip = exchange(1)
    expect(ask({ type: dhcp.REQUEST, ciaddr: ip, to: MAC })).toMatchObject([
      { type: dhcp.ACK, to: station(1), destination: ip },
    ])
    expect(ask({ type: dhcp.REQUEST, ciaddr: '10.8.0.77', to: MAC })).toMatchObject([
      { type: dhcp.NAK, to: everybody, destination: '255.255.255.255', yiaddr: '0.0.0.0' },
    ])
  })
  it('what is no request of a client is ignored', () => {
    for (const type of [dhcp.OFFER, dhcp.ACK, dhcp.NAK, 9]) expect(ask({ type })).toEqual([])
    expect(ask({ type: dhcp.DISCOVER, mac: '03:00:00:00:00:01' })).toEqual([])
    expect(ask({ type: dhcp.REQUEST })).toEqual([])
    expect(server.counts.ignored).toBe(6)
  })
})

describe('what is answered', () => {
  it('the times of a lease, and what the client asked for in its order', () => {
    const [offer] = ask({ type: dhcp.DISCOVER, options: [[55, Uint8Array.of(15, 6, 3, 43)]] })
    expect([...offer.options.keys()]).toEqual([53, 54, 51, 58, 59, 1, 15, 6, 3])
    const seconds = (code: number) => Buffer.from(offer.options.get(code)!).readUInt32BE()
    expect([51, 58, 59].map(seconds)).toEqual([3600, 1800, 3150])
  })
  it('INFORM: options, no address, no lease, no times', () => {
    const [answer] = ask({ type: dhcp.INFORM, ciaddr: '10.8.0.99', to: MAC })
    expect(answer).toMatchObject({ type: dhcp.ACK, yiaddr: '0.0.0.0', destination: '10.8.0.99' })
    expect(answer.options.has(dhcp.LEASE_TIME)).toBe(false)
    expect(answer.options.has(dhcp.ROUTER)).toBe(true)
    expect(bound()).toEqual([])
  })
  it('no router where there is none', () => {
    server.update(settings({ router: 0, routes: [] }))
    const [offer] = ask({ type: dhcp.DISCOVER, options: [[55, Uint8Array.of(3, 121)]] })
    expect([...offer.options.keys()]).toEqual([53, 54, 51, 58, 59, 1])
  })
  it('the identifier that the client sent comes back (RFC 6842)', () => {
    const [offer] = ask({ type: dhcp.DISCOVER, options: [[61, Uint8Array.of(0, 1, 2)]] })
    expect([...(offer.options.get(61) ?? [])]).toEqual([0, 1, 2])
  })
})

describe('who gets which address', () => {
  it('taking the offer of another server frees ours', () => {
    ask({ type: dhcp.DISCOVER })
    ask({
      type: dhcp.REQUEST,
      options: [address(dhcp.SERVER, '10.8.0.250'), address(dhcp.ADDRESS, '10.8.0.70')],
    })
    expect(leases.book('lab').offered.size).toBe(0)
    expect(bound()).toEqual([])
  })
  it('INIT-REBOOT: its own is confirmed, a free one given, one of somebody else or elsewhere refused', () => {
    expect(exchange(1)).toBe('10.8.0.15')
    const reboot = (number: number, ip: string) =>
      ask({ type: dhcp.REQUEST, mac: station(number), options: [address(dhcp.ADDRESS, ip)] })[0].type
    expect(reboot(1, '10.8.0.15')).toBe(dhcp.ACK)
    expect(reboot(2, '10.8.0.16')).toBe(dhcp.ACK)
    expect(reboot(3, '10.8.0.15')).toBe(dhcp.NAK)
    expect(reboot(3, '192.168.1.5')).toBe(dhcp.NAK)
    expect(reboot(3, '10.8.0.1')).toBe(dhcp.NAK)
  })
  it('clones with one identifier do not share an address; its MAC as identifier is no second client', () => {
    const same: [number, Uint8Array][] = [[61, Uint8Array.of(255, 1, 2, 3)]]
    expect(exchange(1, { options: same })).not.toBe(exchange(2, { options: same }))
    expect(exchange(3)).toBe(exchange(3, { options: [[61, Uint8Array.from([1, ...macBytes(station(3))])]] }))
  })
  it('one network card with two identifiers is two clients (ipvlan)', () => {
    const of = (value: number) => exchange(1, { options: [[61, Uint8Array.of(0, value)]] })
    expect(of(1)).not.toBe(of(2))
    expect(of(1)).toBe('10.8.0.15')
  })
  it("a pinned address is nobody else's, and its owner gets no other", () => {
    server.update(
      settings({ statics: new Map([[station(9), four('10.8.0.16')]]), excluded: [four('10.8.0.17')] }),
    )
    expect([1, 2, 3, 4].map((number) => exchange(number))).toEqual([
      '10.8.0.15',
      '10.8.0.18',
      '10.8.0.19',
      '10.8.0.20',
    ])
    expect(exchange(5)).toBe('')
    expect(exchange(9)).toBe('10.8.0.16')
    expect(ask({ type: dhcp.REQUEST, mac: station(9), ciaddr: '10.8.0.19', to: MAC })[0].type).toBe(dhcp.NAK)
    expect(server.capacity).toBe(5)
  })
  it('reserve: an address without a message, the same again, until it is released', () => {
    expect(text(server.reserve(station(1), 'web') ?? 0)).toBe('10.8.0.15')
    expect(text(server.reserve(station(1), 'web') ?? 0)).toBe('10.8.0.15')
    expect(leases.list()).toMatchObject([{ kind: 'port', hostname: 'web', until: Number.POSITIVE_INFINITY }])
    ask({ type: dhcp.RELEASE, ciaddr: '10.8.0.15', to: MAC })
    expect(bound()).toEqual(['10.8.0.15'])
    server.release(station(1))
    expect(bound()).toEqual([])
    for (let number = 2; number < 7; number++) exchange(number)
    expect(text(server.reserve(station(1), 'web') ?? 0)).toBe('10.8.0.15')
    expect(server.reserve(station(8), 'late')).toBeNull()
  })
  it('names: the first who has one keeps it', () => {
    const named = (name: string): [number, Uint8Array][] => [[12, message.ascii(name)]]
    exchange(1, { options: named('web') })
    exchange(2, { options: named('WEB') })
    expect(leases.list().map(({ hostname }) => hostname)).toEqual(['web', ''])
    ask({ type: dhcp.RELEASE, ciaddr: '10.8.0.15', to: MAC })
    expect(leases.book('lab').named('web')).toBeUndefined()
    exchange(2, { options: named('web') })
    expect(leases.book('lab').named('web')).toMatchObject({ mac: station(2) })
  })
})

describe('hostile guests', () => {
  it('cannot end, decline or take over the lease of another', () => {
    const ip = exchange(1, { ingress: 1 })
    ask({ type: dhcp.RELEASE, mac: station(1), ciaddr: ip, to: MAC, ingress: 2 })
    ask({ type: dhcp.RELEASE, mac: station(2), ciaddr: ip, to: MAC, ingress: 2 })
    ask({ type: dhcp.DECLINE, mac: station(1), options: [ours, address(dhcp.ADDRESS, ip)], ingress: 2 })
    ask({ type: dhcp.DECLINE, mac: station(2), options: [ours, address(dhcp.ADDRESS, ip)], ingress: 2 })
    expect(
      ask({ type: dhcp.REQUEST, mac: station(2), options: [ours, address(dhcp.ADDRESS, ip)], ingress: 2 })[0]
        .type,
    ).toBe(dhcp.NAK)
    expect(bound()).toEqual([ip])
  })
  it('cannot empty the range: one port alone gets half, with or without taking the offers', () => {
    for (const takes of [true, false]) {
      begin({ last: four('10.8.0.114') })
      for (let number = 0; number < 200; number++)
        if (takes) exchange(number, { ingress: 1 })
        else ask({ type: dhcp.DISCOVER, mac: station(number), ingress: 1 })
      expect(leases.book('lab').held).toBe(50)
      expect(server.counts.full).toBe(150)
      expect(diary.lines).toHaveLength(1)
      expect(exchange(250, { ingress: 2 })).not.toBe('')
    }
  })
  it('cannot make addresses unusable by answering every probe', () => {
    begin({ last: four('10.8.0.114') })
    for (let last = 15; last < 115; last++) {
      const claim = arp(2, [station(66), `10.8.0.${last}`], [MAC, '0.0.0.0'])
      counter.say(ethernet(MAC, station(66), 0x0806, claim), 1)
    }
    expect(leases.book('lab').conflict.size).toBe(50)
    expect(exchange(1, { ingress: 2 })).not.toBe('')
  })
  it('an answer for an offered address withdraws it; for a bound one it is too late, its owner may answer', () => {
    const claim = (owner: number, ip: string) =>
      counter.say(ethernet(MAC, station(owner), 0x0806, arp(2, [station(owner), ip], [MAC, '0.0.0.0'])), 3)
    const [{ yiaddr }] = ask({ type: dhcp.DISCOVER })
    claim(1, yiaddr)
    expect(leases.book('lab').offered.size).toBe(1)
    claim(66, yiaddr)
    expect(ask({ type: dhcp.REQUEST, options: [ours, address(dhcp.ADDRESS, yiaddr)] })[0].type).toBe(dhcp.NAK)
    const ip = exchange(1)
    expect(ip).not.toBe(yiaddr)
    claim(66, ip)
    expect(bound()).toEqual([ip])
  })
  it('no messages make it throw or hold more than its range', () => {
    const types = fc.integer({ min: 1, max: 8 })
    const addresses = fc.constantFrom(
      '0.0.0.0',
      '10.8.0.15',
      '10.8.0.16',
      '10.8.0.20',
      '10.8.0.21',
      '10.8.0.1',
      '255.255.255.255',
    )
    const asks = fc.record({
      type: types,
      mac: fc.integer({ min: 1, max: 9 }).map(station),
      ciaddr: addresses,
      giaddr: fc.constantFrom('0.0.0.0', '0.0.0.0', '10.8.0.200', '10.9.0.1'),
      flags: fc.constantFrom(0, 0x8000),
      ingress: fc.integer({ min: 1, max: 3 }),
      options: fc.array(
        fc.oneof(
          addresses.map((value) => address(dhcp.ADDRESS, value)),
          fc.constantFrom(ours, address(dhcp.SERVER, '10.8.0.9')),
          fc.tuple(
            fc.integer({ min: 1, max: 254 }).filter((code) => code !== 53),
            fc.uint8Array({ maxLength: 40, minLength: 1 }),
          ),
        ),
        { maxLength: 4 },
      ),
    })
    fc.assert(
      fc.property(fc.array(asks, { maxLength: 60 }), (list) => {
        for (const each of list) ask({ ...each, to: MAC })
        const book = leases.book('lab')
        const states = [book.offered, book.bound, book.ended, book.conflict]
        const all = states.flatMap((state) => [...state.keys()])
        expect(new Set(all).size).toBe(all.length)
        expect(all.filter((value) => value < four('10.8.0.15') || value > four('10.8.0.20'))).toEqual([])
        expect(book.held).toBe(all.length - book.ended.size)
        const clients = [...book.bound.values(), ...book.offered.values()].map(({ client }) => client)
        expect(new Set(clients).size).toBe(clients.length)
      }),
      { numRuns: 200 },
    )
  })
})
