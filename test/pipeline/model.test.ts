/** The bridge against a Map: what every port gets, in order, and what is dropped and why, whatever stations and ports do. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { broadcast, hex, numbered } from '../lab/frame.ts'
import { Rig } from '../lab/rig.ts'

const AGEING = 2000

interface Setting {
  network: number
  isolated: boolean
  gateway: boolean
  macLimit: number
}

interface Sent {
  to: string
  from: string
  frame: Uint8Array
}

/** IEEE 802.1Q as a page of plain code. */
class Model {
  readonly out: string[][]
  readonly drops: Record<string, number>[]
  private readonly tables = new Map<number, Map<string, { port: number; seen: number }>>()
  private readonly ports: Setting[]

  constructor(ports: Setting[]) {
    this.ports = ports
    this.out = ports.map(() => [])
    this.drops = ports.map(() => ({}))
  }

  private table(port: number): Map<string, { port: number; seen: number }> {
    const { network } = this.ports[port]
    const table = this.tables.get(network) ?? new Map()
    this.tables.set(network, table)
    return table
  }

  private drop(port: number, why: string): false {
    this.drops[port][why] = (this.drops[port][why] ?? 0) + 1
    return false
  }

  private learns(port: number, from: string, now: number): boolean {
    if (Number.parseInt(from.slice(0, 2), 16) % 2 === 1 || from === '00:00:00:00:00:00')
      return this.drop(port, 'bad_source')
    const table = this.table(port)
    const known = table.get(from)
    const used = [...table.values()].filter((entry) => entry.port === port).length
    const { macLimit } = this.ports[port]
    if (known?.port !== port && macLimit > 0 && used >= macLimit) return this.drop(port, 'mac_limit')
    table.set(from, { port, seen: now })
    return true
  }

  private reaches(from: number, to: number): boolean {
    const [a, b] = [this.ports[from], this.ports[to]]
    return a.network === b.network && (!a.isolated || b.gateway) && (!b.isolated || a.gateway)
  }

  private forward(port: number, { to, frame }: Sent, now: number): void {
    const known = this.table(port).get(to)
    const text = hex([frame])[0]
    if (known && now - known.seen <= AGEING) {
      if (known.port === port) this.drop(port, 'same_port')
      else if (!this.reaches(port, known.port)) this.drop(port, 'isolated')
      else this.out[known.port].push(text)
      return
    }
    if (/^01:80:c2:00:00:0/.test(to)) {
      this.drop(port, 'reserved_multicast')
      return
    }
    const targets = this.ports
      .map((_, index) => index)
      .filter((index) => index !== port && this.reaches(port, index))
    for (const index of targets) this.out[index].push(text)
    if (targets.length === 0) this.drop(port, 'no_destination')
  }

  /** Sources first, then destinations: that is what a burst is. */
  burst(port: number, frames: Sent[], now: number): void {
    const good = frames.filter(({ from }) => this.learns(port, from, now))
    for (const sent of good) this.forward(port, sent, now)
  }
}

const stations = [
  '02:00:00:00:00:01',
  '02:00:00:00:00:02',
  '02:00:00:00:00:03',
  '52:54:00:00:00:01',
  '00:00:00:00:00:01',
]
const odd = [
  '00:00:00:00:00:00',
  'ff:ff:ff:ff:ff:ff',
  '01:00:5e:00:00:01',
  '01:00:00:00:00:01',
  '01:80:c2:00:00:0e',
  '01:80:c2:00:00:10',
]
const from = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...stations) },
  { weight: 1, arbitrary: fc.constantFrom(...odd) },
)
const to = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...stations) },
  { weight: 1, arbitrary: fc.constantFrom(...odd) },
)
const setting = (limits: fc.Arbitrary<number>) =>
  fc.record({
    network: fc.constantFrom(1, 1, 2),
    isolated: fc.boolean(),
    gateway: fc.boolean(),
    macLimit: limits,
  })
const step = (ms: fc.Arbitrary<number>) =>
  fc.record({
    port: fc.nat(3),
    ms,
    frames: fc.array(fc.record({ to, from }), { minLength: 1, maxLength: 12 }),
  })

interface Case {
  ports: Setting[]
  steps: { port: number; ms: number; frames: { to: string; from: string }[] }[]
}

function play({ ports, steps }: Case): void {
  const rig = new Rig({ networks: [{ ageingMs: AGEING }, { ageingMs: AGEING }], ports })
  rig.close()
  const model = new Model(ports)
  let number = 0
  for (const { port, ms, frames } of steps) {
    rig.time += ms
    // A burst whose stations send to each other may be decided either way when one of them is on the move.
    const sources = new Set(frames.map(({ from }) => from))
    const sent = frames.map(({ to, from }) => {
      const target = sources.has(to) ? broadcast : to
      return { to: target, from, frame: numbered(target, from, number++) }
    })
    rig.send(port, ...sent.map(({ frame }) => frame))
    model.burst(port, sent, rig.time)
  }
  expect(ports.map((_, index) => rig.drops(index))).toEqual(model.drops)
  // Floods leave in the order of the burst; frames to one port stay in order.
  expect(ports.map((_, index) => hex(rig.taken(index).map(({ frame }) => frame)))).toEqual(model.out)
  expect(rig.pool.free).toBe(rig.pool.count)
}

const cases = (limits: fc.Arbitrary<number>, ms: fc.Arbitrary<number>): fc.Arbitrary<Case> =>
  fc.record({
    ports: fc.array(setting(limits), { minLength: 4, maxLength: 4 }),
    steps: fc.array(step(ms), { maxLength: 40 }),
  })

it('forwards as the model does while stations age', () => {
  fc.assert(fc.property(cases(fc.constant(0), fc.constantFrom(0, 0, 1, 999, 2001)), play), { numRuns: 120 })
})

it('forwards as the model does with MAC limits', () => {
  fc.assert(fc.property(cases(fc.nat(2), fc.constant(0)), play), { numRuns: 120 })
})
