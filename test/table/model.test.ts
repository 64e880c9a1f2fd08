import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { Arena } from '../../src/memory/arena.ts'
import { DYNAMIC, GATEWAY, HOST, lengthOf, MacTable, STATIC } from '../../src/table/mac.ts'
import { list } from '../../src/table/snapshot.ts'

const AGEING = 500
const PORTS = 4
const arena = Arena.create(2 ** 20)
afterAll(() => arena.close())

interface Entry {
  port: number
  kind: number
  seen: number
}

/** What the table is meant to be: a Map with a limit. */
class Model {
  readonly entries = new Map<string, Entry>()
  readonly capacity: number

  constructor(capacity: number) {
    this.capacity = capacity
  }

  remove(keep: (entry: Entry) => boolean): number {
    const gone = [...this.entries].filter(([, entry]) => !keep(entry))
    for (const [key] of gone) this.entries.delete(key)
    return gone.length
  }

  rows(): unknown[] {
    return [...this.entries].map(([key, { port, kind }]) => `${key} ${port} ${kind}`).sort()
  }
}

type Mac = [number, number]
const keyOf = ([high, low]: Mac) => `${high} ${low}`

/** Few stations, so that they meet; the ones with bits that a key could be mistaken for among them. */
const mac: fc.Arbitrary<Mac> = fc.tuple(
  fc.constantFrom(0, 1, 0x0100, 0x0200, 0xffff),
  fc.integer({ min: -3, max: 8 }),
)
const port = fc.nat(PORTS - 1)

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('learn' as const), mac, port }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('pin' as const),
      mac,
      port,
      kind: fc.constantFrom(STATIC, HOST, GATEWAY),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), mac }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('flush' as const),
      port: fc.integer({ min: -1, max: PORTS - 1 }),
      kind: fc.constantFrom(DYNAMIC, STATIC, GATEWAY),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat(400) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('attach' as const) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

class Run {
  macs: MacTable
  readonly model: Model
  readonly at: number
  now = 2 ** 31 - 1000

  constructor(capacity: number) {
    arena.free('mac')
    this.at = arena.allocate('mac', lengthOf(capacity)).at
    this.macs = this.attach(capacity)
    this.model = new Model(capacity)
  }

  private attach(capacity: number): MacTable {
    return new MacTable(arena, this.at, capacity, AGEING, PORTS)
  }

  private insert(mac: Mac, port: number, kind: number): void {
    const { macs, model } = this
    const fits = model.entries.size < model.capacity
    expect(macs.insert(...mac, port, kind, this.now | 0) >= 0).toBe(fits)
    if (fits) model.entries.set(keyOf(mac), { port, kind, seen: this.now })
  }

  private learn(mac: Mac, port: number): void {
    const known = this.model.entries.get(keyOf(mac))
    const entry = this.macs.find(...mac)
    expect(entry >= 0).toBe(known !== undefined)
    if (!known) {
      this.insert(mac, port, DYNAMIC)
      return
    }
    if (known.port === port) this.macs.touch(entry, this.now | 0)
    else this.macs.move(entry, port, this.now | 0)
    Object.assign(known, { port, seen: this.now })
  }

  take(step: Step): void {
    const { macs, model, now } = this
    if (step.do === 'learn') this.learn(step.mac, step.port)
    else if (step.do === 'pin' && !model.entries.has(keyOf(step.mac)))
      this.insert(step.mac, step.port, step.kind)
    else if (step.do === 'remove' && model.entries.delete(keyOf(step.mac)))
      macs.remove(macs.find(...step.mac))
    else if (step.do === 'flush') {
      const keep = (entry: Entry) => entry.kind > step.kind || (step.port >= 0 && entry.port !== step.port)
      expect(macs.flush(step.port, step.kind)).toBe(model.remove(keep))
    } else if (step.do === 'pass') this.now += step.ms
    else if (step.do === 'sweep') {
      macs.sweep(macs.places, now | 0)
      model.remove((entry) => entry.kind !== DYNAMIC || now - entry.seen <= AGEING)
    } else if (step.do === 'attach') this.macs = this.attach(model.capacity)
  }

  compare(): void {
    const { macs, model } = this
    const found: string[] = []
    const perPort = new Array(PORTS).fill(0)
    macs.each((entry, kind) => {
      if (kind === DYNAMIC) perPort[macs.port(entry)]++
    })
    for (const { high, low, port, kind } of list(arena, this.at, model.capacity, this.now | 0, 2 ** 30)) {
      found.push(`${high} ${low} ${port} ${kind}`)
      expect(macs.port(macs.find(high, low))).toBe(port)
    }
    expect(found.sort()).toEqual(model.rows())
    expect(macs.count).toBe(model.entries.size)
    expect([...macs.perPort]).toEqual(perPort)
  }
}

it('is a Map with a limit, whatever is done to it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(step, { maxLength: 120 }), (capacity, steps) => {
      const run = new Run(capacity)
      for (const each of steps) {
        run.take(each)
        run.compare()
      }
    }),
    { numRuns: 150 },
  )
})
