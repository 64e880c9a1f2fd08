/** A flow table full of connections that nobody had: values from small pools, so that a search finds some of them and not all. */
import type { FlowSource } from '../../src/control/flows.ts'
import { Arena } from '../../src/memory/arena.ts'
import { BYTES, FlowTable, lengthOf, NETWORKS, PACKETS, STATE, STATUS, WORDS } from '../../src/table/flow.ts'
import { Random } from './random.ts'

export const POOLS = {
  hosts: [10, 11, 12, 13].map((host) => (10 << 24) | (2 << 8) | host),
  outside: [1, 2, 3].map((host) => (198 << 24) | (51 << 16) | (100 << 8) | host),
  ports: [22, 53, 80, 443, 5353, 40_000, 65_535],
  protocols: [1, 6, 17, 47, 50, 132],
  networks: ['lan', 'lab', 'lan-uplink', 'lab-uplink'],
}

export class Crowd {
  readonly table: FlowTable
  readonly source: FlowSource
  private readonly floats: Float64Array

  constructor(capacity: number) {
    const arena = Arena.create(lengthOf(capacity) + 2 ** 20)
    const { at } = arena.allocate('flows', lengthOf(capacity))
    this.table = new FlowTable(arena, at, capacity)
    const { words } = this.table
    this.floats = new Float64Array(words.buffer, words.byteOffset, words.length / 2)
    this.source = { arena, at, capacity, nowMs: 0, networkOf: (port) => POOLS.networks[port] }
  }

  /** So many connections of every kind. */
  gather(count: number, seed: number): this {
    const random = new Random(seed)
    for (let n = 0; n < count; n++) {
      const [from, to] = [random.of(POOLS.hosts), random.of(POOLS.outside)]
      const ports = (random.of(POOLS.ports) << 16) | random.of(POOLS.ports)
      const flow = this.add(from, to, ports, random.of(POOLS.protocols), random.of(POOLS.outside))
      if (flow <= 0) continue // of the same key
      const f = flow * WORDS
      this.table.words[f + STATE] = random.below(10)
      this.table.words[f + STATUS] |= random.below(8) << 16 // among them SEEN_REPLY and ASSURED
      const network = random.below(2)
      this.table.words[f + NETWORKS] = (network << 16) | (network + 2)
      this.pass(flow, random.below(1000), random.below(9))
    }
    return this
  }

  /** One that is translated to `outside`; returns its number. */
  add(from: number, to: number, ports: number, protocol: number, outside: number): number {
    const reply = (ports << 16) | (ports >>> 16)
    return this.table.create(from, to, ports, protocol, to, outside, reply, 1_000_000)
  }

  pass(flow: number, bytes: number, packets: number): void {
    this.floats[(flow * WORDS) / 2 + BYTES + (packets & 1)] += bytes
    this.table.words[flow * WORDS + PACKETS + (packets & 1)] += packets
  }
}
