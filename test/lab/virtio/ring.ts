/**
 * The driver's side of a split virtqueue (virtio 1.2, 2.7), written from the specification and sharing nothing with src/vhost:
 *
 *   descriptors   16 bytes each: le64 address, le32 length, le16 flags, le16 next
 *   avail         le16 flags, le16 index, le16 head[size], le16 used_event
 *   used          le16 flags, le16 index, {le32 head, le32 length}[size], le16 avail_event
 *
 * Every part can be written by hand, too: a hostile driver is an honest one whose words were changed.
 */
import type { Memory, Piece, Region } from './memory.ts'

export const NEXT = 1
export const WRITE = 2
export const INDIRECT = 4
/** of avail.flags and used.flags: the other side need not be told */
export const SILENT = 1
const DESCRIPTOR = 16

export interface RingOptions {
  size: number
  eventIndex?: boolean
  /** the first index of avail and used */
  base?: number
  /** where the areas lie; anywhere if absent */
  region?: Region
  /** descriptors are taken in their order, as IN_ORDER wants it; otherwise the one that was freed last */
  inOrder?: boolean
}

/** A buffer of a chain: the device reads it, or writes to it. */
export interface Part extends Piece {
  write: boolean
}

export interface Used {
  parts: Part[]
  /** bytes that the device wrote */
  length: number
}

/** Lines up the words of an area. */
function area(memory: Memory, length: number, region?: Region) {
  const piece = memory.allocate(length, region)
  const bytes = memory.bytes(piece)
  bytes.fill(0)
  return {
    ...piece,
    u16: new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1),
    u32: new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2),
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
  }
}

export class Ring {
  readonly size: number
  readonly eventIndex: boolean
  readonly descriptors: ReturnType<typeof area>
  readonly avail: ReturnType<typeof area>
  readonly used: ReturnType<typeof area>
  readonly memory: Memory
  /** next entry of avail to write, and of used to read, modulo 65,536 */
  next: number
  seen: number
  /** avail's index when the device was last told, or it was seen that it need not be */
  #told: number
  readonly #inOrder: boolean
  readonly #vacant: number[]
  /** by head: what was offered, and the descriptors that it took */
  readonly #offered = new Map<number, { parts: Part[]; taken: number[]; table: Piece | null }>()

  constructor(memory: Memory, { size, eventIndex = false, base = 0, region, inOrder = false }: RingOptions) {
    this.memory = memory
    this.size = size
    this.eventIndex = eventIndex
    this.descriptors = area(memory, DESCRIPTOR * size, region)
    this.avail = area(memory, 6 + 2 * size, region)
    this.used = area(memory, 6 + 8 * size, region)
    this.next = this.seen = this.#told = base
    this.avail.u16[1] = this.used.u16[1] = base
    this.#inOrder = inOrder
    this.#vacant = Array.from({ length: size }, (_, i) => (inOrder ? i : size - 1 - i))
    if (eventIndex) this.usedEvent = base
  }

  /** Descriptors that can be offered. */
  get vacant(): number {
    return this.#vacant.length
  }

  /** Chains that the device has. */
  get outstanding(): number {
    return this.#offered.size
  }

  /** Keeps the first descriptors out of use, for a test to write them by hand. */
  hold(count: number): void {
    this.#vacant.splice(0, this.size, ...this.#vacant.filter((each) => each >= count))
  }

  /** Writes a descriptor of the ring, or of an indirect table. */
  describe(
    index: number,
    { address, length }: Piece,
    flags: number,
    next = 0,
    view = this.descriptors.view,
  ): void {
    const at = index * DESCRIPTOR
    view.setBigUint64(at, BigInt.asUintN(64, address), true)
    view.setUint32(at + 8, length, true)
    view.setUint16(at + 12, flags, true)
    view.setUint16(at + 14, next, true)
  }

  /** Writes a head into avail without telling of it. */
  enter(head: number, position = this.next): void {
    this.avail.u16[2 + (position & (this.size - 1))] = head
  }

