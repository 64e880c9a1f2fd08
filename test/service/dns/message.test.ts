import packet from 'dns-packet'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Cache, keyOf } from '../../../src/service/dns/cache.ts'
import * as dns from '../../../src/service/dns/message.ts'

const opt = (over: object = {}) => ({
  type: 'OPT' as const,
  name: '.' as const,
  udpPayloadSize: 4096,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
  ...over,
})

function query(name: string, additionals: object[] = [], over: object = {}): dns.Message {
  const bytes = packet.encode({
    type: 'query',
    id: 0x1234,
    flags: packet.RECURSION_DESIRED,
    questions: [{ type: 'A', name }],
    additionals: additionals as packet.Answer[],
    ...over,
  })
  return dns.parse(bytes)!
}

function answer(name: string, ttl: number, over: packet.Packet = {}): dns.Message {
  const bytes = packet.encode({
    type: 'response',
    id: 0x1234,
    flags: packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE,
    questions: [{ type: 'A', name }],
    answers: [{ type: 'A', name, ttl, data: '192.0.2.1' }],
    ...over,
  })
  return dns.parse(bytes)!
}

const soa = (ttl: number, minimum: number): packet.Answer => ({
  type: 'SOA',
  name: 'example',
  ttl,
  data: { mname: 'a.example', rname: 'b.example', serial: 1, refresh: 2, retry: 3, expire: 4, minimum },
})

describe('DNS messages', () => {
  it('are read down to OPT', () => {
    const message = query('Host.Example', [opt({ flag_do: true })])
    expect(message).toMatchObject({ name: 'host.example', written: 'Host.Example', type: 1, class: 1 })
    expect(dns.capacity(message)).toBe(4096)
    expect(dns.wantsSecurity(message)).toBe(false)
    message.view.setUint16(message.optAt + 7, 0x8000)
    expect(dns.wantsSecurity(message)).toBe(true)
    expect(dns.capacity(query('host.example'))).toBe(512)
    expect(dns.capacity(query('host.example', [opt({ udpPayloadSize: 100 })]))).toBe(512)
  })

  it('tell a dot inside of a label from one between two', () => {
    const bytes = Buffer.concat([
      Buffer.from('12340100000100000000000003', 'hex'),
      Buffer.from('a.b\0\0\x01\0\x01'),
    ])
    expect(dns.parse(bytes)?.name).toBe('a\\.b')
  })

  it('of no use are refused, never read beyond their end', () => {
    const bytes = (message: dns.Message) => Uint8Array.from(message.bytes)
    const whole = bytes(answer('host.example', 60))
    for (let length = 0; length < whole.length; length++)
      expect(dns.parse(whole.slice(0, length)), `${length} bytes`).toBeNull()
    const many = bytes(query('host.example'))
    many[5] = 2
    expect(dns.parse(many)).toBeNull()
    const compressed = bytes(query('host.example'))
    compressed[12] = 0xc0
    expect(dns.parse(compressed)).toBeNull()
    expect(
      dns.parse(
        packet.encode({ type: 'query', questions: [{ type: 'A', name: 'a' }], additionals: [opt(), opt()] }),
      ),
    ).toBeNull()
  })

  it('of random bytes harm nobody', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, isOne) => {
        if (isOne && bytes.length > 5) bytes.set([0, 1], 4)
        const message = dns.parse(bytes)
        if (message === null) return
        dns.reply(message, dns.strip(message), 0, 512)
        expect(dns.question(message, 1, true).length).toBe(message.questionEnd + 11)
      }),
      { numRuns: 5000 },
    )
  })

  it('reach the guest with its own id, letters and OPT', () => {
    const asked = query('hOsT.eXample', [opt()])
    const reply = answer('host.example', 60, {
      additionals: [
        { type: 'A', name: 'x', ttl: 1, data: '192.0.2.2' },
        opt({ udpPayloadSize: 512, options: [{ code: 10, data: Buffer.alloc(16) }] }) as packet.Answer,
      ],
    })
    asked.view.setUint16(0, 0xabcd)
    const bytes = dns.reply(asked, dns.strip(reply), dns.rcode(reply), 1232)
    const decoded = packet.decode(Buffer.from(bytes))
    expect(decoded).toMatchObject({ id: 0xabcd, type: 'response', questions: [{ name: 'hOsT.eXample' }] })
    expect(decoded.answers).toMatchObject([{ data: '192.0.2.1' }])
    expect(decoded.additionals?.map(({ type }) => type)).toEqual(['A', 'OPT'])
    expect(decoded.additionals?.[1]).toMatchObject({ udpPayloadSize: 1232, options: [] })
    const plain = packet.decode(Buffer.from(dns.reply(query('host.example'), dns.strip(reply), 0, 512)))
    expect(plain.additionals?.map(({ type }) => type)).toEqual(['A'])
  })

  it('that are too long say so', () => {
    const asked = query('host.example', [opt()])
    const reply = answer('host.example', 60)
    const length = reply.bytes.length + 11
    expect(dns.reply(asked, dns.strip(reply), 0, length).length).toBe(length)
    const short = packet.decode(Buffer.from(dns.reply(asked, dns.strip(reply), 0, length - 1)))
    expect(short).toMatchObject({ flag_tc: true, answers: [], questions: [{ name: 'host.example' }] })
    expect(short.additionals).toHaveLength(1)
  })

  it('that are no questions are told so', () => {
    expect(dns.malformed(new Uint8Array(11))).toBeNull()
    expect(dns.malformed(Uint8Array.from([1, 2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0]))).toBeNull()
    expect([...dns.malformed(Uint8Array.from([1, 2, 1, 0, 0, 9, 0, 0, 0, 0, 0, 0]))!]).toEqual([
      1, 2, 0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0,
    ])
    expect(dns.malformed(Uint8Array.from([1, 2, 0x28, 0, 0, 0, 0, 0, 0, 0, 0, 0]))?.[3]).toBe(0x84)
  })

  it('answer one question only', () => {
    const asked = query('host.example')
    expect(dns.isAnswer(answer('HOST.example', 60), asked)).toBe(true)
    expect(dns.isAnswer(answer('hos.example', 60), asked)).toBe(false)
    expect(dns.isAnswer(answer('host.example', 60, { id: 0x1235 }), asked)).toBe(false)
    expect(dns.isAnswer(query('host.example'), asked)).toBe(false)
    expect(
      dns.isAnswer(
        answer('host.example', 60, { questions: [{ type: 'AAAA', name: 'host.example' }] }),
        asked,
      ),
    ).toBe(false)
  })
})

