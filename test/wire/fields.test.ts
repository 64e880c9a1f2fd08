import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as arp from '../../src/wire/arp.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as ipv6 from '../../src/wire/ipv6.ts'
import * as tcp from '../../src/wire/tcp.ts'
import * as udp from '../../src/wire/udp.ts'
import * as vnet from '../../src/wire/vnet.ts'

const AT = 7

/** A buffer full of 0xa5 with `hex` at AT, and its bytes from there as hex. */
function view(hex = ''): DataView {
  const bytes = new Uint8Array(128).fill(0xa5)
  bytes.set(Buffer.from(hex.replaceAll(' ', ''), 'hex'), AT)
  return new DataView(bytes.buffer)
}

/** Bytes after `write`, that nothing outside of `length` was touched. */
function written(length: number, write: (view: DataView) => void, hex = ''): string {
  const made = view(hex)
  write(made)
  const bytes = Buffer.from(made.buffer)
  const outside = Buffer.concat([bytes.subarray(0, AT), bytes.subarray(AT + length)])
  expect(outside.every((byte) => byte === 0xa5)).toBe(true)
  return bytes.toString('hex', AT, AT + length)
}

describe('ethernet', () => {
  const frame = view('ffeeddccbbaa 0123fe896789 86dd')
  it('reads MACs as 16 and 32 bits', () => {
    expect(ethernet.destinationHigh(frame, AT)).toBe(0xffee)
    expect(ethernet.destinationLow(frame, AT)).toBe(0xddccbbaa | 0)
    expect(ethernet.sourceHigh(frame, AT)).toBe(0x0123)
    expect(ethernet.sourceLow(frame, AT)).toBe(0xfe896789 | 0)
    expect(ethernet.type(frame, AT)).toBe(ethernet.TYPE_IPV6)
  })
  it.each([
    ['0800', 64, 14],
    ['8100 0001 0800', 64, 18],
    ['88a8 0001 8100 0002 0800', 64, 22],
    ['8100 0001 8100 0002 8100 0003 0800', 64, 22],
    ['8100', 14, 14],
    ['8100', 17, 14],
    ['8100 0001 8100', 18, 18],
    ['8100 0001 8100', 21, 18],
    ['9100 0001 0800', 64, 14],
  ])('%s in %d bytes: the payload begins at %d', (types, length, expected) => {
    expect(ethernet.payloadAt(view(`ffeeddccbbaa 012345896789 ${types}`), AT, length) - AT).toBe(expected)
  })
})

describe('ipv4', () => {
  it('reads the header', () => {
    const made = view('46 00 fffe abcd 2001 40 11 1234 c0000201 ffffffff 01020304')
    const { version, headerLength, totalLength, identification, fragment, protocol } = ipv4
    const fields = [version, headerLength, totalLength, identification, fragment, protocol].map((field) =>
      field(made, AT),
    )
    expect(fields).toEqual([4, 24, 0xfffe, 0xabcd, 0x2001, 17])
    expect([ipv4.source(made, AT), ipv4.destination(made, AT)]).toEqual([0xc0000201 | 0, -1])
  })
  it('does not call a packet with DF a fragment', () => {
    const fragments = ['0000', '4000', '2000', '1fff', '8000'].map((bits) =>
      ipv4.fragment(view(`45000014abcd${bits}`), AT),
    )
    expect(fragments).toEqual([0, 0, 0x2000, 0x1fff, 0])
  })
  it('writes what changes', () => {
    const set = (made: DataView) => {
      ipv4.setTotalLength(made, AT, 0xfedc)
      ipv4.setIdentification(made, AT, 0x8001)
      ipv4.setChecksum(made, AT, 0xffff)
    }
    expect(written(12, set)).toBe('a5a5fedc8001a5a5a5a5ffff')
  })
})

