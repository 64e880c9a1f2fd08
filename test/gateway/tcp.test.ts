/** TCP tracking as tables of segments: who says what, what becomes of it, and the state after it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stateNames } from '../../src/gateway/transition.ts'
import { ASSURED, DEADLINE, STATE, STATUS, WORDS } from '../../src/table/flow.ts'
import { u32 } from '../lab/frame.ts'
import { type Segment, Tracker, tcp } from '../lab/tracker.ts'

const GUEST = '10.0.2.15'
const SERVER = '198.51.100.1'
const bits: Record<string, number> = { F: 1, S: 2, R: 4, P: 8, A: 16, U: 32 }
const flagsOf = (letters: string) => [...letters].reduce((sum, letter) => sum | bits[letter], 0)

type More = Partial<Omit<Segment, 'from' | 'to' | 'flags'>>

/** `>` the guest or `<` the server, flags, sequence, acknowledgement: then the state, `drop` before it if it may not go on. */
type Line = [string, number, number, string, More?]

function segment(line: Line): Uint8Array {
  const [what, sequence, acknowledged, , more = {}] = line
  const [side, letters] = what.split(' ')
  const ends = side === '>' ? { from: GUEST, to: SERVER } : { from: SERVER, to: GUEST }
  const ports: [number, number] = side === '>' ? [4000, 80] : [80, 4000]
  return tcp({ ...ends, ports, flags: flagsOf(letters), sequence, acknowledged, ...more })
}

/** The state that the newest flow is in; `none` if it has none that lives. */
function state(tracker: Tracker): string {
  const { words } = tracker.flows
  if (!tracker.flows.isLive(1) || ((words[WORDS + DEADLINE] - tracker.now) | 0) <= 0) return 'none'
  return stateNames[words[WORDS + STATE] & 0x0f]
}

function play(tracker: Tracker, lines: Line[]): void {
  const seen = lines.map((line) => {
    const drop = tracker.pass(segment(line)).dropped === '' ? '' : 'drop '
    return [...line.slice(0, 3), `${drop}${state(tracker)}`]
  })
  expect(seen).toEqual(lines.map((line) => line.slice(0, 4)))
}

const left = (tracker: Tracker) => (tracker.flows.words[WORDS + DEADLINE] - tracker.now) / 1000
const isAssured = (tracker: Tracker) => (tracker.flows.words[WORDS + STATUS] & ASSURED) !== 0

const opened: Line[] = [
  ['> S', 999, 0, 'SYN_SENT'],
  ['< SA', 4999, 1000, 'SYN_RECV'],
  ['> A', 1000, 5000, 'ESTABLISHED'],
]
const closed: Line[] = [
  ...opened,
  ['> FA', 1000, 5000, 'FIN_WAIT'],
  ['< A', 5000, 1001, 'CLOSE_WAIT'],
  ['< FA', 5000, 1001, 'LAST_ACK'],
  ['> A', 1001, 5001, 'TIME_WAIT'],
]

