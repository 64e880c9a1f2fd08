/** What no guest may do to others by DHCP. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as dhcp from '../../../src/wire/dhcp.ts'
import { type Ask, address, Clerk, ours, station } from '../../lab/clerk.ts'
import { MAC } from '../../lab/counter.ts'
import { four } from '../../lab/dhcp.ts'
import { arp, ethernet } from '../../lab/frame.ts'

let clerk: Clerk
beforeEach(() => {
  clerk = new Clerk()
})
afterEach(() => clerk.close())

const ask = (each: Ask) => clerk.ask(each)
const exchange = (number: number, more: Partial<Ask> = {}) => clerk.exchange(number, more)
const bound = () => clerk.bound()

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
      clerk = new Clerk({ last: four('10.8.0.114') })
      for (let number = 0; number < 200; number++)
        if (takes) exchange(number, { ingress: 1 })
        else ask({ type: dhcp.DISCOVER, mac: station(number), ingress: 1 })
      expect(clerk.leases.book('lab').held).toBe(50)
      expect(clerk.server.counts.full).toBe(150)
      expect(clerk.diary.lines).toHaveLength(1)
      expect(exchange(250, { ingress: 2 })).not.toBe('')
    }
  })
  it('cannot make addresses unusable by answering every probe', () => {
    clerk = new Clerk({ last: four('10.8.0.114') })
    for (let last = 15; last < 115; last++) {
      const claim = arp(2, [station(66), `10.8.0.${last}`], [MAC, '0.0.0.0'])
      clerk.counter.say(ethernet(MAC, station(66), 0x0806, claim), 1)
    }
    expect(clerk.leases.book('lab').conflict.size).toBe(50)
    expect(exchange(1, { ingress: 2 })).not.toBe('')
  })
  it('an answer for an offered address withdraws it; for a bound one it is too late, its owner may answer', () => {
    const claim = (owner: number, ip: string) =>
      clerk.counter.say(
        ethernet(MAC, station(owner), 0x0806, arp(2, [station(owner), ip], [MAC, '0.0.0.0'])),
        3,
      )
    const [{ yiaddr }] = ask({ type: dhcp.DISCOVER })
    claim(1, yiaddr)
    expect(clerk.leases.book('lab').offered.size).toBe(1)
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
        const book = clerk.leases.book('lab')
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
