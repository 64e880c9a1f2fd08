/** RFC 2131 by single messages: what the server answers, where it sends it, and who gets what. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as message from '../../../src/service/dhcp/message.ts'
import * as dhcp from '../../../src/wire/dhcp.ts'
import { type Ask, address, Clerk, station, text } from '../../lab/clerk.ts'
import { everybody, MAC } from '../../lab/counter.ts'
import { four, settings } from '../../lab/dhcp.ts'
import { mac as macBytes } from '../../lab/frame.ts'

let clerk: Clerk
beforeEach(() => {
  clerk = new Clerk()
})
afterEach(() => clerk.close())

const ask = (each: Ask) => clerk.ask(each)
const exchange = (number: number, more: Partial<Ask> = {}) => clerk.exchange(number, more)
const bound = () => clerk.bound()

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
    expect(clerk.server.counts.ignored).toBe(1)
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
    expect(clerk.server.counts.ignored).toBe(6)
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
    clerk.server.update(settings({ router: 0, routes: [] }))
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
    expect(clerk.leases.book('lab').offered.size).toBe(0)
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
    clerk.server.update(
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
    expect(clerk.server.capacity).toBe(5)
  })
  it('reserve: an address without a message, the same again, until it is released', () => {
    expect(text(clerk.server.reserve(station(1), 'web') ?? 0)).toBe('10.8.0.15')
    expect(text(clerk.server.reserve(station(1), 'web') ?? 0)).toBe('10.8.0.15')
    expect(clerk.leases.list()).toMatchObject([
      { kind: 'port', hostname: 'web', until: Number.POSITIVE_INFINITY },
    ])
    ask({ type: dhcp.RELEASE, ciaddr: '10.8.0.15', to: MAC })
    expect(bound()).toEqual(['10.8.0.15'])
    clerk.server.release(station(1))
    expect(bound()).toEqual([])
    for (let number = 2; number < 7; number++) exchange(number)
    expect(text(clerk.server.reserve(station(1), 'web') ?? 0)).toBe('10.8.0.15')
    expect(clerk.server.reserve(station(8), 'late')).toBeNull()
  })
  it('names: the first who has one keeps it', () => {
    const named = (name: string): [number, Uint8Array][] => [[12, message.ascii(name)]]
    exchange(1, { options: named('web') })
    exchange(2, { options: named('WEB') })
    expect(clerk.leases.list().map(({ hostname }) => hostname)).toEqual(['web', ''])
    ask({ type: dhcp.RELEASE, ciaddr: '10.8.0.15', to: MAC })
    expect(clerk.leases.book('lab').named('web')).toBeUndefined()
    exchange(2, { options: named('web') })
    expect(clerk.leases.book('lab').named('web')).toMatchObject({ mac: station(2) })
  })
})