describe('a connection', () => {
  it('opens, is assured, and closes', () => {
    const tracker = new Tracker()
    play(tracker, opened)
    expect([isAssured(tracker), left(tracker)]).toEqual([true, 5 * 86_400])
    play(new Tracker(), closed)
  })

  it('opens from both sides at once (RFC 9293 3.5)', () => {
    play(new Tracker(), [
      ['> S', 999, 0, 'SYN_SENT'],
      ['< S', 4999, 0, 'SYN_SENT2'],
      ['> SA', 999, 5000, 'SYN_RECV'],
      ['< SA', 4999, 1000, 'SYN_RECV'],
      ['< A', 5000, 1000, 'ESTABLISHED'],
    ])
  })

  it('closes from both sides at once', () => {
    play(new Tracker(), [
      ...opened,
      ['> FA', 1000, 5000, 'FIN_WAIT'],
      ['< FA', 5000, 1000, 'LAST_ACK'],
      ['> A', 1001, 5001, 'TIME_WAIT'],
      ['< A', 5001, 1001, 'TIME_WAIT'],
    ])
  })

  it('is not kept by SYNs that nobody answers', () => {
    const tracker = new Tracker()
    play(tracker, [['> S', 999, 0, 'SYN_SENT']])
    tracker.now += 100_000
    play(tracker, [['> S', 999, 0, 'SYN_SENT']])
    expect(left(tracker)).toBe(20)
  })

  it('that was refused at once is gone', () => {
    play(new Tracker(), [
      ['> S', 999, 0, 'SYN_SENT'],
      ['< RA', 0, 1000, 'none'],
    ])
  })

  it('begins anew after it has ended (RFC 9293 3.6.1)', () => {
    const tracker = new Tracker()
    play(tracker, closed)
    play(tracker, [['> S', 70_000, 0, 'SYN_SENT']])
    expect([isAssured(tracker), tracker.flows.created]).toEqual([false, 2])
  })

  it('begins anew after a guest lost its state, when the server agrees', () => {
    play(new Tracker(), [
      ...opened,
      ['> S', 800_000, 0, 'ESTABLISHED'],
      ['< SA', 900_000, 800_001, 'SYN_RECV'],
      ['> A', 800_001, 900_001, 'ESTABLISHED'],
      ['< A', 5000, 1000, 'ESTABLISHED', { payload: 10 }],
      ['> A', 1_800_001, 5000, 'drop ESTABLISHED', { payload: 10 }],
    ])
  })

  it('takes a challenge ACK in LAST_ACK for no acknowledgement of the FIN (RFC 5961 4)', () => {
    play(new Tracker(), [
      ...closed.slice(0, 6),
      ['> S', 70_000, 0, 'LAST_ACK'],
      ['< A', 5001, 1001, 'LAST_ACK'],
      ['< A', 5001, 1001, 'TIME_WAIT'],
    ])
  })

  it('is no connection without a SYN that is answered', () => {
    play(new Tracker(), [
      ['> S', 999, 0, 'SYN_SENT'],
      ['> A', 1000, 5000, 'drop SYN_SENT'],
      ['> FA', 1000, 5000, 'drop SYN_SENT'],
      ['< SA', 4999, 1777, 'drop SYN_SENT'],
      ['< SA', 4999, 1000, 'SYN_RECV'],
    ])
  })
})

describe('a reset', () => {
  it('ends a connection exactly where it stands', () => {
    const tracker = new Tracker()
    play(tracker, [...opened, ['< R', 5000, 0, 'CLOSE']])
    expect(left(tracker)).toBe(10)
  })

  it('that is only in the window may be a challenge: the connection goes on (RFC 5961 3.2)', () => {
    play(new Tracker(), [
      ...opened,
      ['< R', 5010, 0, 'ESTABLISHED'],
      ['> A', 1000, 5000, 'ESTABLISHED'],
      ['< R', 4990, 0, 'drop ESTABLISHED'],
      ['< R', 5_005_000, 0, 'drop ESTABLISHED'],
    ])
  })
})

