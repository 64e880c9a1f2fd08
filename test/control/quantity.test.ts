/** Values as people write them: what is printed parses to itself, what is not a value is null, never an exception. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as address from '../../src/control/address.ts'
import * as quantity from '../../src/control/quantity.ts'

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })

describe('addresses', () => {
  it('IPv4 text and int32 are inverse', () => {
    fc.assert(fc.property(int32, (value) => address.ipv4(address.ipv4Text(value)) === value))
  })

  it.each(['', '1.2.3', '1.2.3.4.5', '256.1.1.1', '01.2.3.4', '1.2.3.4 ', 'a.b.c.d', '1..2.3', '::1'])(
    '%j is no IPv4',
    (text) => {
      expect(address.ipv4(text)).toBeNull()
    },
  )

  it('a subnet contains exactly the addresses between its ends', () => {
    const range = fc.tuple(int32, fc.integer({ min: 0, max: 32 }))
    fc.assert(
      fc.property(range, int32, ([base, prefix], other) => {
        const subnet = address.cidr(`${address.ipv4Text(base)}/${prefix}`) as address.Cidr
        const [first, last] = [address.networkOf(subnet) >>> 0, address.broadcastOf(subnet) >>> 0]
        expect(last - first + 1).toBe(2 ** (32 - prefix))
        expect(address.contains(subnet, other)).toBe(first <= other >>> 0 && other >>> 0 <= last)
      }),
    )
  })

  it('overlap is symmetric and means a shared address', () => {
    const subnet = fc
      .tuple(int32, fc.integer({ min: 0, max: 32 }))
      .map(([base, prefix]) => address.cidr(`${address.ipv4Text(base)}/${prefix}`) as address.Cidr)
    fc.assert(
      fc.property(subnet, subnet, (a, b) => {
        const ends = [a, b].map((each) => [address.networkOf(each) >>> 0, address.broadcastOf(each) >>> 0])
        const shared = Math.max(ends[0][0], ends[1][0]) <= Math.min(ends[0][1], ends[1][1])
        expect([address.overlap(a, b), address.overlap(b, a)]).toEqual([shared, shared])
      }),
    )
  })

  it.each(['10.0.0.1', '10.0.0.1/33', '10.0.0.1/', '10.0.0.1/08', '/8', '10.0.0/8', 'fd00::/8'])(
    '%j is no CIDR',
    (text) => {
      expect(address.cidr(text)).toBeNull()
    },
  )

  it.each([
    ['fd00::1', true],
    ['fd00::/64', true],
    ['::/0', true],
    ['fd00::/129', false],
    ['fd00::/x', false],
    ['10.0.0.1', false],
  ])('%s IPv6: %s', (text, is) => {
    expect(address.isSix(text)).toBe(is)
  })

  it('a derived MAC is stable, locally administered, unicast, and differs by port and network', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (network, port) => {
        const mac = address.derivedMac(network, port)
        expect(mac).toMatch(/^02(:[0-9a-f]{2}){5}$/)
        expect(address.isUnicast(mac)).toBe(true)
        expect(address.derivedMac(network, port)).toBe(mac)
        expect(address.derivedMac(network, `${port}x`)).not.toBe(mac)
      }),
    )
  })
})

describe('quantities', () => {
  it.each([
    ['250ms', 250],
    ['300s', 300_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['5d', 432_000_000],
  ])('%s', (text, ms) => {
    expect(quantity.duration(text)).toBe(ms)
  })

  it.each(['', '5', 's', '-1s', '1.5s', '1 s', '1y', '1s1s', '1234567890s'])('%j is no duration', (text) => {
    expect(quantity.duration(text)).toBeNull()
  })

  it.each([
    ['1000/s', 1000],
    ['1/s', 1],
    ['0/s', null],
    ['1000', null],
    ['1000/m', null],
    ['-1/s', null],
  ])('rate %j', (text, value) => {
    expect(quantity.rate(text)).toBe(value)
  })

  it.each([
    ['0660', 0o660],
    ['0000', 0],
    ['660', null],
    ['0888', null],
    ['00660', null],
  ])('mode %j', (text, value) => {
    expect(quantity.mode(text)).toBe(value)
  })

  it.each([
    ['127.0.0.1:9477', { host: '127.0.0.1', port: 9477 }],
    ['[::1]:80', { host: '::1', port: 80 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
    ['127.0.0.1', null],
    [':80', null],
    ['1.2.3:80', null],
    ['[nope]:80', null],
    ['::1:80', null],
    ['a:65536', null],
  ])('listen %j', (text, value) => {
    expect(quantity.listen(text)).toEqual(value)
  })

  it.each(['10.0.0.9-10.0.0.1', '10.0.0.1', '10.0.0.1-10.0.0.2-10.0.0.3', 'a-b'])(
    '%j is no range of addresses',
    (text) => {
      expect(quantity.addressRange(text)).toBeNull()
    },
  )

  it('ranges of ports are in order and inside 1 to 65535', () => {
    const port = fc.integer({ min: 0, max: 70_000 })
    fc.assert(
      fc.property(port, port, (first, last) => {
        const range = quantity.portRange(`${first}-${last}`)
        const valid = first >= 1 && first <= last && last <= 65_535
        expect(range).toEqual(valid ? { first, last } : null)
      }),
    )
  })

  it('published ports in hostfwd form', () => {
    expect(quantity.publish('tcp:127.0.0.1:8080-10.0.2.15:80')).toEqual({
      protocol: 'tcp',
      host: '127.0.0.1',
      hostPorts: { first: 8080, last: 8080 },
      guest: '10.0.2.15',
      guestPorts: { first: 80, last: 80 },
    })
    expect(quantity.publish('udp::5353-10.0.2.20:53')).toMatchObject({ host: '', protocol: 'udp' })
    expect(quantity.publish('tcp::8000-8010-10.0.2.15:9000-9010')).toMatchObject({
      hostPorts: { first: 8000, last: 8010 },
      guestPorts: { first: 9000, last: 9010 },
    })
  })

  it.each([
    'tcp:8080-10.0.2.15:80',
    'sctp::1-10.0.2.15:1',
    'tcp:1.2.3:1-10.0.2.15:1',
    'tcp::0-10.0.2.15:1',
    'tcp::1-10.0.2:1',
    'tcp::1-3-10.0.2.15:1-2',
  ])('%j is no published port', (text) => {
    expect(quantity.publish(text)).toBeNull()
  })

  it('no text makes a parser throw', () => {
    const parsers = [
      address.ipv4,
      address.cidr,
      quantity.duration,
      quantity.rate,
      quantity.mode,
      quantity.listen,
      quantity.publish,
    ]
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const parse of parsers) parse(text)
      }),
    )
  })
})