describe('ipv6', () => {
  const header = (next: string, rest: string) => `60000000 0010 ${next} 40 ${'00'.repeat(32)} ${rest}`
  it('reads and writes lengths', () => {
    const made = view(header('06', ''))
    expect([ipv6.version(made, AT), ipv6.payloadLength(made, AT), ipv6.nextHeader(made, AT)]).toEqual([
      6, 16, 6,
    ])
    expect(written(6, (each) => ipv6.setPayloadLength(each, AT, 0xfffe))).toBe('a5a5a5a5fffe')
  })
  it.each([
    ['at once', '06', '', 40],
    ['behind hop-by-hop options', '00', '0600 000000000000', 48],
    ['behind routing and destination options', '2b', `3c00 000000000000 0601 ${'00'.repeat(14)}`, 64],
    ['not behind a fragment header', '2c', '0600 000000000000', -1],
    ['not behind authentication', '33', '0600 000000000000', -1],
    ['not when another protocol comes', '11', '', -1],
    ['not when nothing follows', '3b', '', -1],
    ['not behind nine headers', '00', `${'0000 000000000000'.repeat(8)} 0600 000000000000`, -1],
  ])('finds TCP: %s', (_, next, rest, expected) => {
    const found = ipv6.transportAt(view(header(next, rest)), AT, AT + 121, 6)
    expect(found < 0 ? found : found - AT).toBe(expected)
  })
  it('never walks beyond the end', () => {
    const made = view(header('00', '00ff'))
    expect(ipv6.transportAt(made, AT, AT + 47, 6)).toBe(-1)
    expect(ipv6.transportAt(made, AT, AT + 48, 6)).toBe(-1)
  })
})

describe('tcp and udp', () => {
  it('read and write what segmentation needs', () => {
    const made = view('0fa01388 f0000001 00000007 8019 0200 1234 0000')
    expect([tcp.sequence(made, AT), tcp.headerLength(made, AT), tcp.flags(made, AT)]).toEqual([
      0xf0000001 | 0,
      32,
      0x19,
    ])
    expect(tcp.flags(made, AT) & (tcp.FIN | tcp.PSH | tcp.CWR)).toBe(9)
    const set = (each: DataView) => {
      tcp.setSequence(each, AT, -2)
      tcp.setFlags(each, AT, 0x10)
    }
    expect(written(14, set)).toBe('a5a5a5a5fffffffea5a5a5a5a510')
  })
  it('read ports', () => {
    const made = view('0044ffff0008')
    expect([udp.sourcePort(made, AT), udp.destinationPort(made, AT)]).toEqual([68, 0xffff])
    expect(written(6, (each) => udp.setLength(each, AT, 0xff00))).toBe('a5a5a5a5ff00')
  })
})

describe('arp', () => {
  const bytes = '0001080006040001525400000001c0000201000000000000c0000202'
  it('writes 28 bytes and reads them', () => {
    const write = (made: DataView) =>
      arp.write(made, AT, arp.REQUEST, 0x5254, 1, 0xc0000201 | 0, 0, 0, 0xc0000202 | 0)
    expect(written(arp.LENGTH, write)).toBe(bytes)
    const made = view(bytes)
    const { valid, operation, senderHigh, senderLow, sender, target } = arp
    const fields = [valid, operation, senderHigh, senderLow, sender, target].map((field) => field(made, AT))
    expect(fields).toEqual([true, 1, 0x5254, 1, 0xc0000201 | 0, 0xc0000202 | 0])
  })
  it.each([0, 1, 2, 3, 4, 5])('is not valid with byte %d wrong', (position) => {
    const made = view(bytes)
    made.setUint8(AT + position, made.getUint8(AT + position) ^ 0x20)
    expect(arp.valid(made, AT)).toBe(false)
  })
})

describe('vnet', () => {
  it('reads little-endian fields', () => {
    const made = view('01 84 3600 a805 2200 1000')
    const { flags, gsoType, headerLength, gsoSize, csumStart, csumOffset, work } = vnet
    const fields = [flags, gsoType, headerLength, gsoSize, csumStart, csumOffset, work].map((field) =>
      field(made, AT),
    )
    expect(fields).toEqual([1, vnet.GSO_TCPV6 | vnet.GSO_ECN, 54, 1448, 34, 16, 0x0184])
  })
  it('reads back whatever it writes, and clears all ten bytes', () => {
    const byte = fc.nat(255)
    const word = fc.nat(0xffff)
    fc.assert(
      fc.property(byte, byte, word, word, word, word, (flags, gso, headers, size, start, offset) => {
        const made = view()
        vnet.setFlags(made, AT, flags, gso)
        vnet.setHeaderLength(made, AT, headers)
        vnet.setGsoSize(made, AT, size)
        vnet.setCsum(made, AT, start, offset)
        const { flags: f, gsoType, headerLength, gsoSize, csumStart, csumOffset } = vnet
        const read = [f, gsoType, headerLength, gsoSize, csumStart, csumOffset].map((field) =>
          field(made, AT),
        )
        expect(read).toEqual([flags, gso, headers, size, start, offset])
      }),
    )
    expect(written(vnet.LENGTH, (made) => vnet.clear(made, AT))).toBe('00'.repeat(10))
  })
})
