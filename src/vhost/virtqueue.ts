/** A virtqueue as the protocol knows it: what the front-end told of it so far, and whether that is enough to serve it. */
import { readlinkSync } from 'node:fs'
import type { RingProgram } from './front.ts'
import type { Memory } from './memory.ts'
import type { Addresses } from './message.ts'
import { Violation } from './violation.ts'

/** virtio 1.2, 2.7 */
const SIZE_MAX = 32768
const INDEX_MAX = 65535

export class Virtqueue {
  readonly index: number
  /** counts its starts: another start is another ring for workers */
  generation = 0
  /** entries, 0 until they are known */
  size = 0
  /** the next entry of avail to look at, as of when it was served last */
  next = 0
  kick = -1
  call = -1
  /** what the front-end said of it; it starts enabled where features of the protocol were not agreed on */
  enabled: boolean | null = null
  /** it got its doorbell: it runs, as long as its areas are where they should be */
  started = false
  private addresses: Addresses | null = null

  constructor(index: number) {
    this.index = index
  }

  resize(size: number): void {
    if (size < 1 || size > SIZE_MAX || (size & (size - 1)) !== 0)
      throw new Violation(`vring ${this.index} with ${size} entries`)
    this.size = size
    this.generation++
  }

  place({ descriptors, used, avail }: Addresses): void {
    this.addresses = { descriptors, used, avail }
    this.generation++
  }

  rebase(next: number): void {
    if (next > INDEX_MAX) throw new Violation(`vring ${this.index} from entry ${next}`)
    this.next = next
    this.generation++
  }

  enable(value: number): void {
    if (value > 1) throw new Violation(`vring ${this.index} is enabled with ${value}`)
    this.enabled = value === 1
  }

  /** Its doorbell came: it must be complete now. */
  start(memory: Memory): void {
    const problem = this.problem(memory)
    if (problem !== '') throw new Violation(`vring ${this.index} is started ${problem}`)
    this.started = true
    this.generation++
  }

  /** What is missing or wrong, '' if it can be served. */
  problem(memory: Memory): string {
    const { size, addresses } = this
    if (size === 0) return 'without a size'
    if (addresses === null) return 'without addresses'
    if (memory.table < 0) return 'without memory that is shared (QEMU: memory-backend-memfd,share=on)'
    const areas = areasOf(addresses, size)
    for (const { name, at, length, align } of areas) {
      if (at % align !== 0n) return `with its ${name} at 0x${at.toString(16)}, which ${align} does not divide`
      if (!memory.holds(at, length)) return `with its ${name} outside the guest's memory`
    }
    const sorted = areas.sort((a, b) => (a.at < b.at ? -1 : 1))
    const isOver = sorted.some(({ at, length }, i) => i < 2 && at + BigInt(length) > sorted[i + 1].at)
    return isOver ? 'with areas that overlap' : ''
  }

  /**
   * What workers serve, null while it does not run. Where the driver's own index of what is used differs from the base that was asked
   * for, the front-end did not hear where the last back-end stopped: we serve in order, so that is where it goes on.
   */
  program(memory: Memory, isEnabled: boolean): RingProgram | null {
    if (!this.started || this.problem(memory) !== '') return null
    const { generation, size, next: base, kick, call } = this
    return { generation, size, ...this.addresses!, base, kick, call, enabled: this.enabled ?? isEnabled }
  }

  /** Where a ring that starts goes on: behind what the driver was told to be used. */
  resume(memory: Memory): number {
    this.next = memory.word(this.addresses!.used + 2n)
    return this.next
  }
}

interface Area {
  name: string
  at: bigint
  length: number
  align: bigint
}

/** virtio 1.2, 2.7: with the two words about notifications at the ends, which are there whether they are used or not. */
function areasOf({ descriptors, avail, used }: Addresses, size: number): Area[] {
  return [
    { name: 'descriptors', at: descriptors, length: 16 * size, align: 16n },
    { name: 'avail ring', at: avail, length: 6 + 2 * size, align: 2n },
    { name: 'used ring', at: used, length: 6 + 8 * size, align: 4n },
  ]
}

/**
 * True for an eventfd. Workers write and read doorbells, and anything else, a pipe before all, could keep them waiting. What the kernel calls
 * it is asked without touching it.
 */
export function isDoorbell(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventfd]'
  } catch {
    return false
  }
}
