import { describe, expect, it } from 'vitest'
import { during, plan } from '../lab/fabric.ts'
import { broadcast, numbered, numberOf, station } from '../lab/frame.ts'
import { Pair } from '../lab/pair.ts'
import { asking } from '../lab/super.ts'
import { segments } from './reference.ts'

let number = 0
const frame = (to: string, from: string) => numbered(to, from, ++number)

/** Ports 0 and 2 are worker 0's, 1 and 3 worker 1's; `bridge` is the worker that has the network. */
function paired(bridge: number, options = {}): Pair {
  const made = new Pair(bridge, options)
  made.teach()
  return made
}

describe.each([0, 1])('two workers, the network is worker %d’s', (bridge) => {
  const pair = (options = {}) => paired(bridge, options)

  it('carries frames between all ports, and every frame comes home', () => {
    const both = pair()
    for (let from = 0; from < 4; from++) {
      for (let to = 0; to < 4; to++) {
        if (from === to) continue
        const sent = Array.from({ length: 100 }, () => frame(station(to), station(from)))
        both.send(from, ...sent)
        expect(both.numbers(to)).toEqual(sent.map(numberOf))
      }
    }
    both.expectWhole()
  })

  it('floods to every other port once', () => {
    const both = pair()
    for (let from = 0; from < 4; from++) {
      const sent = Array.from({ length: 70 }, () => frame(broadcast, station(from)))
      both.send(from, ...sent)
      for (let to = 0; to < 4; to++) expect(both.numbers(to)).toEqual(from === to ? [] : sent.map(numberOf))
    }
    both.expectWhole()
  })

  it('keeps flows in order when known, flooded and segmented frames mix', () => {
    const both = pair({ offloads: [31, 31, 0, 0] })
    const ask = {
      kind: 'tcp4' as const,
      payload: new Uint8Array(3000).fill(9),
      size: 1000,
      to: station(3),
      from: station(0),
    }
    const [a, b, c] = [
      frame(station(3), station(0)),
      frame(broadcast, station(0)),
      frame(station(3), station(0)),
    ]
    both.send(0, a, asking(ask), b, c)
    expect(both.taken(3)).toEqual([a, ...segments(ask), b, c])
    expect(both.taken(2)).toEqual([b])
    both.expectWhole()
  })
})

describe.each([0, 1])('two workers when things go wrong, the network is worker %d’s', (bridge) => {
  const pair = (options = {}) => paired(bridge, options)

  it('drops by name on a full ring, and nothing is lost from the pools', () => {
    const both = pair()
    const [from, to] = bridge === 0 ? [0, 1] : [1, 0]
    const sent = Array.from({ length: 1200 }, () => frame(station(to), station(from)))
    // The other worker sleeps: its ring holds 1,024.
    both.queue(from, ...sent)
    both.run(from % 2)
    expect(both.drops(from)).toEqual({ ring_full: 176 })
    both.settle()
    expect(both.numbers(to)).toEqual(sent.slice(0, 1024).map(numberOf))
    both.expectWhole()
  })

  it('drops floods by name on a full ring, and the copies come home too', () => {
    const both = pair()
    const sent = Array.from({ length: 1100 }, () => frame(broadcast, station(bridge)))
    both.queue(bridge, ...sent)
    both.run(bridge)
    expect([both.numbers(bridge ^ 2), both.drops(bridge)]).toEqual([sent.map(numberOf), { ring_full: 76 }])
    both.settle()
    expect(both.numbers(bridge ^ 1)).toEqual(sent.slice(0, 1024).map(numberOf))
    both.expectWhole()
  })

  it('waits with an empty pool until frames come home', () => {
    const both = pair({ frames: 16 })
    const [from, to] = bridge === 0 ? [0, 1] : [1, 0]
    const sent = Array.from({ length: 100 }, () => frame(station(to), station(from)))
    both.queue(from, ...sent)
    both.run(from % 2)
    expect([both.waiting(from), both.numbers(to)]).toEqual([84, []])
    both.settle()
    expect(both.numbers(to)).toEqual(sent.map(numberOf))
    both.expectWhole()
  })

  it('sends nothing to a port that went while frames were under way to it', () => {
    const own = bridge === 0 ? [1, 3] : [0, 2]
    for (const [from, to] of [[0, 1], [1, 0], own]) {
      const both = pair()
      both.queue(from, frame(station(to), station(from)), frame(broadcast, station(from)))
      both.run(from % 2)
      both.remove(to)
      both.settle()
      expect(both.numbers(to)).toEqual([])
      both.expectWhole()
    }
  })

  it('leaves frames alone whose own port went while they were under way', () => {
    const both = pair()
    const from = bridge === 0 ? 1 : 0
    both.queue(from, frame(station(2), station(from)), frame(broadcast, station(from)))
    both.run(from % 2)
    both.remove(from)
    both.settle()
    expect(both.numbers(2).length).toBeLessThanOrEqual(1)
    both.expectWhole()
  })
})

describe('two worker threads', () => {
  /** Frames of four flows at once, at most `window` under way, so that nothing has to be dropped. */
  it('carry 40,000 frames of four flows, each in order, none lost', () =>
    during(plan('abcd', { workers: 2 }), async (fabric) => {
      const ports = [...'abcd'].map((name) => fabric.memory(name))
      for (const [i, port] of ports.entries()) port.send(numbered(broadcast, station(i + 1), 0))
      const flows = [0, 1, 2, 3].map((from) => ({
        from,
        to: from ^ 3,
        sent: 0,
        got: 0,
        disorder: 0,
      }))
      const deadline = Date.now() + 15_000
      let greetings = 0
      while (greetings < 12 && Date.now() < deadline) {
        for (const port of ports) while (port.receive()) greetings++
        await new Promise(setImmediate)
      }
      expect(greetings).toBe(12)
      const COUNT = 10_000
      const WINDOW = 48
      while (flows.some(({ got }) => got < COUNT) && Date.now() < deadline) {
        for (const flow of flows) {
          while (flow.sent < COUNT && flow.sent - flow.got < WINDOW) {
            ports[flow.from].send(numbered(station(flow.to + 1), station(flow.from + 1), flow.sent++))
          }
          for (let got = ports[flow.to].receive(); got; got = ports[flow.to].receive()) {
            if (numberOf(got.frame) !== flow.got++) flow.disorder++
          }
        }
        await new Promise(setImmediate)
      }
      expect(flows.map(({ got, disorder }) => [got, disorder])).toEqual(new Array(4).fill([COUNT, 0]))
      expect(fabric.ports().map(({ drops }) => drops)).toEqual([{}, {}, {}, {}])
      expect(fabric.workers().every(({ frames }) => frames > COUNT)).toBe(true)
    }))
})
