/** The switch's side of a pair of virtqueues by itself: a queue in the test's thread, seated upon a driver's rings and memory. */
import { native } from '../../../src/memory/native.ts'
import { LINE, NEXT_RECEIVE, NEXT_TRANSMIT, type RingProgram } from '../../../src/vhost/front.ts'
import { LENGTH } from '../../../src/vhost/layout.ts'
import { VhostQueue } from '../../../src/vhost/queue.ts'
import { Desk } from '../desk.ts'
import type { Fed, Sent } from '../rig.ts'
import * as feature from './feature.ts'
import type { Memory } from './memory.ts'
import type { Lane, Pair } from './pair.ts'

/** What a test changes of how a pair is seated. */
export interface Seating {
  receive?: Partial<RingProgram> | null
  transmit?: Partial<RingProgram> | null
}

/** One for all tests of a file: its pool is 9 MiB. */
const desk = new Desk()
let generation = 0

export class Berth {
  readonly queue: VhostQueue
  readonly pair: Pair
  readonly #line: number
  #table = -1
  #mappings: number[] = []

  constructor(pair: Pair, seating: Seating = {}) {
    this.pair = pair
    this.#line = desk.arena.allocate(`line/${++generation}`, LINE * 4).at
    const vringAt = desk.arena.allocate(`vring/${generation}`, LENGTH).at
    this.queue = new VhostQueue(desk.arena, desk.pool, this.#line, vringAt)
    this.seat(seating)
  }

  /** Maps the driver's memory anew and gives its rings to the queue. */
  seat({ receive = {}, transmit = {} }: Seating = {}): void {
    const { memory, features, receiver, transmitter } = this.pair
    const [table, mappings] = [this.#table, this.#mappings]
    this.#map(memory)
    this.queue.seat(
      {
        table: this.#table,
        headerLength: this.pair.header,
        mergeable: (features & feature.MRG_RXBUF) !== 0n,
        eventIndex: (features & feature.EVENT_IDX) !== 0n,
        pairs: [
          {
            receive: receive && { ...ring(receiver), ...receive },
            transmit: transmit && { ...ring(transmitter), ...transmit },
          },
        ],
      },
      0,
    )
    release(table, mappings)
  }

  #map(memory: Memory): void {
    this.#mappings = memory.regions.map((each) =>
      native.guestMap(each.fd, BigInt(each.offset), BigInt(each.length)),
    )
    const regions = memory.regions.map(({ guest, user, length }, i) => {
      return { mapping: this.#mappings[i], guest, user, length: BigInt(length), offset: 0n }
    })
    this.#table = native.guestTable(regions)
  }

  /** Takes everything away from the queue, as GET_VRING_BASE and the end of a front-end do. */
  unseat(): void {
    this.queue.seat(null, 0)
    release(this.#table, this.#mappings)
    this.#table = -1
    this.#mappings = []
  }

  /** Where avail goes on: the ring that the guest receives from, and the one that it transmits on. */
  get next(): number[] {
    return [NEXT_RECEIVE, NEXT_TRANSMIT].map((word) => desk.arena.i32[(this.#line >> 2) + word])
  }

  /** What the guest transmits, one burst. */
  receive(capacity?: number): Sent[] {
    const got = desk.receive(this.queue, capacity)
    if (typeof got === 'number') throw new Error(`fault ${this.queue.fault}`)
    return got
  }

  /** The same until the ring is empty. */
  drain(): Sent[] {
    const all: Sent[] = []
    for (let got = this.receive(); got.length > 0; got = this.receive()) all.push(...got)
    return all
  }

  transmit(...frames: (Uint8Array | Fed)[]): { taken: number; errors: number[] } {
    return desk.transmit(this.queue, ...frames)
  }

  /** No frame was lost or kept. */
  get whole(): boolean {
    return desk.pool.free === desk.pool.count
  }
}

function release(table: number, mappings: number[]): void {
  if (table >= 0) native.guestFree(table)
  for (const mapping of mappings) native.guestUnmap(mapping)
}

function ring({ ring, kick, call }: Lane): RingProgram {
  const [descriptors, avail, used] = [ring.descriptors, ring.avail, ring.used].map(({ address }) =>
    ring.memory.user(address),
  )
  const areas = { descriptors, avail, used }
  return { generation: ++generation, size: ring.size, ...areas, base: ring.seen, kick, call, enabled: true }
}