describe('windows', () => {
  it('refuse what is sent beyond them, and what acknowledges the unsent', () => {
    play(new Tracker(), [
      ...opened,
      ['> A', 1000, 5000, 'ESTABLISHED', { payload: 1400 }],
      ['> A', 1_002_400, 5000, 'drop ESTABLISHED', { payload: 1400 }],
      ['< A', 5000, 9000, 'drop ESTABLISHED'],
      ['< A', 5000, 2400, 'ESTABLISHED'],
      ['< A', 5000, 2400, 'ESTABLISHED', { payload: 1400 }],
    ])
  })

  it('grow by the scale that both sides offered (RFC 7323)', () => {
    const scale = { options: [1, 3, 3, 7] }
    const far: Line = ['> A', 100_000, 5000, 'ESTABLISHED', { payload: 100 }]
    play(new Tracker(), [
      ['> S', 999, 0, 'SYN_SENT', scale],
      ['< SA', 4999, 1000, 'SYN_RECV', scale],
      ['> A', 1000, 5000, 'ESTABLISHED'],
      ['< A', 5000, 1000, 'ESTABLISHED'],
      far,
    ])
    play(new Tracker(), [
      ['> S', 999, 0, 'SYN_SENT', scale],
      ['< SA', 4999, 1000, 'SYN_RECV'],
      ['> A', 1000, 5000, 'ESTABLISHED'],
      ['< A', 5000, 1000, 'ESTABLISHED'],
      ['> A', 100_000, 5000, 'drop ESTABLISHED', { payload: 100 }],
    ])
  })

  it('count what is acknowledged selectively (RFC 2018)', () => {
    const permitted = { options: [4, 2] }
    const block = (from: number, to: number) => ({ options: [1, 1, 5, 10, ...u32(from), ...u32(to)] })
    play(new Tracker(), [
      ['> S', 999, 0, 'SYN_SENT', permitted],
      ['< SA', 4999, 1000, 'SYN_RECV', permitted],
      ['> A', 1000, 5000, 'ESTABLISHED'],
      ['> A', 3000, 5000, 'ESTABLISHED', { payload: 1000 }],
      ['< A', 5000, 1000, 'ESTABLISHED', block(3000, 4000)],
      ['< A', 5000, 1000, 'drop ESTABLISHED', block(8000, 9000)],
    ])
  })

  it('hold across the wrap of sequence numbers', () => {
    play(new Tracker(), [
      ['> S', 0xfffffff0, 0, 'SYN_SENT'],
      ['< SA', 0x7ffffff0, 0xfffffff1, 'SYN_RECV'],
      ['> A', 0xfffffff1, 0x7ffffff1, 'ESTABLISHED', { payload: 100 }],
      ['< A', 0x7ffffff1, 0x55, 'ESTABLISHED', { payload: 100 }],
      ['> A', 0x55, 0x80000055, 'ESTABLISHED'],
    ])
  })

  it('are not known of a connection that was picked up', () => {
    play(new Tracker(), [
      ['> A', 1000, 5000, 'ESTABLISHED', { payload: 10 }],
      ['< A', 5000, 1010, 'ESTABLISHED'],
      ['> A', 500_000, 5000, 'ESTABLISHED', { payload: 10 }],
    ])
  })
})

describe('a deadline', () => {
  it('is nearer while data waits for its acknowledgement', () => {
    const tracker = new Tracker()
    play(tracker, [...opened, ['> A', 1000, 5000, 'ESTABLISHED', { payload: 100 }]])
    expect(left(tracker)).toBe(300)
    play(tracker, [['< A', 5000, 1100, 'ESTABLISHED']])
    expect(left(tracker)).toBe(5 * 86_400)
  })

  it('is nearer after the same acknowledgement came again and again, or a window is closed', () => {
    const tracker = new Tracker(64, { tcpMaxRetrans: 77_000 })
    const again: Line = ['> A', 1000, 5000, 'ESTABLISHED', { payload: 100 }]
    play(tracker, [...opened, again, again, again])
    expect(left(tracker)).toBe(300)
    play(tracker, [again])
    expect(left(tracker)).toBe(77)
    const shut = new Tracker(64, { tcpMaxRetrans: 77_000 })
    play(shut, [...opened, ['< A', 5000, 1000, 'ESTABLISHED', { window: 0 }]])
    expect(left(shut)).toBe(77)
  })
})

it('reads no option past its header, whatever stands there', () => {
  const tracker = new Tracker()
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 10, 18, 40, 255), { maxLength: 40 }),
      fc.constantFrom('S', 'SA', 'A'),
      fc.nat(60_000),
      (options, letters, from) => {
        const flags = flagsOf(letters)
        const packet = tcp({ from: GUEST, to: SERVER, ports: [from, 80], flags, options })
        tracker.pass(packet)
        tracker.pass(tcp({ from: SERVER, to: GUEST, ports: [80, from], flags: flagsOf('SA'), options }))
        const { words } = tracker.flows
        for (let flow = 1; flow <= tracker.flows.high; flow++) {
          // A scale is 14 at most (RFC 7323 2.3).
          if (!tracker.flows.isLive(flow)) continue
          const scales = words[flow * WORDS + STATE] >>> 24
          expect(Math.max(scales & 15, scales >>> 4)).toBeLessThanOrEqual(14)
        }
      },
    ),
    { numRuns: 300 },
  )
})
