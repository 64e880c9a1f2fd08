import { expect, it } from 'vitest'
import { Arena } from '../../src/memory/arena.ts'
import {
  ASSURED,
  BINDING,
  CLASH,
  CLOSING,
  DEADLINE,
  FlowTable,
  FULL,
  lengthOf,
  STATUS,
  WORDS,
} from '../../src/table/flow.ts'

const UDP = 17

function table(capacity: number): FlowTable {
  const arena = Arena.create(lengthOf(capacity) + 2 ** 20)
  const { at } = arena.allocate('flows', lengthOf(capacity))
  arena.close()
  return new FlowTable(arena, at, capacity)
}

/** Flow `n` of a guest behind one outside address. */
function create(flows: FlowTable, n: number, deadline = 1000): number {
  return flows.create(0x0a00020f, n, (n << 16) | 53, UDP, n, 0x64400002, (53 << 16) | (n & 0xffff), deadline)
}

function find(flows: FlowTable, n: number): number[] {
  const original = flows.find(0x0a00020f, n, (n << 16) | 53, UDP)
  return [original, flows.find(n, 0x64400002, (53 << 16) | (n & 0xffff), UDP)]
}

it('finds a flow by both of its keys, in its zone and protocol only', () => {
  const flows = table(8)
  const flow = create(flows, 7)
  expect(flow).toBe(1)
  expect(find(flows, 7)).toEqual([2, 3])
  expect(flows.find(0x0a00020f, 7, (7 << 16) | 53, 6)).toBe(-1)
  expect(flows.find(0x0a00020f, 7, (7 << 16) | 53, UDP | (1 << 8))).toBe(-1)
  expect(flows.words[flow * WORDS + BINDING]).toBe(-1)
  flows.remove(flow)
  expect([...find(flows, 7), flows.count]).toEqual([-1, -1, 0])
})

it('makes both keys or none', () => {
  const flows = table(8)
  create(flows, 7)
  // The original key is new, the reply key is the first flow's.
  expect(flows.create(1, 2, 3, UDP, 7, 0x64400002, (53 << 16) | 7, 0)).toBe(CLASH)
  expect(flows.find(1, 2, 3, UDP)).toBe(-1)
  // The original key is the first flow's reply key.
  expect(flows.create(7, 0x64400002, (53 << 16) | 7, UDP, 1, 2, 3, 0)).toBe(CLASH)
  // A packet that answers itself (the land attack) has one key.
  expect(flows.create(5, 5, (9 << 16) | 9, UDP, 5, 5, (9 << 16) | 9, 0)).toBe(CLASH)
  expect([flows.count, flows.index.filter((entry) => entry !== 0).length]).toEqual([1, 2])
})

it('lets the unanswered go first when it is full, then what is closing, and never the assured', () => {
  const flows = table(4)
  for (let n = 1; n <= 4; n++) create(flows, n)
  for (const n of [1, 2, 4]) flows.words[n * WORDS + STATUS] |= ASSURED
  expect(create(flows, 5)).toBe(3)
  expect([find(flows, 3), find(flows, 5)]).toEqual([
    [-1, -1],
    [6, 7],
  ])
  flows.words[3 * WORDS + STATUS] |= ASSURED
  expect(create(flows, 6)).toBe(FULL)
  flows.words[4 * WORDS + STATUS] |= CLOSING
  expect(create(flows, 6)).toBe(4)
  expect([flows.count, flows.early, flows.created]).toEqual([4, 2, 6])
})

it('ends flows at their deadline, a share at a time, across the clock wrap', () => {
  const flows = table(8)
  const wrap = 2 ** 31 - 10
  for (let n = 1; n <= 6; n++) create(flows, n, (wrap + n * 10) | 0)
  expect(flows.expire(8, wrap + 5)).toBe(0)
  expect(flows.expire(2, (wrap + 30) | 0)).toBe(2)
  expect(flows.expire(8, (wrap + 30) | 0)).toBe(1)
  expect([1, 2, 3, 4, 5, 6].map((n) => find(flows, n)[0] >= 0)).toEqual([
    false,
    false,
    false,
    true,
    true,
    true,
  ])
})

it('tells the holder of every flow that ends, while its words stand', () => {
  const flows = table(2)
  const ended: string[] = []
  const note = (flow: number) => ended.push(`${flow} ${flows.words[flow * WORDS + BINDING]}`)
  flows.holder = { release: note }
  create(flows, 1)
  create(flows, 2)
  flows.words[WORDS + BINDING] = 77
  flows.remove(1)
  create(flows, 3)
  create(flows, 4)
  flows.expire(2, 5000)
  expect(ended).toEqual(['1 77', '1 -1', '1 -1', '2 -1'])
})

it('guesses the flows of a burst', () => {
  const flows = table(1000)
  for (let n = 1; n <= 1000; n++) create(flows, n)
  const hashes = new Int32Array(64)
  const guesses = new Int32Array(64)
  let right = 0
  for (let from = 1; from + 64 <= 1000; from += 64) {
    for (let i = 0; i < 64; i++) hashes[i] = flows.hash(0x0a00020f, from + i, ((from + i) << 16) | 53, UDP)
    flows.ahead(hashes, guesses, 64)
    for (let i = 0; i < 64; i++) right += guesses[i] === find(flows, from + i)[0] ? 1 : 0
  }
  expect(right).toBeGreaterThan(780)
  hashes.fill(flows.hash(9, 9, 9, UDP))
  expect(flows.search(hashes[0], 9, 9, 9, UDP)).toBe(-1)
})

it('keeps its probes short however long flows come and go', () => {
  const flows = table(1024)
  let n = 1
  for (; n <= 1024; n++) create(flows, n)
  for (let turn = 0; turn < 200_000; turn++) {
    flows.remove(1 + ((turn * 7919) % 1024))
    expect(create(flows, n++)).toBeGreaterThan(0)
  }
  const taken = flows.index.filter((entry) => entry !== 0).length
  expect([flows.count, taken]).toEqual([1024, 2048])
})

it('holds a million flows in 145 MB', () => {
  const capacity = 1_000_000
  expect(lengthOf(capacity)).toBeLessThan(145.1e6)
  const flows = table(capacity)
  for (let n = 1; n <= capacity; n++) if (create(flows, n) < 0) throw new Error(`flow ${n}`)
  for (let n = 1; n <= capacity; n += 97) expect(find(flows, n)).toEqual([2 * n, 2 * n + 1])
  expect(create(flows, capacity + 1)).toBeGreaterThan(0)
  expect([flows.count, flows.early]).toEqual([capacity, 1])
  for (let n = 2; n <= 1000; n++) flows.words[n * WORDS + DEADLINE] = -5
  expect(flows.expire(capacity, 0)).toBe(999)
})
