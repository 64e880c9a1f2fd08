// Hot: the list of buffers that a burst reads or writes, and the chains that they come from.
import type { Arena } from '../memory/arena.ts'
import { native } from '../memory/native.ts'
import * as fault from './fault.ts'
import * as layout from './layout.ts'
import { CHAIN_MAX, DESCRIPTOR_LENGTH, INDIRECT_AT, MARK, SEGMENT_WORDS, TASK_WORDS } from './layout.ts'
import { INDIRECT, NEXT, type SplitRing, WRITE } from './ring.ts'

/** errno of native: the memory is gone; any other stands for an address that the guest does not have */
const ENXIO = 6
/** the last word of a segment that is not the first of its frame */
const MORE = -1

export class Segments {
  readonly i32: Int32Array
  /** int32 position of the first, and behind the last that a frame may begin at */
  readonly first: number
  readonly mark: number
  /** int32 position behind the last one listed */
  tail: number
  /** table of the guest's memory, and bytes of the header before a frame */
  table = -1
  header = 12
  /** descriptors that were walked, and tables that were copied, since it was set to 0 */
  steps = 0
  /** number of vhost/fault.ts, -1 while all is well */
  fault = -1
  private readonly at: number
  private readonly indirectAt: number

  constructor(arena: Arena, at: number) {
    this.i32 = arena.i32
    this.at = at
    this.first = (at >> 2) + TASK_WORDS
    this.mark = this.first + MARK * SEGMENT_WORDS
    this.tail = this.first
    this.indirectAt = at + INDIRECT_AT
  }

  /** Remembers why the queue is served no more; returns -1. */
  spoil(why: number): number {
    this.fault = why
    return -1
  }

  /**
   * Lists the segments of the chain that begins at `head`, all to be read (`direction` 0) or written (WRITE), until they are
   * `budget` bytes or the chain ends; returns their bytes, -1 for a fault.
   */
  chain(ring: SplitRing, head: number, direction: number, budget: number): number {
    const { i32 } = this
    let words = ring.descriptors
    let base = 0
    let count = ring.size
    let index = head
    let total = 0
    let until = this.steps + CHAIN_MAX
    while (this.steps++ < until) {
      if (index >= count) return this.spoil(fault.NEXT_RANGE)
      const d = base + (index << 2)
      const low = words[d]
      const high = words[d + 1]
      const length = words[d + 2] >>> 0
      const last = words[d + 3]
      if ((last & INDIRECT) !== 0) {
        if (base !== 0 || (last & NEXT) !== 0) return this.spoil(fault.INDIRECT_NESTED)
        count = this.fetch(low, high, length)
        if (count < 0) return -1
        // To copy eight is as much work as a step; else a frame could be made to cost a table a step.
        this.steps += count >> 3
        until += count >> 3
        words = i32
        base = this.indirectAt >> 2
        index = 0
        continue
      }
      if ((last & WRITE) !== direction) return this.spoil(fault.CHAIN_DIRECTION)
      const taken = Math.min(length, budget - total)
      if (taken > 0) {
        const at = this.tail
        i32[at] = low
        i32[at + 1] = high
        i32[at + 2] = taken
        i32[at + 3] = MORE
        this.tail = at + SEGMENT_WORDS
        total += taken
      }
      if (total >= budget || (last & NEXT) === 0) return total
      index = last >>> 16
    }
    return this.spoil(fault.CHAIN_LOOP)
  }

  /** Copies an indirect table (virtio 1.2, 2.7.5.3) to where the guest cannot change it any more; returns its count of descriptors. */
  private fetch(low: number, high: number, length: number): number {
    const isWhole = length !== 0 && length % DESCRIPTOR_LENGTH === 0
    if (!isWhole || length > CHAIN_MAX * DESCRIPTOR_LENGTH) return this.spoil(fault.INDIRECT_SIZE)
    if (this.judge(native.vringFetch(this.table, low, high, length, this.indirectAt)) < 0) return -1
    return length / DESCRIPTOR_LENGTH
  }

  /** Copies what is listed into the frames of a block; -1 for a fault. */
  read(blockAt: number): number {
    this.task(blockAt)
    return this.judge(native.vringReceive(this.at))
  }

  /** Copies a block's frames into what is listed, which is empty then; -1 for a fault. */
  write(blockAt: number): number {
    if (this.tail === this.first) return 0
    this.task(blockAt)
    return this.judge(native.vringTransmit(this.at))
  }

  /** Asks whether the guest's memory is still there; -1 and a fault if not. */
  examine(): number {
    this.tail = this.first
    return this.read(0)
  }

  /** Says what native shall do with what is listed; the list is empty then. */
  private task(blockAt: number): void {
    const { i32, first } = this
    const at = this.at >> 2
    i32[at + layout.TABLE] = this.table
    i32[at + layout.HEADER] = this.header
    i32[at + layout.BLOCK] = blockAt
    i32[at + layout.COUNT] = (this.tail - first) >> 2
    this.tail = first
  }

  private judge(done: number): number {
    if (done >= 0) return 0
    return this.spoil(done === -ENXIO ? fault.MEMORY_VANISHED : fault.ADDRESS_RANGE)
  }
}
