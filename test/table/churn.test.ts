/** The flow table against a Map, whatever is done to it; and after its writer died between two stores. */
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { Arena } from '../../src/memory/arena.ts'
import {
  ASSURED,
  CLASH,
  CLOSING,
  CONFIRMED,
  DEADLINE,
  FlowTable,
  FULL,
  lengthOf,
  REPLY,
  STATUS,
  WORDS,
} from '../../src/table/flow.ts'

const arena = Arena.create(2 ** 21)
afterAll(() => arena.close())

function attach(capacity: number, isNew: boolean): FlowTable {
  if (isNew) arena.free('flows')
  return new FlowTable(arena, arena.allocate('flows', lengthOf(capacity)).at, capacity)
}

/** A key as text, and as the four numbers that `find` takes. */
type Key = [number, number, number, number]

interface Live {
  flow: number
  keys: [string, string]
  deadline: number
  evictable: boolean
}

/** What the table is meant to be: keys that lead to flows, two each. */
class Model {
  readonly keys = new Map<string, number>()
  readonly flows = new Map<number, Live>()

  add(live: Live): void {
    this.flows.set(live.flow, live)
    for (const direction of [0, 1]) this.keys.set(live.keys[direction], (live.flow << 1) | direction)
  }

  remove(flow: number): void {
    for (const key of this.flows.get(flow)?.keys ?? []) this.keys.delete(key)
    this.flows.delete(flow)
  }
}

/** Few addresses and ports, so that keys meet; the corners of int32 among them. */
const address = fc.constantFrom(0, 1, 2, -1, -(2 ** 31), 2 ** 31 - 1)
const ports = fc.constantFrom(0, 1, 0x10000, -1)
const kind = fc.constantFrom(6, 17, 17 | 0x100, 0, 0xffff)
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('create' as const),
      ...{ kind, source: address, destination: address, ports },
      ...{ replySource: address, replyDestination: address, replyPorts: ports, ms: fc.nat(300) },
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('remove' as const), which: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('assure' as const), which: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), which: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat(200) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('expire' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('attach' as const) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
type Create = Extract<Step, { do: 'create' }>

class Run {
  flows: FlowTable
  readonly model = new Model()
  readonly capacity: number
  now = 2 ** 31 - 500

  constructor(capacity: number) {
    this.capacity = capacity
    this.flows = attach(capacity, true)
    this.hold()
  }

  /** Flows that end by themselves end in the model too. */
  private hold(): void {
    this.flows.holder = { release: (flow) => this.model.remove(flow) }
  }

  private create(step: Create): void {
    const { flows, model } = this
    const original: Key = [step.source, step.destination, step.ports, step.kind]
    const reply: Key = [step.replySource, step.replyDestination, step.replyPorts, step.kind]
    const keys: [string, string] = [original.join(), reply.join()]
    const before = [...model.flows.values()]
    const isFull = before.length === this.capacity
    const deadline = (this.now + step.ms) | 0
    const flow = flows.create(...original, ...(reply.slice(0, 3) as [number, number, number]), deadline)
    const gone = before.filter((live) => !model.flows.has(live.flow))
    // A full table gives up one flow at most, and none that is assured and goes on.
    expect(gone.length).toBe(isFull && before.some((live) => live.evictable) ? 1 : 0)
    expect(gone.every((live) => live.evictable)).toBe(true)
    if (isFull && gone.length === 0) expect(flow).toBe(FULL)
    else if (keys[0] === keys[1] || keys.some((key) => model.keys.has(key))) expect(flow).toBe(CLASH)
    else {
      expect(flow).toBeGreaterThan(0)
      model.add({ flow, keys, deadline, evictable: true })
    }
  }

  take(step: Step): void {
    const { flows, model } = this
    const chosen = 'which' in step ? [...model.flows.values()][step.which % model.flows.size] : undefined
    if (step.do === 'create') this.create(step)
    else if (step.do === 'remove' && chosen) flows.remove(chosen.flow)
    else if (step.do === 'assure' && chosen) {
      flows.words[chosen.flow * WORDS + STATUS] |= ASSURED
      chosen.evictable = (flows.words[chosen.flow * WORDS + STATUS] & CLOSING) !== 0
    } else if (step.do === 'close' && chosen) {
      flows.words[chosen.flow * WORDS + STATUS] |= CLOSING
      chosen.evictable = true
    } else if (step.do === 'pass') this.now += step.ms
    else if (step.do === 'expire') {
      const over = [...model.flows.values()].filter((live) => ((live.deadline - this.now) | 0) <= 0)
      expect(flows.expire(this.capacity, this.now | 0)).toBe(over.length)
      expect(over.every((live) => !model.flows.has(live.flow))).toBe(true)
    } else if (step.do === 'attach') {
      this.flows = attach(this.capacity, false)
      this.hold()
    }
  }

  compare(): void {
    const { flows, model } = this
    expect(flows.count).toBe(model.flows.size)
    expect(flows.index.filter((entry) => entry !== 0).length).toBe(2 * flows.count)
    for (const [key, id] of model.keys) expect(flows.find(...(key.split(',').map(Number) as Key))).toBe(id)
    for (let flow = 0; flow <= this.capacity; flow++) expect(flows.isLive(flow)).toBe(model.flows.has(flow))
  }
}

it('is a Map of two keys a flow with a limit', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.array(step, { maxLength: 100 }), (capacity, steps) => {
      const run = new Run(capacity)
      for (const each of steps) {
        run.take(each)
        run.compare()
      }
    }),
    { numRuns: 200 },
  )
})

describe('after a crash', () => {
  const key = (n: number): Key => [n, n + 100, 7, 17]
  const make = (flows: FlowTable, n: number) => flows.create(...key(n), n + 200, n + 300, 9, 1000)

  it('ignores a flow that was not confirmed, whatever of it was written', () => {
    const flows = attach(16, true)
    make(flows, 1)
    const second = make(flows, 2)
    // Both keys and both index entries stand, the last store is missing.
    flows.words[second * WORDS + STATUS] &= ~CONFIRMED
    const heir = attach(16, false)
    expect([heir.count, heir.find(...key(1)), heir.find(...key(2))]).toEqual([1, 2, -1])
    expect(make(heir, 2)).toBe(second)
    expect([heir.count, heir.find(...key(2))]).toEqual([2, 2 * second])
  })

  it('ignores a flow that had begun to end, and uses its place again', () => {
    const flows = attach(2, true)
    const first = make(flows, 1)
    make(flows, 2)
    flows.words[first * WORDS + STATUS] &= ~CONFIRMED
    const heir = attach(2, false)
    expect([heir.count, heir.find(...key(1)), heir.find(...key(2))]).toEqual([1, -1, 4])
    expect(make(heir, 3)).toBe(first)
    expect(heir.early).toBe(0)
  })

  it('finds everything again after the index was lost in any way', () => {
    for (const damage of [0, -1, 0x7fffffff]) {
      const flows = attach(16, true)
      for (let n = 1; n <= 16; n++) make(flows, n)
      flows.index.fill(damage)
      const heir = attach(16, false)
      for (let n = 1; n <= 16; n++) {
        expect(heir.find(...key(n))).toBe(2 * n)
        expect(heir.words[n * WORDS + REPLY]).toBe(n + 200)
        expect(heir.words[n * WORDS + DEADLINE]).toBe(1000)
      }
      for (let n = 1; n <= 16; n++) heir.remove(n)
      expect(heir.index.every((entry) => entry === 0)).toBe(true)
    }
  })
})