describe('the cache', () => {
  const key = keyOf(query('host.example'))
  const ttl = (body: Uint8Array) => dns.parse(body)!.view.getUint32(dns.parse(body)!.ttls[0])

  it('keeps an answer for its TTL and counts it down', () => {
    const cache = new Cache()
    cache.add(key, answer('host.example', 60), 1_000_000)
    expect(ttl(cache.find(key, 1_000_000)!.body)).toBe(60)
    expect(ttl(cache.find(key, 1_059_999)!.body)).toBe(1)
    expect(cache.find(key, 1_060_000)).toBeNull()
    expect(cache.size).toBe(0)
  })

  it('keeps the least TTL of all records, at most a day, nothing of TTL 0', () => {
    const cache = new Cache()
    const two = answer('host.example', 60, {
      additionals: [{ type: 'A', name: 'x', ttl: 7, data: '192.0.2.2' }],
    })
    cache.add(key, two, 0)
    expect(cache.find(key, 6999)).not.toBeNull()
    expect(cache.find(key, 7000)).toBeNull()
    cache.add(key, answer('host.example', 2 ** 31 - 1), 0)
    expect(ttl(cache.find(key, 0)!.body)).toBe(86_400)
    expect(cache.find(key, 86_400_000)).toBeNull()
    cache.add(key, answer('host.example', 0), 0)
    cache.add(key, answer('host.example', 2 ** 32 - 1), 0)
    expect(cache.size).toBe(0)
  })

  it('keeps what is not there by the SOA', () => {
    const cache = new Cache()
    const none = (ttl: number, minimum: number) =>
      answer('host.example', 0, { answers: [], authorities: [soa(ttl, minimum)] })
    cache.add(key, none(600, 5), 0)
    expect(cache.find(key, 4999)).not.toBeNull()
    expect(cache.find(key, 5000)).toBeNull()
    cache.add(key, none(5, 600), 0)
    expect(cache.find(key, 5000)).toBeNull()
    cache.add(key, none(86_400, 86_400), 0)
    expect(cache.find(key, 10_799_999)).not.toBeNull()
    expect(cache.find(key, 10_800_000)).toBeNull()
    cache.add(key, answer('host.example', 0, { answers: [] }), 0)
    cache.add(key, answer('host.example', 60, { flags: dns.SERVFAIL }), 0)
    expect(cache.size).toBe(0)
  })

  it('is bounded, and the longest unused goes first', () => {
    const cache = new Cache(3)
    const add = (name: string) => cache.add(name, answer('host.example', 60), 0)
    for (const name of ['a', 'b', 'c']) add(name)
    cache.find('a', 0)
    add('d')
    expect(['a', 'b', 'c', 'd'].map((name) => cache.find(name, 0) !== null)).toEqual([
      true,
      false,
      true,
      true,
    ])
  })

  it('keeps questions with and without DNSSEC apart', () => {
    const secure = query('host.example', [opt()])
    secure.view.setUint16(secure.optAt + 7, 0x8000)
    const keys = [key, keyOf(secure), keyOf(query('host.example', [], { flags: packet.CHECKING_DISABLED }))]
    expect(new Set(keys).size).toBe(3)
    expect(keyOf(query('HOST.example'))).toBe(key)
  })
})
