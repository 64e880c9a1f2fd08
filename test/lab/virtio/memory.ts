/** A guest's memory as a front-end shares it: memfds at guest addresses of the test's choice, and an allocator for what a driver puts there. */
import { ftruncateSync } from 'node:fs'
import { native } from '../../../src/memory/native.ts'

/** Where a region begins in the guest's eyes, and in its file. */
export interface Span {
  guest: bigint
  length: number
  offset?: number
}

/** A part of the guest's memory. */
export interface Piece {
  address: bigint
  length: number
}

/** what the memfds are called, in /proc/PID/maps too */
export const GUEST = 'bridgeport-test-guest'
/** Smallest allocation: a descriptor's size and alignment (virtio 1.2, 2.7). */
const GRAIN = 16
/** Front-ends have their memory anywhere; no two regions are at the same distance here, so that mixed up addresses show. */
const USER = 0x5500_0000_0000n
const DISTANCE = 0x10_0000_1000n

export class Region {
  readonly fd: number
  readonly guest: bigint
  readonly user: bigint
  readonly length: number
  readonly offset: number
  /** what lies in the region; nobody may touch what was taken away by `shrink` */
  readonly bytes: Uint8Array
  #vacant = 0
  /** offsets of freed pieces by size */
  readonly #freed = new Map<number, number[]>()

  constructor({ guest, length, offset = 0 }: Span, number: number) {
    this.fd = native.memoryCreate(GUEST, offset + length)
    this.guest = guest
    this.user = USER + BigInt(number) * DISTANCE
    this.length = length
    this.offset = offset
    this.bytes = new Uint8Array(native.arenaMap(this.fd, offset + length), offset, length)
  }

  /** Takes a power of two bytes that hold `length`, aligned to as many up to a page; -1 if the region is full. */
  allocate(length: number): number {
    const size = sizeOf(length)
    const freed = this.#freed.get(size)?.pop()
    if (freed !== undefined) return freed
    const align = Math.min(size, 4096)
    const at = Math.ceil(this.#vacant / align) * align
    if (at + size > this.length) return -1
    this.#vacant = at + size
    return at
  }

  free(at: number, length: number): void {
    const size = sizeOf(length)
    const freed = this.#freed.get(size)
    if (freed) freed.push(at)
    else this.#freed.set(size, [at])
  }

  /** Takes away all of the file behind `length` bytes of the region. */
  shrink(length: number): void {
    ftruncateSync(this.fd, this.offset + length)
  }
}

function sizeOf(length: number): number {
  return Math.max(GRAIN, 2 ** Math.ceil(Math.log2(Math.max(1, length))))
}

export class Memory {
  readonly regions: Region[] = []

  /** Without spans: 32 MiB at address 0. */
  constructor(spans: Span[] = [{ guest: 0n, length: 32 * 2 ** 20 }]) {
    for (const span of spans) this.add(span)
  }

  add(span: Span): Region {
    const region = new Region(span, this.regions.length)
    this.regions.push(region)
    return region
  }

  /** Takes `length` bytes; without a region, wherever they fit. */
  allocate(length: number, region?: Region): Piece {
    for (const each of region ? [region] : this.regions) {
      const at = each.allocate(length)
      if (at >= 0) return { address: each.guest + BigInt(at), length }
    }
    throw new Error(`no ${length} bytes left in the guest's memory`)
  }

  free({ address, length }: Piece): void {
    const region = this.regionOf(address, length)
    region.free(Number(address - region.guest), length)
  }

  /** The bytes of a piece, which lies in one region. */
  bytes({ address, length }: Piece): Uint8Array {
    const region = this.regionOf(address, length)
    const at = Number(address - region.guest)
    return region.bytes.subarray(at, at + length)
  }

  /** The front-end's own address of a guest address. */
  user(address: bigint): bigint {
    const region = this.regionOf(address, 1)
    return address - region.guest + region.user
  }

  close(): void {
    for (const { fd } of this.regions) native.descriptorClose(fd)
    this.regions.length = 0
  }

  private regionOf(address: bigint, length: number): Region {
    const end = address + BigInt(length)
    const region = this.regions.find(
      (each) => address >= each.guest && end <= each.guest + BigInt(each.length),
    )
    if (!region) throw new Error(`0x${address.toString(16)} is not in the guest's memory`)
    return region
  }
}
