/** Rings as no driver writes them: descriptors, heads and indices at random, most of them good in a tame state, anything anywhere in a wild one. */
import type { FrontProgram, RingProgram } from '../../../src/vhost/front.ts'
import type { Random } from '../random.ts'
import type { Expanse } from './expanse.ts'
import type { Chain } from './reading.ts'
import { INDIRECT, NEXT, WRITE } from './ring.ts'

/** Descriptors that a state writes; heads name these most of the time. */
const WRITTEN = 12
/** In a tame state the areas lie before this offset of the first tract, and buffers behind it. */
const AREAS = 0x4000
const SIZES = [1, 2, 4, 8, 16, 32, 64, 256]
/** Bytes of buffers: around the header, usual frames, the longest of all, words with the sign bit. */
const LENGTHS = [0, 1, 2, 9, 10, 11, 12, 13, 60, 72, 110, 1526, 4096, 65_557, 65_568, 65_569, 65_570, 100_000]
const HUGE = [0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff]

/** Where the areas of a ring lie in the file. */
export interface Areas {
  size: number
  descriptors: number
  avail: number
  used: number
}

export class Wilds {
  readonly expanse: Expanse
  readonly random: Random
  tame = true
  header = 12
  mergeable = true
  receive!: Areas
  transmit!: Areas
  private generation = 0

  constructor(expanse: Expanse, random: Random) {
    this.expanse = expanse
    this.random = random
  }

  /** Another guest in the same memory: other features, sizes, places and indices. */
  front(): FrontProgram {
    const { random, expanse } = this
    this.tame = !random.once(4)
    this.mergeable = random.once(2)
    this.header = this.mergeable || random.once(2) ? 12 : 10
    const [receive, transmit] = [this.ring(0), this.ring(0x2000)]
    this.receive = this.areas(receive)
    this.transmit = this.areas(transmit)
    const { header: headerLength, mergeable } = this
    const eventIndex = random.once(2)
    return { table: expanse.table, headerLength, mergeable, eventIndex, pairs: [{ receive, transmit }] }
  }

  /** A ring at an offset of the first tract, or anywhere. */
  private ring(at: number): RingProgram {
    const { random } = this
    const size = random.of(SIZES)
    const place = (offset: number, length: number, align: number) => {
      const tract = this.tame ? this.expanse.tracts[0] : random.of(this.expanse.tracts)
      const last = Math.floor((tract.length - length) / align)
      return tract.user + BigInt(this.tame ? at + offset : random.below(last + 1) * align)
    }
    const areas = {
      descriptors: place(0, 16 * size, 16),
      avail: place(0x1000, 6 + 2 * size, 2),
      used: place(0x1400, 6 + 8 * size, 4),
    }
    const base = random.once(3) ? 65_536 - random.below(4) - 1 : random.below(65_536)
    return {
      generation: ++this.generation,
      size,
      ...areas,
      base,
      kick: -1,
      call: -1,
      enabled: !random.once(50),
    }
  }

  private areas({ size, descriptors, avail, used }: RingProgram): Areas {
    const at = (user: bigint) => {
      const tract = this.expanse.tracts.find(
        (each) => user >= each.user && user < each.user + BigInt(each.length),
      )!
      return tract.at + Number(user - tract.user)
    }
    return { size, descriptors: at(descriptors), avail: at(avail), used: at(used) }
  }

  /** True if a part of a chain is in the areas of a tame state: what is there while a burst is served cannot be told beforehand. */
  touches({ pairs, table }: Chain): boolean {
    const { at } = this.expanse.tracts[0]
    const isIn = (offset: number, i: number, all: number[]) =>
      i % 2 === 0 && offset < at + AREAS && offset + all[i + 1] > at
    return pairs.some(isIn) || table.some(isIn)
  }

