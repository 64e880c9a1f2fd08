import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { grant } from '../../../src/service/dhcp/grant.ts'
import * as message from '../../../src/service/dhcp/message.ts'
import * as dhcp from '../../../src/wire/dhcp.ts'
import { ip, join, mac, u16, u32 } from '../../lab/frame.ts'

/** A message by the book, up to the cookie. */
function head(more: { op?: number; hlen?: number; sname?: number[]; file?: number[] } = {}): Uint8Array {
  const bytes = new Uint8Array(240)
  bytes.set([more.op ?? 1, 1, more.hlen ?? 6, 0, ...u32(0x12345678), ...u16(3), ...u16(0x8000)])
  bytes.set([...ip('10.0.0.1'), ...ip('10.0.0.2'), ...ip('10.0.0.3'), ...ip('10.0.0.4')], 12)
  bytes.set(mac('02:00:00:00:00:01'), 28)
  bytes.set(more.sname ?? [], 44)
  bytes.set(more.file ?? [], 108)
  bytes.set([0x63, 0x82, 0x53, 0x63], 236)
  return bytes
}
const discover = [53, 1, 1]
const options = (...bytes: number[]) => message.parse(join(head(), bytes))?.options

describe('reading', () => {
  it('takes every field', () => {
    expect(message.parse(join(head(), discover, [255]))).toMatchObject({
      op: 1,
      type: dhcp.DISCOVER,
      xid: 0x12345678,
      secs: 3,
      flags: 0x8000,
      ciaddr: 0x0a000001,
      yiaddr: 0x0a000002,
      giaddr: 0x0a000004,
      high: 0x0200,
      low: 1,
    })
  })

  it('refuses what is no message for Ethernet with a type', () => {
    const good = join(head(), discover, [255])
    expect(message.parse(good.subarray(0, 239))).toBeNull()
    expect(message.parse(join(head({ hlen: 8 }), discover, [255]))).toBeNull()
    expect(message.parse(good.map((byte, i) => (i === 236 ? 0 : byte)))).toBeNull()
    expect(options(255)).toBeUndefined()
    expect(options(53, 2, 1, 1)).toBeUndefined()
  })

  it('refuses options that run over their end, and ends with the message', () => {
    expect(options(...discover, 12)).toBeUndefined()
    expect(options(...discover, 12, 5, 1, 2)).toBeUndefined()
    expect(options(...discover, 12, 2, 65, 66)?.get(12)).toEqual(Uint8Array.of(65, 66))
    expect(options(...discover, 0, 0, 255, 12, 9)?.has(12)).toBe(false)
  })

  it('joins an option that comes in pieces (RFC 3396), and reads overloaded fields', () => {
    expect([...(options(12, 1, 65, ...discover, 12, 2, 66, 67)?.get(12) ?? [])]).toEqual([65, 66, 67])
    const fields = { file: [12, 1, 65, 255], sname: [15, 1, 66, 255] }
    const both = message.parse(join(head(fields), discover, [52, 1, 3, 255]))?.options
    expect(both?.get(12)).toEqual(Uint8Array.of(65))
    expect(both?.get(15)).toEqual(Uint8Array.of(66))
    expect(message.parse(join(head(fields), discover, [52, 1, 1, 255]))?.options.has(15)).toBe(false)
  })

  it('never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(300), (noise, at) => {
        const bytes = join(head(), discover, new Uint8Array(160))
        bytes.set(noise.subarray(0, bytes.length - at), at)
        const read = message.parse(bytes)
        if (read !== null) message.hostname(read)
        if (read !== null) grant(read, { high: 0, low: 0 } as Parameters<typeof grant>[1])
        message.parse(noise)
        message.parseRoutes(noise)
        return true
      }),
    )
  })
})

