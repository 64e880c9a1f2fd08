/** Messages as bytes: what is read from them, which lengths and descriptors they may have, and what features mean. */
import { describe, expect, it } from 'vitest'
import {
  OFFLOAD_ALL,
  OFFLOAD_CSUM,
  OFFLOAD_ECN,
  OFFLOAD_TSO4,
  OFFLOAD_TSO6,
  OFFLOAD_USO,
} from '../../src/port/port.ts'
import * as feature from '../../src/vhost/feature.ts'
import * as message from '../../src/vhost/message.ts'
import { u32, u64 } from '../lab/virtio/message.ts'

/** Every message that we know: the lengths that it may have, and the numbers of descriptors. */
const known: [string, number[], [number, number]][] = [
  ['GET_FEATURES', [0], [0, 0]],
  ['SET_FEATURES', [8], [0, 0]],
  ['SET_OWNER', [0], [0, 0]],
  ['RESET_OWNER', [0], [0, 0]],
  ['SET_MEM_TABLE', [8, 40, 72, 264, 8104], [0, 253]],
  ['SET_LOG_BASE', [8, 16], [0, 1]],
  ['SET_LOG_FD', [0], [0, 1]],
  ['SET_VRING_NUM', [8], [0, 0]],
  ['SET_VRING_ADDR', [40], [0, 0]],
  ['SET_VRING_BASE', [8], [0, 0]],
  ['GET_VRING_BASE', [8], [0, 0]],
  ['SET_VRING_KICK', [8], [0, 1]],
  ['SET_VRING_CALL', [8], [0, 1]],
  ['SET_VRING_ERR', [8], [0, 1]],
  ['GET_PROTOCOL_FEATURES', [0], [0, 0]],
  ['SET_PROTOCOL_FEATURES', [8], [0, 0]],
  ['GET_QUEUE_NUM', [0], [0, 0]],
  ['SET_VRING_ENABLE', [8], [0, 0]],
  ['SEND_RARP', [8], [0, 0]],
  ['NET_SET_MTU', [8], [0, 0]],
  ['SET_BACKEND_REQ_FD', [0], [1, 1]],
  ['GET_INFLIGHT_FD', [20, 24], [0, 0]],
  ['SET_INFLIGHT_FD', [20, 24], [1, 1]],
  ['RESET_DEVICE', [0], [0, 0]],
  ['GET_MAX_MEM_SLOTS', [0], [0, 0]],
  ['ADD_MEM_REG', [40], [1, 1]],
  ['REM_MEM_REG', [40], [0, 1]],
  ['SET_STATUS', [8], [0, 0]],
  ['GET_STATUS', [0], [0, 0]],
]
const numbers = message as unknown as Record<string, number>

describe('a header', () => {
  it('is three words', () => {
    const bytes = Buffer.concat([u32(8, 9, 40), Buffer.alloc(4, 0xa5)])
    expect(message.header(bytes)).toEqual({ request: 8, flags: 9, length: 40 })
  })
  it.each(known)('of %s has one of the lengths %s', (name, lengths) => {
    const request = numbers[name]
    const fits = (length: number) => message.misheaded({ request, flags: 1, length }) === ''
    const found = Array.from({ length: 9000 }, (_, length) => length).filter(fits)
    expect(name === 'SET_MEM_TABLE' ? found.length : found).toEqual(name === 'SET_MEM_TABLE' ? 254 : lengths)
    for (const length of lengths) expect(fits(length)).toBe(true)
  })
  it.each(known)('of %s comes with so many descriptors', (name, [length], [fewest, most]) => {
    const request = numbers[name]
    for (let count = 0; count <= 255; count++) {
      const given = { request, flags: 1, payload: Buffer.alloc(length), fds: Array<number>(count).fill(-1) }
      expect(message.misequipped(given) === '').toBe(count >= fewest && count <= most)
    }
  })
  it('says which version it is, and no answer is awaited', () => {
    const wrong = (flags: number) => message.misheaded({ request: message.SET_OWNER, flags, length: 0 })
    expect([1, 9, 0xfffffff1 & ~4].map(wrong)).toEqual(['', '', ''])
    expect(wrong(0)).toBe('SET_OWNER is of version 0')
    expect(wrong(2)).toBe('SET_OWNER is of version 2')
    expect(wrong(5)).toBe('SET_OWNER is an answer, and nothing was asked')
  })
  it('of a request that nobody offered is refused', () => {
    const offered = new Set(known.map(([name]) => numbers[name]))
    for (const request of [0, ...Array.from({ length: 60 }, (_, i) => i), 2 ** 31, 2 ** 32 - 1]) {
      const wrong = message.misheaded({ request, flags: 1, length: 0 })
      if (!offered.has(request)) expect(wrong).toBe(`request ${request} is none that was offered`)
    }
    expect(message.RULES.size).toBe(known.length)
  })
})

