/** IPFIX as RFC 7011 has it: what is encoded is read back by a decoder that knows no more than the messages say. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Messages } from '../../../src/control/flowlog/message.ts'
import type { FlowEvent } from '../../../src/control/flowlog/reader.ts'
import { type Told, templateOf } from '../../../src/control/flowlog/template.ts'
import { BYTES, DNAT, SNAT, STATUS } from '../../../src/table/flow.ts'

const REVERSE = 29305

/** Values by the number of their element, `r` before those of the reverse direction; text where the length is variable. */
type Values = Record<string, bigint | string>

interface Specifier {
  name: string
  length: number
}

/** A collector: it keeps templates, and believes nothing. */
class Collector {
  readonly records: { domain: number; values: Values }[] = []
  readonly lengths: number[] = []
  private readonly templates = new Map<number, Specifier[]>()
  private sequence = 0

  take(message: Buffer): void {
    this.lengths.push(message.length)
    expect([message.readUInt16BE(0), message.readUInt16BE(2)]).toEqual([10, message.length])
    expect(Math.abs(message.readUInt32BE(4) - Date.now() / 1000)).toBeLessThan(5)
    expect(message.readUInt32BE(8)).toBe(this.sequence)
    const domain = message.readUInt32BE(12)
    for (let at = 16; at < message.length; ) {
      const length = message.readUInt16BE(at + 2)
      expect(length).toBeGreaterThan(4)
      expect(at + length).toBeLessThanOrEqual(message.length)
      const set = message.readUInt16BE(at)
      const body = message.subarray(at + 4, at + length)
      if (set === 2 || set === 3) this.learn(body, set === 3)
      else this.read(body, set, domain)
      at += length
    }
  }

  private learn(body: Buffer, isOptions: boolean): void {
    for (let at = 0; at < body.length; ) {
      const [id, count] = [body.readUInt16BE(at), body.readUInt16BE(at + 2)]
      expect(id).toBeGreaterThanOrEqual(256)
      at += isOptions ? 6 : 4
      const fields = Array.from({ length: count }, () => {
        const [element, length] = [body.readUInt16BE(at), body.readUInt16BE(at + 2)]
        at += 4
        if (element < 0x8000) return { name: String(element), length }
        expect(body.readUInt32BE(at)).toBe(REVERSE)
        at += 4
        return { name: `r${element & 0x7fff}`, length }
      })
      this.templates.set(id, fields)
    }
  }

  private read(body: Buffer, set: number, domain: number): void {
    const fields = this.templates.get(set)
    if (fields === undefined) throw new Error(`nobody said what ${set} is`)
    for (let at = 0; at < body.length; ) {
      const values: Values = {}
      for (const { name, length } of fields) {
        const long = length === 65535 ? body[at++] : length
        const bytes = body.subarray(at, at + long)
        values[name] = length === 65535 ? bytes.toString() : BigInt(`0x${bytes.toString('hex')}`)
        at += long
      }
      expect(at).toBeLessThanOrEqual(body.length)
      this.records.push({ domain, values })
      this.sequence++
    }
  }
}

const ms = fc.integer({ min: 0, max: 2 ** 42 })
const event: fc.Arbitrary<FlowEvent> = fc
  .record({
    kind: fc.integer({ min: 0, max: 4 }),
    timeMs: ms,
    beganMs: fc.option(ms),
    lastMs: ms,
    words: fc.int32Array({ minLength: 32, maxLength: 32 }),
    protocol: fc.constantFrom(1, 6, 17, 47),
    status: fc.constantFrom(0, SNAT, DNAT, SNAT | DNAT),
    bytes: fc.array(fc.integer({ min: 0, max: 2 ** 53 - 1 }), { minLength: 2, maxLength: 2 }),
  })
  .map(({ words, protocol, status, bytes, ...times }) => {
    words[STATUS] = status | protocol
    new Float64Array(words.buffer).set(bytes, BYTES)
    return { ...times, words }
  })
const told: fc.Arbitrary<Told> = fc.record({
  event,
  ingress: fc.integer({ min: 0, max: 4096 }),
  egress: fc.integer({ min: 0, max: 4096 }),
  isOutside: fc.boolean(),
})

/** By the numbers of IANA's registry, from the words as table/flow.ts has them. */
function meant({ event, ingress, egress, isOutside }: Told): Values {
  const { kind, timeMs, beganMs, lastMs, words } = event
  const isEnd = kind > 0
  const word = (n: number) => words[n] >>> 0
  const protocol = words[3] & 0xff
  const isIcmp = protocol === 1
  const numbers: Record<string, number> = {
    152: beganMs ?? lastMs,
    153: lastMs,
    8: word(0),
    12: word(1),
    4: protocol,
    10: ingress,
    14: egress,
    233: isEnd ? 2 : 1,
    7: word(2) >>> 16,
    [isIcmp ? 32 : 11]: word(2) & 0xffff,
  }
  if (isEnd) {
    const bytes = new Float64Array(words.buffer)
    const counts = { 1: bytes[6], 2: word(10), r1: bytes[7], r2: word(11), 136: [0, 1, 3, 5, 4][kind] }
    Object.assign(numbers, counts)
  }
  if ((words[3] & (SNAT | DNAT)) !== 0) {
    const addresses = { 225: word(5), 226: word(4), 229: isOutside ? 2 : 1, 230: isEnd ? 5 : 4, 323: timeMs }
    const ports = isIcmp ? { 227: word(6) >>> 16 } : { 227: word(6) & 0xffff, 228: word(6) >>> 16 }
    Object.assign(numbers, addresses, ports)
  }
  return Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, BigInt(value)]))
}

it('a collector reads what was told, in messages that no network cuts', () => {
  const property = fc.property(fc.array(told, { maxLength: 80 }), fc.nat(2 ** 32 - 1), (events, domain) => {
    const collector = new Collector()
    const messages = new Messages(domain, (message) => collector.take(message))
    messages.templates()
    events.forEach((each, n) => {
      messages.add(each, templateOf(each.event))
      if (n % 30 === 29) messages.templates()
    })
    messages.flush()
    expect(collector.records.map(({ values }) => values)).toEqual(events.map(meant))
    expect(collector.records.every((record) => record.domain === domain)).toBe(true)
    expect(Math.max(...collector.lengths)).toBeLessThanOrEqual(1400)
  })
  fc.assert(property, { numRuns: 200 })
})

it('says which networks are behind the numbers, and how many events a message holds', () => {
  const collector = new Collector()
  const counts: number[] = []
  const messages = new Messages(1, (message, events) => {
    counts.push(events)
    collector.take(message)
  })
  messages.templates()
  messages.name(7, 'lan')
  messages.name(8, 'x'.repeat(300))
  const [each] = fc.sample(told, 1)
  messages.add(each, templateOf(each.event))
  messages.flush()
  messages.flush()
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(1)
  const names = collector.records.slice(0, 2).map(({ values }) => values)
  expect(names).toEqual([
    { 10: 7n, 82: 'lan' },
    { 10: 8n, 82: 'x'.repeat(254) },
  ])
})
