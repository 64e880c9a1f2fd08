/** The flow table and TCP tracking by themselves. */
import { Tcp } from '../../src/gateway/tcp.ts'
import { timeouts } from '../../src/gateway/timeout.ts'
import { Arena } from '../../src/memory/arena.ts'
import * as chronicle from '../../src/table/chronicle.ts'
import { FlowTable, lengthOf } from '../../src/table/flow.ts'
import type { Case } from './case.ts'

const ROUNDS = 1024
const BURST = 64
const UDP = 17
const GUEST = 0x0a00020f
const OUTSIDE = 0xc000020a | 0
const REMOTE = 0xc6120000 | 0

function create(flows: FlowTable, n: number): number {
  const ports = (n << 16) | 53
  return flows.create(GUEST, REMOTE + n, ports, UDP, REMOTE + n, OUTSIDE, (53 << 16) | (n & 0xffff), 1000)
}

function table(capacity: number): FlowTable {
  const arena = Arena.create(lengthOf(capacity) + 2 ** 20)
  const flows = new FlowTable(arena, arena.allocate('flows', lengthOf(capacity)).at, capacity)
  arena.close()
  for (let n = 0; n < capacity; n++) create(flows, n)
  return flows
}

/** Looked up in an order that no prefetcher follows: the capacity is a power of two. */
function found(flows: FlowTable): Case {
  const { capacity } = flows
  let next = 0
  const run = () => {
    for (let i = 0; i < ROUNDS; i++) {
      const n = Math.imul(next++, 0x9e3779b1) & (capacity - 1)
      if (flows.find(GUEST, REMOTE + n, (n << 16) | 53, UDP) < 0) throw new Error(`flow ${n}`)
    }
  }
  return { name: `flow table: find, ${capacity} flows`, frames: ROUNDS, run }
}

/** The same by bursts: hashed, looked ahead, compared. */
function ahead(flows: FlowTable): Case {
  const { capacity } = flows
  const hashes = new Int32Array(BURST)
  const guesses = new Int32Array(BURST)
  let next = 0
  const run = () => {
    const { words } = flows
    for (let done = 0; done < ROUNDS; done += BURST) {
      for (let i = 0; i < BURST; i++) {
        const n = Math.imul(next + i, 0x9e3779b1) & (capacity - 1)
        hashes[i] = flows.hash(GUEST, REMOTE + n, (n << 16) | 53, UDP)
      }
      flows.ahead(hashes, guesses, BURST)
      for (let i = 0; i < BURST; i++) {
        const n = Math.imul(next + i, 0x9e3779b1) & (capacity - 1)
        const isIt = words[((guesses[i] >> 1) << 5) + 1] === REMOTE + n
        if (!isIt && flows.search(hashes[i], GUEST, REMOTE + n, (n << 16) | 53, UDP) < 0)
          throw new Error(`flow ${n}`)
      }
      next += BURST
    }
  }
  return { name: `flow table: find by bursts, ${capacity} flows`, frames: ROUNDS, run }
}

/** The oldest of a full table goes, a new one comes. Timed last: the flows are others afterwards. */
function churned(flows: FlowTable): Case {
  const { capacity } = flows
  let next = capacity
  const run = () => {
    for (let i = 0; i < ROUNDS; i++) {
      flows.remove(1 + (next % capacity))
      if (create(flows, next++) < 0) throw new Error(`flow ${next}`)
    }
  }
  return { name: `flow table: remove and create, ${capacity} flows`, frames: ROUNDS, run }
}

/** The same with both written down for the flow log, and read at once. */
function logged(capacity: number): Case {
  const arena = Arena.create(lengthOf(capacity) + chronicle.lengthOf() + 2 ** 20)
  const flows = new FlowTable(arena, arena.allocate('flows', lengthOf(capacity)).at, capacity)
  const { at } = arena.allocate('chronicle', chronicle.lengthOf())
  for (let n = 0; n < capacity; n++) create(flows, n)
  flows.chronicle = new chronicle.Chronicle(arena, at, arena.allocate('clock', 64).at, flows.words)
  const base = at >> 2
  let next = capacity
  const run = () => {
    for (let i = 0; i < ROUNDS; i++) {
      flows.remove(1 + (next % capacity))
      flows.chronicle?.begin(create(flows, next++))
    }
    Atomics.store(arena.i32, base + chronicle.TAIL, arena.i32[base + chronicle.HEAD])
  }
  return { name: `flow table: remove and create, ${capacity} flows, written down`, frames: ROUNDS, run }
}

/** Data one way and its acknowledgements back, inside the windows. */
function tracked(): Case {
  const arena = Arena.create(2 ** 22)
  const flows = new FlowTable(arena, arena.allocate('flows', lengthOf(1024)).at, 1024)
  const tcp = new Tcp(arena.view, flows, Int32Array.from(timeouts()))
  const { at } = arena.allocate('segment', 4096)
  const flow = create(flows, 1)
  const say = (flags: number, sequence: number, acknowledged: number, length: number) => {
    arena.view.setInt32(at + 4, sequence)
    arena.view.setInt32(at + 8, acknowledged)
    arena.view.setUint32(at + 12, (0x50 << 24) | (flags << 16) | 60_000)
    return at + 20 + length
  }
  tcp.open(flow, at, say(2, 999, 0, 0), 0)
  tcp.track(flow, 1, at, say(18, 4999, 1000, 0), 0)
  flows.words[flow * 32 + 3] |= 0x0002_0000
  tcp.track(flow, 0, at, say(16, 1000, 5000, 0), 0)
  let sequence = 1000
  const run = () => {
    for (let i = 0; i < ROUNDS / 2; i++) {
      const data = tcp.pass(flow, 0, at, say(16, sequence, 5000, 1448), 0)
      sequence = (sequence + 1448) | 0
      if (!data || !tcp.pass(flow, 1, at, say(16, 5000, sequence, 0), 0)) throw new Error('out of window')
    }
  }
  return { name: 'TCP: an ordinary segment', frames: ROUNDS, run }
}

export function tables(): Case[] {
  const small = table(1024)
  const large = table(1_048_576)
  return [found(small), found(large), ahead(large), churned(small), churned(large), logged(1024), tracked()]
}