  /**
   * Puts a chain into the ring, not yet visible to the device; its first `direct` buffers have descriptors of the ring, the others
   * those of an indirect table. Returns the head, or -1 if descriptors are missing.
   */
  offer(parts: Part[], direct = parts.length): number {
    const needed = direct + (direct < parts.length ? 1 : 0)
    if (this.#vacant.length < needed || this.#offered.size === this.size) return -1
    const taken = this.#inOrder ? this.#vacant.splice(0, needed) : this.#vacant.splice(-needed).reverse()
    parts.slice(0, direct).forEach((part, i) => {
      this.describe(taken[i], part, flagsOf(part, i < needed - 1), taken[i + 1] ?? 0)
    })
    const table = direct < parts.length ? this.#table(parts.slice(direct)) : null
    if (table) this.describe(taken[direct], table, INDIRECT)
    this.#offered.set(taken[0], { parts, taken, table })
    this.enter(taken[0])
    this.next = (this.next + 1) & 0xffff
    return taken[0]
  }

  #table(parts: Part[]): Piece {
    const made = area(this.memory, DESCRIPTOR * parts.length)
    parts.forEach((part, i) => {
      this.describe(i, part, flagsOf(part, i < parts.length - 1), i + 1, made.view)
    })
    return { address: made.address, length: made.length }
  }

  /** Shows the device what was offered; true if it wants to be told (2.7.10). */
  publish(): boolean {
    Atomics.store(this.avail.u16, 1, this.next)
    const told = this.#told
    this.#told = this.next
    if (!this.eventIndex) return this.next !== told && (Atomics.load(this.used.u16, 0) & SILENT) === 0
    return passes(Atomics.load(this.used.u16, 2 + 4 * this.size), this.next, told)
  }

  /** The next chain that the device is done with, or null. */
  take(): Used | null {
    if (Atomics.load(this.used.u16, 1) === this.seen) return null
    const at = 1 + 2 * (this.seen & (this.size - 1))
    const [head, length] = [this.used.u32[at], this.used.u32[at + 1]]
    const offered = this.#offered.get(head)
    if (!offered) throw new Error(`used names ${head}, which was not offered`)
    this.#offered.delete(head)
    this.seen = (this.seen + 1) & 0xffff
    this.#vacant.push(...(this.#inOrder ? offered.taken : offered.taken.reverse()))
    if (offered.table) this.memory.free(offered.table)
    return { parts: offered.parts, length }
  }

  /** Asks to be told of the next used entry; false if there is one already. */
  arm(): boolean {
    if (this.eventIndex) this.usedEvent = this.seen
    else Atomics.store(this.avail.u16, 0, 0)
    return Atomics.load(this.used.u16, 1) === this.seen
  }

  /** Asks not to be told. */
  disarm(): void {
    if (this.eventIndex) this.usedEvent = (this.seen - 1) & 0xffff
    else Atomics.store(this.avail.u16, 0, SILENT)
  }

  set usedEvent(index: number) {
    Atomics.store(this.avail.u16, 2 + this.size, index)
  }

  /** avail's index, after which the device wants to be told */
  get availEvent(): number {
    return Atomics.load(this.used.u16, 2 + 4 * this.size)
  }

  /** Gives back the memory of the areas and of what is outstanding. */
  close(): void {
    for (const { parts, table } of this.#offered.values())
      for (const piece of table ? [...parts, table] : parts) this.memory.free(piece)
    this.#offered.clear()
    for (const piece of [this.descriptors, this.avail, this.used]) this.memory.free(piece)
  }
}

function flagsOf(part: Part, more: boolean): number {
  return (part.write ? WRITE : 0) | (more ? NEXT : 0)
}

/** True if an index moved past `event` on its way from `old` to `index` (2.7.7.2). */
export function passes(event: number, index: number, old: number): boolean {
  return ((index - event - 1) & 0xffff) < ((index - old) & 0xffff)
}