  /** Writes descriptors of a direction and offers some of them from entry `next` on; returns how many entries wait. */
  offer(ring: Areas, direction: number, next: number): number {
    const { random, expanse } = this
    const { view } = expanse
    const written = Math.min(WRITTEN, ring.size)
    // A state is bad in few places, or in many.
    const rate = random.once(3) ? 4 : 40
    for (let i = 0; i < written; i++) this.describe(ring.descriptors + 16 * i, i, ring.size, direction, rate)
    const most = Math.min(ring.size, 8)
    const count = random.once(4 * rate) ? random.below(65_536) : random.below(most + 1)
    for (let i = 0; i < Math.min(count, most); i++) {
      const head = random.once(4 * rate) ? random.below(65_536) : random.below(written)
      view.setUint16(ring.avail + 4 + 2 * ((next + i) & (ring.size - 1)), head, true)
    }
    view.setUint16(ring.avail, random.below(2), true)
    view.setUint16(ring.avail + 4 + 2 * ring.size, random.below(65_536), true)
    view.setUint16(ring.avail + 2, next + count, true)
    return count
  }

  /** A descriptor of the ring, or one of an indirect table of `count`. */
  private describe(
    at: number,
    index: number,
    count: number,
    direction: number,
    rate: number,
    depth = 0,
  ): void {
    const { random, expanse } = this
    const { view } = expanse
    let flags = direction
    let length = random.once(3) ? random.below(2000) : random.of(LENGTHS)
    if (random.once(rate)) flags ^= WRITE
    if (random.once(rate)) length = random.of(HUGE)
    if (random.once(4)) flags |= NEXT
    const next = random.once(rate)
      ? random.below(65_536)
      : index + 1 < count
        ? index + 1
        : random.below(count)
    if (random.once(rate)) flags |= random.below(65_536) & ~(NEXT | WRITE | INDIRECT)
    this.address(at, rate)
    if (depth === 0 ? random.once(6) : random.once(2 * rate)) {
      flags = (flags & ~NEXT) | INDIRECT | (random.once(rate) ? NEXT : 0)
      const entries = 1 + random.below(4)
      length = 16 * entries
      if (random.once(rate)) length = random.of([0, 8, 17, 16 * 1024, 16 * 1025, 0xfffffff0])
      this.table(at, entries, direction, rate)
    }
    view.setUint32(at + 8, length, true)
    view.setUint16(at + 12, flags, true)
    view.setUint16(at + 14, next, true)
  }

  /** Writes an indirect table where the descriptor at an offset of the file says, if that is in the memory. */
  private table(at: number, entries: number, direction: number, rate: number): void {
    const { view } = this.expanse
    const pairs: number[] = []
    const [low, high] = [view.getUint32(at, true), view.getUint32(at + 4, true)]
    if (!this.expanse.resolve(high, low, 16 * entries, pairs) || pairs.length > 2) return
    for (let i = 0; i < entries; i++) this.describe(pairs[0] + 16 * i, i, entries, direction, rate, 1)
  }

  /** An address: inside, at an edge, at the seam of neighbours, nowhere. */
  private address(at: number, rate: number): void {
    const { random, expanse } = this
    const tract = random.of(expanse.tracts)
    let { high, low } = tract
    const floor = tract === expanse.tracts[0] ? AREAS : 0
    low += floor + random.below(tract.length - floor)
    if (random.once(8)) {
      // Over the seam of the first two, which is no edge.
      ;({ high, low } = expanse.tracts[1])
      low -= random.below(64)
      if (low < 0) {
        low += 2 ** 32
        high--
      }
    }
    if (random.once(rate)) low = (tract.low + tract.length - random.below(3)) >>> 0
    if (random.once(rate)) high = random.once(2) ? (high + 1) >>> 0 : random.word()
    if (random.once(rate)) low = random.once(2) ? random.word() : 0xffffffff - random.below(16)
    expanse.view.setUint32(at, low, true)
    expanse.view.setUint32(at + 4, high, true)
  }
}
