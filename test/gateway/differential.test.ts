/**
 * The kernel as oracle: the same TCP segments through nf_conntrack, in a namespace that forwards between two TUN devices, and through
 * ours. After every segment both must agree whether it goes on, in which state the connection is, and how long it may live.
 */
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { stateNames } from '../../src/gateway/transition.ts'
import { ASSURED, DEADLINE, SEEN_REPLY, STATE, STATUS, WORDS } from '../../src/table/flow.ts'
import { cleanup } from '../lab/cleanup.ts'
import { u32 } from '../lab/frame.ts'
import { Oracle } from '../lab/oracle.ts'
import { suite } from '../lab/peer.ts'
import { type Segment, Tracker, tcp } from '../lab/tracker.ts'

const LEFT = '10.81.0.2'
const RIGHT = '10.82.0.2'
const FIN = 1
const SYN = 2
const RST = 4
const ACK = 16
const offset = (...values: number[]) =>
  fc.oneof({ weight: 12, arbitrary: fc.constant(0) }, { weight: 5, arbitrary: fc.constantFrom(...values) })

/** One segment, in terms of what both sides have sent before. */
const step = fc.record({
  side: fc.nat(1),
  flags: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(ACK, ACK | 8) },
    { weight: 6, arbitrary: fc.constantFrom(SYN, SYN | ACK, FIN | ACK, RST, RST | ACK) },
    { weight: 1, arbitrary: fc.constantFrom(0, FIN, SYN | FIN, SYN | RST, 0x38) },
  ),
  sequence: offset(-1, 1, -500, 500, -70_000, 70_000, 5000, 1_000_000_000),
  acknowledged: offset(-1, 1, -500, 500, -70_000, 70_000, 1_000_000_000),
  isZero: fc.constantFrom(false, false, false, false, false, false, true),
  window: fc.constantFrom(0, 1, 500, 5000, 5000, 5000, 65_535),
  payload: fc.constantFrom(0, 0, 0, 1, 500, 1400),
  scale: fc.constantFrom(-1, -1, 0, 2, 7, 15),
  sack: fc.constantFrom(-1, -1, -1, 0, 500, 3000),
})
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

const plain: Omit<Step, 'side' | 'flags'> = {
  sequence: 0,
  acknowledged: 0,
  isZero: false,
  window: 5000,
  payload: 0,
  scale: -1,
  sack: -1,
}
const say = (side: number, flags: number, more: Partial<Step> = {}): Step => ({
  ...plain,
  side,
  flags,
  ...more,
})
const open = [say(0, SYN, { scale: 2, sack: 0 }), say(1, SYN | ACK, { scale: 2, sack: 0 }), say(0, ACK)]
const talk = [say(0, ACK, { payload: 500 }), say(1, ACK, { payload: 1400 }), say(0, ACK)]

/** Beginnings from which random segments go on, so that all states are met. */
const beginnings: Step[][] = [
  [],
  open.slice(0, 1),
  open.slice(0, 2),
  open,
  [...open, ...talk],
  [...open, say(0, FIN | ACK)],
  [...open, say(0, FIN | ACK), say(1, ACK)],
  [...open, say(0, FIN | ACK), say(1, FIN | ACK)],
  [...open, say(0, FIN | ACK), say(1, FIN | ACK), say(0, ACK)],
  [...open, say(1, RST | ACK)],
  [say(0, SYN), say(1, SYN), say(0, SYN | ACK), say(1, SYN | ACK)],
  [say(0, ACK, { payload: 500 }), say(1, ACK)],
]

/** Both sides' counters, from which a step becomes a segment. */
class Talk {
  private readonly next: number[]
  private readonly port: number

  constructor(port: number, initial: readonly number[]) {
    this.port = port
    this.next = [...initial]
  }

  segment(step: Step): Segment {
    const { side, flags, window, payload } = step
    const sequence = step.isZero && (flags & RST) !== 0 ? 0 : (this.next[side] + step.sequence) >>> 0
    const acknowledged = (flags & ACK) === 0 ? 0 : (this.next[1 - side] + step.acknowledged) >>> 0
    const length = payload + ((flags & SYN) !== 0 ? 1 : 0) + (flags & FIN)
    if (step.sequence === 0 && (flags & RST) === 0) this.next[side] = (sequence + length) >>> 0
    const options: number[] = []
    if ((flags & SYN) !== 0) {
      if (step.scale >= 0) options.push(1, 3, 3, step.scale)
      if (step.sack >= 0) options.push(4, 2, 1, 1)
    } else if (step.sack >= 0) {
      const edge = (acknowledged + step.sack) >>> 0
      options.push(1, 1, 5, 10, ...u32(edge), ...u32((edge + 100) >>> 0))
    }
    const [from, to] = side === 0 ? [LEFT, RIGHT] : [RIGHT, LEFT]
    const ports: [number, number] = side === 0 ? [this.port, 80] : [80, this.port]
    return { from, to, ports, flags, sequence, acknowledged, window, payload, options }
  }
}

/** The same of our table as Oracle.row. */
function ours(tracker: Tracker, port: number): { text: string; seconds: number } {
  const { flows, now } = tracker
  for (const [source, id] of [
    [LEFT, flows.find(0x0a510002, 0x0a520002, (port << 16) | 80, 6)],
    [RIGHT, flows.find(0x0a520002, 0x0a510002, (80 << 16) | port, 6)],
  ] as const) {
    if (id < 0 || (id & 1) !== 0) continue
    const f = (id >> 1) * WORDS
    const left = (flows.words[f + DEADLINE] - now) | 0
    if (left <= 0) break
    const status = flows.words[f + STATUS]
    const unreplied = (status & SEEN_REPLY) === 0 ? ' unreplied' : ''
    const assured = (status & ASSURED) === 0 ? '' : ' assured'
    const state = stateNames[flows.words[f + STATE] & 0x0f]
    return { text: `${state} ${source}${unreplied}${assured}`, seconds: left / 1000 }
  }
  return { text: 'none', seconds: 0 }
}

suite('as nf_conntrack', ['nft'], () => {
  afterAll(() => cleanup())

  it('says the same of every segment', () => {
    const kernel = new Oracle()
    const tracker = new Tracker(4096)
    const short = new Tracker(4096)
    short.isShort = true
    let port = 1024
    let count = 0
    const conversation = fc.record({
      beginning: fc.constantFrom(...beginnings),
      steps: fc.array(step, { minLength: 1, maxLength: 14 }),
      initial: fc.constantFrom([1000, 5000], [0xfffffff0, 0x7ffffff0], [0, 0x80000000]),
    })
    fc.assert(
      fc.property(conversation, ({ beginning, steps, initial }) => {
        const talk = new Talk(++port, initial)
        for (const each of [...beginning, ...steps]) {
          const packet = tcp(talk.segment(each))
          const kernels = kernel.pass(each.side, packet)
          const row = kernel.row(port)
          for (const each of [tracker, short]) {
            const { dropped } = each.pass(packet)
            const own = ours(each, port)
            expect(`${dropped === ''} ${own.text}`).toBe(`${kernels} ${row.text}`)
            expect(Math.abs(own.seconds - row.seconds)).toBeLessThanOrEqual(2)
          }
          count++
        }
      }),
      { numRuns: Number(process.env.CONVERSATIONS ?? 400) },
    )
    expect(count).toBeGreaterThan(2000)
    kernel.close()
  }, 120_000)
})