describe('a payload', () => {
  it('of a number or a state', () => {
    expect(message.u64(u64(2n ** 64n - 2n))).toBe(2n ** 64n - 2n)
    expect(message.state(u32(3, 65535))).toEqual({ index: 3, value: 65535 })
    expect(message.statePayload(3, 77)).toEqual(u32(3, 77))
    expect(message.u64Payload(2n ** 63n)).toEqual(u64(2n ** 63n))
  })
  it('of a doorbell: eight bits of a number and one that says that there is none', () => {
    expect(message.file(u64(0x05n))).toEqual({ index: 5, none: false })
    expect(message.file(u64(0x1ffn))).toEqual({ index: 255, none: true })
  })
  it('of addresses', () => {
    const payload = Buffer.concat([u32(1, 0xffffffff), u64(0x7fff_0000n, 2n, 2n ** 64n - 1n, 9n)])
    const areas = { descriptors: 0x7fff_0000n, used: 2n, avail: 2n ** 64n - 1n }
    expect(message.addresses(payload)).toEqual({ index: 1, ...areas })
  })
  it('of regions holds as many as it says', () => {
    const one = u64(0n, 1n, 2n, 3n)
    const parsed = { guest: 0n, length: 1n, user: 2n, offset: 3n }
    expect(message.regions(Buffer.concat([u32(2, 0), one, one]))).toEqual([parsed, parsed])
    expect(message.regions(u32(0, 0))).toEqual([])
    expect(message.regions(Buffer.concat([u32(1, 0), one, one]))).toBeNull()
    expect(message.regions(Buffer.concat([u32(0xffffffff, 0), one]))).toBeNull()
    expect(message.region(Buffer.concat([u64(0n), one]))).toEqual(parsed)
  })
  it.each([20, 24])('of what is under way, in %i bytes', (bytes) => {
    const inflight = { length: 4096n, offset: 0n, queues: 4, size: 256 }
    expect(message.inflight(message.inflightPayload(inflight, bytes))).toEqual(inflight)
    expect(message.inflightPayload(inflight, bytes)).toHaveLength(bytes)
  })
  it('of an answer stands behind the header of what it answers', () => {
    expect(message.answer(11, u32(1, 7))).toEqual(u32(11, 5, 8, 1, 7))
  })
})

describe('features', () => {
  it('that are offered', () => {
    const offered = feature.offered(2, true)
    for (const bit of [24, 26, 33, 34, 40]) expect(offered & (1n << BigInt(bit))).toBe(0n)
    expect(feature.names(offered)).toHaveLength(24)
    expect(feature.names(offered & ~feature.offered(1, true))).toEqual(['mq'])
    expect(feature.names(offered & ~feature.offered(2, false))).toEqual([
      ...[
        'csum',
        'guest_csum',
        'guest_tso4',
        'guest_tso6',
        'guest_ecn',
        'host_tso4',
        'host_tso6',
        'host_ecn',
      ],
      ...['guest_uso4', 'guest_uso6', 'host_uso'],
    ])
    expect(feature.names(1n << 26n)).toEqual(['0x4000000'])
  })
  it.each<[string, bigint, number]>([
    ['nothing', 0n, 0],
    ['segments without checksums', feature.GUEST_TSO4 | feature.GUEST_TSO6, 0],
    ['what the guest sends', feature.CSUM | feature.HOST_TSO4 | feature.HOST_USO, 0],
    ['checksums', feature.GUEST_CSUM, OFFLOAD_CSUM],
    ['IPv4', feature.GUEST_CSUM | feature.GUEST_TSO4, OFFLOAD_CSUM | OFFLOAD_TSO4],
    ['ECN without TCP', feature.GUEST_CSUM | feature.GUEST_ECN, OFFLOAD_CSUM],
    [
      'ECN with IPv6',
      feature.GUEST_CSUM | feature.GUEST_TSO6 | feature.GUEST_ECN,
      OFFLOAD_CSUM | OFFLOAD_TSO6 | OFFLOAD_ECN,
    ],
    ['UDP of one version', feature.GUEST_CSUM | feature.GUEST_USO4, OFFLOAD_CSUM],
    ['UDP of both', feature.GUEST_CSUM | feature.GUEST_USO4 | feature.GUEST_USO6, OFFLOAD_CSUM | OFFLOAD_USO],
    ['everything', feature.offered(1, true), OFFLOAD_ALL],
  ])('of %s become offloads', (_, features, offloads) => expect(feature.offloads(features)).toBe(offloads))
  it('decide how long the header before a frame is', () => {
    expect(feature.headerLength(0n)).toBe(10)
    expect(feature.headerLength(feature.GUEST_CSUM)).toBe(10)
    expect(feature.headerLength(feature.MRG_RXBUF)).toBe(12)
    expect(feature.headerLength(feature.VERSION_1)).toBe(12)
  })
})
