/**
 * A guest's memory as its front-end shares it: regions, each a mapping of its own, and the table that workers look addresses up in.
 * A table never changes. With every change there is a new one; the old one, and mappings that only it had, wait in `stale` until no worker
 * uses them any more.
 */
import type { Cold, NativeError } from '../memory/native.ts'
import type { Region } from './message.ts'
import { Violation } from './violation.ts'

/** What of native a session needs. */
export type Host = Pick<
  Cold,
  'guestMap' | 'guestUnmap' | 'guestTable' | 'guestFree' | 'guestView' | 'memoryCreate' | 'descriptorClose'
>

/** Slots that we offer: as many as KVM gives a guest beside its own. */
export const SLOTS = 509
/** Bytes that one guest may share, of the 128 TiB that a process can map. */
const LENGTH_MAX = 2n ** 44n
/** One more than the largest address, and than the largest offset in a file. */
const ADDRESSES = 2n ** 64n
const OFFSETS = 2n ** 63n

interface Mapped extends Region {
  mapping: number
  /** how often it was added: QEMU 7.2 adds and removes each region once for every pair of queues */
  count: number
}

export class Memory {
  /** number of the table in native, -1 while there is no memory */
  table = -1
  private readonly host: Host
  private regions: Mapped[] = []
  private readonly stale: { tables: number[]; mappings: number[] } = { tables: [], mappings: [] }

  constructor(host: Host) {
    this.host = host
  }

  /** Makes these regions the whole memory, one descriptor each; throws a Violation and changes nothing if that cannot be. */
  replace(regions: Region[], fds: number[]): void {
    this.change([], this.map(regions, fds))
  }

  add(region: Region, fd: number): void {
    const present = this.regions.find((each) => isSame(each, region))
    if (present) present.count++
    else this.change(this.regions, this.map([region], [fd]))
  }

  /** Removes the region of this address and length, if that was said as often as that it is there. */
  remove(region: Region): void {
    const present = this.regions.find((each) => isSame(each, region))
    if (!present) throw new Violation(`no region at ${hex(region.guest)} is there to be removed`)
    if (--present.count > 0) return
    this.change(
      this.regions.filter((each) => each !== present),
      [],
    )
  }

  /** True if these bytes at an address of the front-end's own lie in one region. */
  holds(user: bigint, length: number): boolean {
    return this.regions.some(
      (region) => user >= region.user && user + BigInt(length) <= region.user + region.length,
    )
  }

  /** A 16-bit word at an address of the front-end's own, which the memory holds. */
  word(user: bigint): number {
    const [low, high] = this.host.guestView(this.table, user, 2)
    return low | (high << 8)
  }

  /** Frees what is not in use any more; only once no worker has a table but the present one. */
  release(): void {
    for (const table of this.stale.tables.splice(0)) this.host.guestFree(table)
    for (const mapping of this.stale.mappings.splice(0)) this.host.guestUnmap(mapping)
  }

  /** Frees everything; only once no worker has anything of it. */
  close(): void {
    this.retire([])
    this.table = -1
    this.release()
  }

  /** Maps regions; if one cannot be mapped none is. */
  private map(regions: Region[], fds: number[]): Mapped[] {
    const mapped: Mapped[] = []
    try {
      for (const [i, region] of regions.entries()) {
        check(region)
        const mapping = this.host.guestMap(fds[i], region.offset, region.length)
        mapped.push({ ...region, mapping, count: 1 })
      }
    } catch (error) {
      for (const { mapping } of mapped) this.host.guestUnmap(mapping)
      const { guest, length } = regions[mapped.length]
      throw refuse(error, `${length} bytes at ${hex(guest)}`)
    }
    return mapped
  }

  /** What was mapped before and stays, and what is new, become the memory. */
  private change(kept: Mapped[], fresh: Mapped[]): void {
    const regions = [...kept, ...fresh]
    try {
      if (regions.length > SLOTS) throw new Violation(`more than ${SLOTS} regions of memory`)
      const total = regions.reduce((sum, { length }) => sum + length, 0n)
      if (total > LENGTH_MAX) throw new Violation(`${total} bytes of memory are too many`)
      const table = regions.length === 0 ? -1 : this.tableOf(regions)
      this.retire(kept)
      this.table = table
    } catch (error) {
      for (const { mapping } of fresh) this.host.guestUnmap(mapping)
      throw refuse(error, 'the table of memory')
    }
    this.regions = regions
  }

  private tableOf(regions: Mapped[]): number {
    return this.host.guestTable(
      regions.map(({ mapping, guest, user, length }) => ({ mapping, guest, user, length, offset: 0n })),
    )
  }

  /** The present table goes, and every mapping that is not kept. */
  private retire(kept: Mapped[]): void {
    const { tables, mappings } = this.stale
    if (this.table >= 0) tables.push(this.table)
    const staying = new Set(kept)
    for (const region of this.regions) if (!staying.has(region)) mappings.push(region.mapping)
    this.regions = kept
  }
}

function isSame(one: Region, other: Region): boolean {
  return one.guest === other.guest && one.length === other.length && one.user === other.user
}

function check({ guest, length, user, offset }: Region): void {
  if (length === 0n) throw new Violation('a region of memory is empty')
  if (guest + length > ADDRESSES || user + length > ADDRESSES)
    throw new Violation(`${length} bytes of memory at ${hex(guest)} end behind the last address`)
  if (offset + length > OFFSETS || length > LENGTH_MAX)
    throw new Violation(`${length} bytes of memory at offset ${offset} are too many`)
}

function hex(address: bigint): string {
  return `0x${address.toString(16)}`
}

/** In words, by what native says. */
const WHY: Record<string, string> = {
  ERANGE: 'is longer than its file',
  ENODEV: 'is no file',
  EOPNOTSUPP: 'lies on a file system whose pages may never come',
  EINVAL: 'has regions that overlap',
  EACCES: 'may not be mapped for reading and writing',
  EPERM: 'may not be mapped for reading and writing',
  ENOMEM: 'cannot be mapped: no address space is left',
  ENOSPC: 'cannot be mapped: too many mappings are there',
}

function refuse(error: unknown, what: string): Violation {
  if (error instanceof Violation) return error
  const { code, message } = error as NativeError
  return new Violation(`${what} ${WHY[code] ?? `cannot be mapped: ${message}`}`)
}