describe('writing', () => {
  const base = {
    op: 2,
    type: dhcp.ACK,
    xid: 0xfedcba98,
    secs: 0,
    flags: 0,
    ciaddr: 0,
    yiaddr: 0x0a00020f,
    giaddr: 0,
  }
  const text = (length: number) => new Uint8Array(length).fill(97)
  const written = (list: [number, Uint8Array][], room = 548) =>
    message.write({ ...base, high: 0x0200, low: 1, options: new Map(list) }, room)

  it('is read back, whatever it holds', () => {
    const option = fc.tuple(fc.integer({ min: 1, max: 254 }), fc.uint8Array({ minLength: 1, maxLength: 400 }))
    const usual = ([code]: [number, Uint8Array]) => code !== dhcp.TYPE && code !== dhcp.OVERLOAD
    fc.assert(
      fc.property(fc.array(option.filter(usual), { maxLength: 5 }), (list) => {
        const wanted = new Map(list)
        const read = message.parse(written([...wanted], 4000))
        expect(read).toMatchObject(base)
        expect(read?.options).toEqual(new Map([[dhcp.TYPE, Uint8Array.of(dhcp.ACK)], ...wanted]))
      }),
    )
  })

  it('is at least as long as BOOTP was and leaves out what does not fit', () => {
    expect(written([]).length).toBe(300)
    const bytes = written(
      [
        [54, text(4)],
        [15, text(250)],
        [12, text(200)],
        [6, text(4)],
      ],
      548,
    )
    expect(bytes.length).toBeLessThanOrEqual(548)
    expect([...(message.parse(bytes)?.options.keys() ?? [])]).toEqual([53, 54, 15, 6])
  })

  it("the relay's own option has its room and comes last (RFC 3046)", () => {
    const bytes = written(
      [
        [82, text(60)],
        [15, text(180)],
        [12, text(80)],
      ],
      548,
    )
    expect([...(message.parse(bytes)?.options.keys() ?? [])]).toEqual([53, 15, 82])
  })

  it('routes and search lists as RFC 3442 and RFC 3397 want them', () => {
    const routes = [
      { network: 0, prefix: 0, router: 0x0a000001 },
      { network: 0x0a110000, prefix: 16, router: 0x0a000002 },
      { network: 0x0a1b8180 | 0, prefix: 25, router: 0x0a000003 },
    ]
    const bytes = [0, 10, 0, 0, 1, 16, 10, 17, 10, 0, 0, 2, 25, 10, 27, 129, 128, 10, 0, 0, 3]
    expect([...message.routes(routes)]).toEqual(bytes)
    expect(message.parseRoutes(Uint8Array.from(bytes))).toEqual(routes)
    expect(message.parseRoutes(Uint8Array.from(bytes.slice(0, -1)))).toBeNull()
    expect(message.parseRoutes(Uint8Array.of(33, 1, 2, 3, 4, 5, 6, 7, 8, 9))).toBeNull()
    expect([...message.names(['ab.c'])]).toEqual([2, 97, 98, 1, 99, 0])
  })
})

describe('what a client calls itself', () => {
  const named = (...bytes: number[]) => message.hostname(message.parse(join(head(), discover, bytes))!)
  const ascii = (value: string) => [...Buffer.from(value, 'latin1')]
  it.each([
    ['web', 'web'],
    ['Web-1', 'web-1'],
    ['web.example.org', 'web'],
    ['web\0', 'web'],
    ['-web', ''],
    ['we b', ''],
    ['wéb', ''],
    ['a'.repeat(63), 'a'.repeat(63)],
    ['a'.repeat(64), ''],
    ['.', ''],
  ])('%j is %j', (given, expected) => {
    expect(named(12, given.length, ...ascii(given))).toBe(expected)
  })
  it('the full name of RFC 4702 counts where there is no other, in either form', () => {
    expect(named(81, 10, 0, 0, 0, ...ascii('web.lan'))).toBe('web')
    expect(named(81, 12, 4, 0, 0, 3, ...ascii('web'), 3, ...ascii('lan'), 0)).toBe('web')
    expect(named(81, 6, 0, 0, 0, ...ascii('web'), 12, 2, ...ascii('db'))).toBe('db')
    expect(named(81, 1, 0)).toBe('')
  })
})

describe('what a client may believe', () => {
  const read = (yiaddr: string, ...bytes: number[]) => {
    const offered = head({ op: 2 })
    offered.set(ip(yiaddr), 16)
    const got = message.parse(join(offered, [53, 1, 2], bytes))!
    return grant(got, { high: 1, low: 2 } as Parameters<typeof grant>[1])
  }
  const server = [54, 4, 10, 0, 0, 1]
  const hour = [51, 4, 0, 0, 14, 16]
  it('is nothing without a server, a time and an address that a host can have', () => {
    expect(read('10.0.0.9', ...server, ...hour)).toMatchObject({
      leaseMs: 3_600_000,
      renewMs: 1_800_000,
      rebindMs: 3_150_000,
    })
    expect(read('10.0.0.9', ...hour)).toBeNull()
    expect(read('10.0.0.9', ...server)).toBeNull()
    for (const address of ['0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255'])
      expect(read(address, ...server, ...hour)).toBeNull()
  })
  it('times in order, an endless lease, a mask that is none', () => {
    expect(read('10.0.0.9', ...server, ...hour, 58, 4, 0, 1, 0, 0, 59, 4, 0, 2, 0, 0)).toMatchObject({
      renewMs: 3_600_000,
      rebindMs: 3_600_000,
    })
    expect(read('10.0.0.9', ...server, 51, 4, 255, 255, 255, 255)).toMatchObject({
      renewMs: Number.POSITIVE_INFINITY,
    })
    expect(read('10.0.0.9', ...server, ...hour, 1, 4, 255, 255, 254, 0)).toMatchObject({ prefix: 23 })
    expect(read('10.0.0.9', ...server, ...hour, 1, 4, 255, 0, 255, 0)).toMatchObject({ prefix: 8 })
    expect(read('192.0.2.9', ...server, ...hour)).toMatchObject({ prefix: 24 })
  })
  it('the router option does not count beside classless routes (RFC 3442)', () => {
    const router = [3, 4, 10, 0, 0, 7]
    expect(read('10.0.0.9', ...server, ...hour, ...router)).toMatchObject({ router: 0x0a000007, routes: [] })
    expect(read('10.0.0.9', ...server, ...hour, ...router, 121, 6, 8, 172, 10, 0, 0, 8)).toMatchObject({
      router: 0,
      routes: [{ network: 0xac000000 | 0, prefix: 8, router: 0x0a000008 }],
    })
  })
})
