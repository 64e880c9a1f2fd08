// Hot: a port without a kernel, for tests and for programs that embed a switch. Cost: 122 ns a frame of 60 bytes, both ends together (npm run bench).
/**
 * Two rings of slots in the arena, one each way; a slot is a length and the ingress of the frame's notes (int32, the latter for
 * local ports only), a vnet header and the frame. Frames are copied between these slots and the pool, so whoever holds the
 * other end never owns a frame of a worker. The other end is the embedding thread; it asks to be told of new frames by setting a word.
 */
import type { Arena } from '../memory/arena.ts'
import { ERRORS, LENGTHS } from '../memory/block.ts'
import { DATA_AT, NOTE_INGRESS, type Pool, STRIDE, VNET_LENGTH } from '../memory/pool.ts'
import type { Queue } from './queue.ts'

/** Slots each way, a power of two, and the bytes of one; `wayLength` of one direction, `length` of both: what no frame touched costs nothing. */
export interface Shape {
  slots: number
  stride: number
  wayLength: number
  length: number
}

const HEADER_LENGTH = 64 * 4

function shape(slots: number, stride: number): Shape {
  const wayLength = HEADER_LENGTH + slots * stride
  return { slots, stride, wayLength, length: 2 * wayLength }
}

/**
 * A port of a program that embeds a switch takes every frame. A local one (DHCP, DNS) takes Ethernet's usual 1,514 bytes, and as many
 * as 4,000 messages a second are in the tenth of a second for which a busy machine may keep the control thread waiting.
 */
export const FULL = shape(128, STRIDE)
export const LOCAL = shape(512, 27 * 64)
/** int32 position of the ingress in a slot */
export const INGRESS = 1
const HEAD = 0
const TAIL = 16
const WAITING = 32

const EAGAIN = 11
const EMSGSIZE = 90

/** One direction: `vacant` and `publish` are for its writer, `oldest` and `consume` for its reader. */
export class Way {
  private readonly i32: Int32Array
  private readonly at: number
  private readonly base: number
  private readonly slots: number
  private readonly stride: number

  constructor(arena: Arena, at: number, shape: Shape) {
    this.i32 = arena.i32
    this.at = at
    this.base = at >> 2
    this.slots = shape.slots
    this.stride = shape.stride
  }

  /** Offset of the next slot to write, or -1 if all are full. */
  vacant(): number {
    const head = this.i32[this.base + HEAD]
    const tail = Atomics.load(this.i32, this.base + TAIL)
    return ((head - tail) | 0) >= this.slots ? -1 : this.slotAt(head)
  }

  publish(): void {
    Atomics.store(this.i32, this.base + HEAD, (this.i32[this.base + HEAD] + 1) | 0)
  }

  /** Offset of the oldest slot, or -1 if there is none. */
  oldest(): number {
    const tail = this.i32[this.base + TAIL]
    return Atomics.load(this.i32, this.base + HEAD) === tail ? -1 : this.slotAt(tail)
  }

  /** For the writer: true if the reader has taken everything. */
  get empty(): boolean {
    return this.i32[this.base + HEAD] === Atomics.load(this.i32, this.base + TAIL)
  }

  consume(): void {
    Atomics.store(this.i32, this.base + TAIL, (this.i32[this.base + TAIL] + 1) | 0)
  }

  private slotAt(position: number): number {
    return this.at + HEADER_LENGTH + (position & (this.slots - 1)) * this.stride
  }

  get waiting(): boolean {
    return Atomics.load(this.i32, this.base + WAITING) !== 0
  }

  set waiting(wanted: boolean) {
    Atomics.store(this.i32, this.base + WAITING, wanted ? 1 : 0)
  }
}

/** The switch's end. */
export class MemoryQueue implements Queue {
  readonly fd = -1
  private readonly u8: Uint8Array
  private readonly i32: Int32Array
  private readonly poolAt: number
  private readonly lengthMax: number
  private readonly rx: Way
  private readonly tx: Way

  constructor(arena: Arena, at: number, poolAt: number, shape: Shape) {
    this.u8 = arena.u8
    this.i32 = arena.i32
    this.poolAt = poolAt
    this.lengthMax = shape.stride - DATA_AT
    this.rx = new Way(arena, at, shape)
    this.tx = new Way(arena, at + shape.wayLength, shape)
  }

  get quiet(): boolean {
    return this.rx.oldest() < 0
  }

  receive(pool: Pool, blockAt: number, capacity: number): number {
    const block = blockAt >> 2
    for (let i = 0; i < capacity; i++) {
      const slot = this.rx.oldest()
      if (slot < 0) return i
      const frame = pool.take()
      const length = this.i32[slot >> 2]
      this.u8.copyWithin(
        this.poolAt + frame * STRIDE + DATA_AT - VNET_LENGTH,
        slot + DATA_AT - VNET_LENGTH,
        slot + DATA_AT + length,
      )
      this.i32[block + i] = frame
      this.i32[block + LENGTHS + i] = length
      this.rx.consume()
    }
    return capacity
  }

  transmit(blockAt: number, count: number): number {
    const block = blockAt >> 2
    let sent = 0
    for (let i = 0; i < count; i++) {
      const length = this.i32[block + LENGTHS + i]
      const slot = length <= this.lengthMax ? this.tx.vacant() : -1
      this.i32[block + ERRORS + i] = slot >= 0 ? 0 : length <= this.lengthMax ? EAGAIN : EMSGSIZE
      if (slot < 0) continue
      const from = this.poolAt + this.i32[block + i] * STRIDE + DATA_AT - VNET_LENGTH
      this.u8.copyWithin(slot + DATA_AT - VNET_LENGTH, from, from + VNET_LENGTH + length)
      this.i32[slot >> 2] = length
      this.i32[(slot >> 2) + INGRESS] =
        this.i32[((this.poolAt + this.i32[block + i] * STRIDE) >> 2) + NOTE_INGRESS]
      this.tx.publish()
      sent++
    }
    return sent
  }

  /** True once if the embedding thread wants to be told of new frames. */
  get wanted(): boolean {
    if (!this.tx.waiting || this.tx.oldest() < 0) return false
    this.tx.waiting = false
    return true
  }

  close(): void {}
}
