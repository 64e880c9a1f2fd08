/** Lines of the flow log say what the API says of the same connection. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type FlowLine, lineOf } from '../../../src/control/flowlog/line.ts'
import { type FlowSource, row, type WayRow } from '../../../src/control/flows.ts'
import type { Arena } from '../../../src/memory/arena.ts'
import { BYTES, DNAT, SNAT, STATUS } from '../../../src/table/flow.ts'

const networkOf = (port: number) => `net-${port}`
const source: FlowSource = { arena: null as unknown as Arena, at: 0, capacity: 1, nowMs: 0, networkOf }
const TIME = Date.UTC(2026, 0, 2, 3, 4, 5, 6)

function tuple({ packets: _, bytes: __, ...own }: WayRow) {
  return own
}

it('with the same names and values', () => {
  const words = fc.int32Array({ minLength: 32, maxLength: 32 })
  const bytes = fc.array(fc.nat(2 ** 31 - 1), { minLength: 2, maxLength: 2 })
  const property = fc.property(
    words,
    bytes,
    fc.constantFrom(1, 6, 17, 47, 99),
    fc.integer({ min: 0, max: 4 }),
    fc.option(fc.nat(10 ** 9)),
    (words, bytes, protocol, kind, age) => {
      words[STATUS] = (words[STATUS] & ~0xff) | protocol
      new Float64Array(words.buffer).set(bytes, BYTES)
      const beganMs = age === null ? null : TIME - age
      const event = { kind, timeMs: TIME, beganMs, lastMs: TIME, words }
      const line: FlowLine = JSON.parse(lineOf(event, networkOf))
      const { timeoutSeconds: _, original, reply, replied, assured, zone, ...rest } = row(words, source)
      const ways = kind === 0 ? { original: tuple(original), reply: tuple(reply) } : { original, reply }
      expect(line).toMatchObject({ ...rest, ...ways, time: '2026-01-02T03:04:05.006Z' })
      expect(line.zone ?? 0).toBe(zone)
      expect(line.event).toBe(kind === 0 ? 'begin' : 'end')
      const reason = [undefined, 'timeout', 'closed', 'evicted', 'forgotten'][kind]
      expect(line.reason).toBe(reason)
      const durationSeconds = age === null ? null : age / 1000
      if (kind > 0) expect(line).toMatchObject({ replied, assured, durationSeconds })
      if ((words[STATUS] & (SNAT | DNAT)) === 0) expect(line.translated).toBe(null)
      else expect(line.translated).toMatchObject({ source: reply.destination, destination: reply.source })
      if (line.translated?.sourcePort !== undefined)
        expect(line.translated).toMatchObject({
          sourcePort: reply.destinationPort,
          destinationPort: reply.sourcePort,
        })
    },
  )
  fc.assert(property, { numRuns: 500 })
})
