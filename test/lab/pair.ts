/**
 * Two workers' dataplanes over one arena, run by turns in the test's own thread: what crosses between them, crosses when the test
 * says so. Four ports in one network, the even ones worker 0's.
 */
import { expect } from 'vitest'
import { Arena } from '../../src/memory/arena.ts'
import { block, DROPS, rowOf } from '../../src/memory/counters.ts'
import * as doorbell from '../../src/memory/doorbell.ts'
import { Pool, STRIDE } from '../../src/memory/pool.ts'
import { Crossing } from '../../src/pipeline/crossing.ts'
import { Dataplane } from '../../src/pipeline/dataplane.ts'
import * as layout from '../../src/pipeline/layout.ts'
import type { NetworkProgram, PortProgram } from '../../src/pipeline/program.ts'
import { REASONS } from '../../src/pipeline/reason.ts'
import { Swap } from '../../src/pipeline/swap.ts'
import { lengthOf } from '../../src/table/mac.ts'
import { broadcast, numbered, numberOf, station } from './frame.ts'
import { type Fed, Feed, portProgram } from './rig.ts'

/** More than a ring onward holds. */
const FRAMES = 1300
const PORTS = 4
/** The longest test needs fewer than a hundred. */
const TURNS_MAX = 10_000

interface Side {
  pool: Pool
  counters: Float64Array
  dataplane: Dataplane
  swap: Swap
}

export class Pair {
  private readonly sides: Side[]
  private readonly feeds: Feed[]
  private readonly network: NetworkProgram
  private programs: PortProgram[]

  /** `bridge` is the worker that has the network. */
  constructor(bridge: number, { frames = FRAMES, offloads = [31, 31, 31, 31] } = {}) {
    const arena = Arena.create(2 * frames * STRIDE + 64 * 2 ** 20)
    const poolAt = arena.allocate('pool', 2 * frames * STRIDE).at
    const bellsAt = arena.allocate('doorbells', 2 * doorbell.WORDS * 4).at
    const bells = [0, 1].map((w) => new doorbell.Doorbell(arena, bellsAt + w * doorbell.WORDS * 4, -1))
    this.sides = [0, 1].map((worker) => {
      const places = layout.worker(arena, worker, frames)
      const counters = block(arena, worker)
      const pool = new Pool(arena, poolAt, places.stackAt, worker * frames, frames)
      const rings = layout.rings(arena, worker, 2, frames)
      const crossing = new Crossing(arena, pool, frames, rings, bells)
      const dataplane = new Dataplane(arena, pool, counters, crossing, places, worker)
      return { pool, counters, dataplane, swap: new Swap(arena, pool, places, dataplane, counters, worker) }
    })
    const macsAt = arena.allocate('mac/1', lengthOf(1024)).at
    arena.close()
    this.network = {
      index: 1,
      worker: bridge,
      mtu: 9000,
      macsAt,
      macCapacity: 1024,
      ageingMs: 300_000,
      filterBridged: false,
      link: null,
      fixed: [],
    }
    // The queues are made by hand below; the kind says only that native has them.
    this.programs = offloads.map((granted, index) => ({
      ...portProgram({ offloads: granted, mtu: 9000 }, index),
      queues: [{ worker: index % 2, kind: 0, fd: -1, memoryAt: -1 }],
    }))
    this.feeds = this.programs.map(({ index }) => new Feed(arena, this.sides[index % 2].pool))
    this.apply()
  }

  private apply(): void {
    for (const [worker, { swap, dataplane }] of this.sides.entries()) {
      swap.run({ networks: [this.network], ports: this.programs, gateway: null }, 1000)
      for (const { index } of this.programs)
        if (index % 2 === worker) dataplane.ports[index].queue = this.feeds[index]
      dataplane.tick(1000)
    }
  }

  /** Makes every station known behind its port. */
  teach(): void {
    for (let index = 0; index < PORTS; index++) this.send(index, numbered(broadcast, station(index), 0))
    for (let index = 0; index < PORTS; index++) this.taken(index)
  }

  remove(index: number): void {
    this.programs = this.programs.filter((program) => program.index !== index)
    this.apply()
  }

  queue(index: number, ...frames: (Uint8Array | Fed)[]): void {
    this.feeds[index].fed.push(...frames.map((frame) => (frame instanceof Uint8Array ? { frame } : frame)))
  }

  /** One worker's turn: all its queues until nothing more comes of it, then what the other sent. */
  run(worker: number): number {
    const { dataplane } = this.sides[worker]
    let moved = 0
    for (const { index } of this.programs) {
      if (index % 2 !== worker) continue
      for (let count = 1; count > 0 && !this.feeds[index].quiet; moved += count)
        count = dataplane.service(dataplane.ports[index], this.feeds[index])
    }
    return moved + dataplane.arrivals()
  }

  /** Turns until nothing moves: twice, because a turn without frames may have been the one that got frames back. */
  settle(): void {
    for (let idle = 0, turns = 0; idle < 2; turns++) {
      idle = this.run(0) + this.run(1) > 0 ? 0 : idle + 1
      if (turns === TURNS_MAX) throw new Error('frames go round for ever')
    }
  }

  send(index: number, ...frames: (Uint8Array | Fed)[]): void {
    this.queue(index, ...frames)
    this.settle()
  }

  waiting(index: number): number {
    return this.feeds[index].fed.length
  }

  taken(index: number): Uint8Array[] {
    return this.feeds[index].sent.splice(0).map(({ frame }) => frame)
  }

  numbers(index: number): number[] {
    return this.taken(index).map(numberOf)
  }

  /** A port's drops, summed over the workers. */
  drops(index: number): Record<string, number> {
    const count = (number: number) =>
      this.sides.reduce((sum, { counters }) => sum + counters[rowOf(index) + DROPS + number], 0)
    return Object.fromEntries(
      REASONS.map(({ name }, number) => [name, count(number)]).filter(([, n]) => n !== 0),
    )
  }

  /** Every frame of both workers is in its pool. */
  expectWhole(): void {
    this.settle()
    expect(this.sides.map(({ pool }) => pool.free)).toEqual(this.sides.map(({ pool }) => pool.count))
    for (const { pool } of this.sides) {
      const all = Array.from({ length: pool.count }, () => pool.take())
      expect(new Set(all).size).toBe(pool.count)
      expect(all.every((frame) => pool.owns(frame))).toBe(true)
      for (const frame of all) pool.give(frame)
    }
  }
}
