/**
 * A guest's memory for random rings, as bytes of one file that is mapped once: regions at chosen guest addresses, each between canary
 * pages that nobody may write. Addresses are pairs of 32-bit halves: they reach up to 2^64 and cost less than BigInts.
 */
import { native } from '../../../src/memory/native.ts'

const PAGE = 4096
const CANARY = 0xa5
const canary = Buffer.alloc(2 * PAGE, CANARY)

export interface Tract {
  high: number
  low: number
  length: number
  /** offset in the file, and the front-end's own address */
  at: number
  user: bigint
}

/** Where the tracts of a kind of guest lie; the first two are neighbours for the guest. */
export const PLACES: readonly [high: number, low: number, length: number][][] = [
  [
    [0, 0, 0x10000],
    [0, 0x10000, 0xfff9],
    [5, 0x7001, 0x8000],
  ],
  // Neighbours on both sides of 4 GiB, and one that ends where the sign of an address changes.
  [
    [0, 0xffff0000, 0x10000],
    [1, 0, 0x10000],
    [0x7fffffff, 0xffff8000, 0x8000],
  ],
  // Up to the last address but one.
  [
    [0xffffffff, 0xfffe0000, 0x10000],
    [0xffffffff, 0xffff0000, 0xfffe],
    [0, 0, 0x8003],
  ],
]

export class Expanse {
  readonly tracts: Tract[] = []
  readonly bytes: Buffer
  readonly view: DataView
  readonly table: number
  private readonly mapping: number
  /** offset and length: from the end of a tract to the beginning of the next */
  private readonly guards: [number, number][] = []

  /** `order` is how the tracts follow each other in the file. */
  constructor(places: (typeof PLACES)[number], order: readonly number[]) {
    let end = 0
    for (const i of order) {
      const [high, low, length] = places[i]
      const at = Math.ceil(end / PAGE) * PAGE + PAGE
      this.guards.push([end, at - end])
      this.tracts[i] = { high, low, length, at, user: 0x5500_0000_0000n + (BigInt(i) << 36n) }
      end = at + length
    }
    const last = Math.ceil(end / PAGE) * PAGE + PAGE
    this.guards.push([end, last - end])
    const fd = native.memoryCreate('guest-test', last)
    this.bytes = Buffer.from(native.arenaMap(fd, last))
    this.view = new DataView(this.bytes.buffer)
    this.bytes.fill(CANARY)
    for (const { at, length } of this.tracts) this.bytes.fill(0, at, at + length)
    this.mapping = native.guestMap(fd, 0n, BigInt(last))
    native.descriptorClose(fd)
    this.table = native.guestTable(
      this.tracts.map(({ high, low, length, at, user }) => {
        const guest = (BigInt(high) << 32n) | BigInt(low)
        return { mapping: this.mapping, guest, user, length: BigInt(length), offset: BigInt(at) }
      }),
    )
  }

  /** True while nobody wrote outside the tracts. */
  get whole(): boolean {
    for (const [at, length] of this.guards)
      if (this.bytes.compare(canary, 0, length, at, at + length) !== 0) return false
    return true
  }

  /** Appends the (offset, length) pairs in the file of a range of guest addresses; false if part of it is nowhere. */
  resolve(high: number, low: number, length: number, pairs: number[]): boolean {
    for (let left = length; left > 0; ) {
      const tract = this.tractOf(high, low)
      if (tract === null) return false
      const at = low - tract.low
      const part = Math.min(left, tract.length - at)
      pairs.push(tract.at + at, part)
      left -= part
      low += part
      if (low >= 2 ** 32) {
        low -= 2 ** 32
        high = (high + 1) >>> 0
      }
    }
    return true
  }

  private tractOf(high: number, low: number): Tract | null {
    for (const tract of this.tracts)
      if (tract.high === high && low >= tract.low && low < tract.low + tract.length) return tract
    return null
  }

  close(): void {
    native.guestFree(this.table)
    native.guestUnmap(this.mapping)
  }
}
