// Hot: the frame pool. Cost: take and give 4 ns a frame (npm run bench).
/**
 * Fixed slots in the arena, named by index. A slot is
 *
 *   0        128          138                                  STRIDE
 *   | notes  | vnet header | Ethernet frame, at most 65,557 bytes |
 *
 * The vnet header ends where the frame begins, so that one read or write carries both; the frame begins two bytes past a
 * multiple of four, so that IP addresses are aligned. STRIDE is 1,057 cache lines: an odd count spreads the hot first lines
 * of neighbouring slots over all cache sets. The notes carry a frame's metadata when it changes thread.
 *
 * Every worker owns a range of slots with a last-in first-out free stack; a frame that ends in another worker travels home by
 * ring. The stack is not state: it is filled anew at start.
 */
import type { Arena } from './arena.ts'
import { native } from './native.ts'

export const STRIDE = 1057 * 64
export const VNET_LENGTH = 10
export const DATA_AT = 128 + VNET_LENGTH
/** An IP packet of 65,535 bytes, its Ethernet header, two VLAN tags. */
export const FRAME_LENGTH_MAX = 65535 + 14 + 8

/** int32 positions of the notes in a slot */
export const NOTE_LENGTH = 0
export const NOTE_INGRESS = 1
export const NOTE_EGRESS = 2

export class Pool {
  readonly at: number
  /** offset in bytes of slot 0's first frame byte */
  readonly base: number
  /** first index of this worker's range, and how many */
  readonly first: number
  readonly count: number
  /** frames now free */
  free: number
  private readonly i32: Int32Array
  private readonly stackAt: number

  /** `stackAt` is where `count` int32 may stand in the arena; `poolAt` where slot 0 begins. */
  constructor(arena: Arena, poolAt: number, stackAt: number, first: number, count: number) {
    this.i32 = arena.i32
    this.at = poolAt
    this.base = poolAt + DATA_AT
    this.stackAt = stackAt >> 2
    this.first = first
    this.count = count
    this.free = count
    for (let i = 0; i < count; i++) this.i32[this.stackAt + i] = first + count - 1 - i
    native.arenaBind(arena.u8, poolAt, STRIDE, DATA_AT)
  }

  /** Offset in bytes of the stack's top entry; native takes frames downwards from here. */
  get topAt(): number {
    return (this.stackAt + this.free - 1) << 2
  }

  /** Records that the top `count` entries were taken. */
  took(count: number): void {
    this.free -= count
  }

  /** One free frame, or -1. */
  take(): number {
    return this.free === 0 ? -1 : this.i32[this.stackAt + --this.free]
  }

  owns(frame: number): boolean {
    return frame >= this.first && frame < this.first + this.count
  }

  give(frame: number): void {
    this.i32[this.stackAt + this.free++] = frame
  }

  /** Gives back `count` frames of this worker's range that stand at int32 position `block`: the last one taken first. */
  giveAll(block: number, count: number): void {
    const { i32 } = this
    const to = (this.stackAt + this.free + count - 1) | 0
    const from = block | 0
    const end = count | 0
    for (let i = 0; i < end; i++) i32[to - i] = i32[from + i]
    this.free += count
  }

  /** Offset in bytes of a frame's first byte, the destination MAC. */
  frameAt(frame: number): number {
    return this.base + frame * STRIDE
  }

  /** Notes the port that a frame came from, for whoever gets it. */
  noteIngress(frame: number, port: number): void {
    this.i32[(this.notesAt(frame) >> 2) + NOTE_INGRESS] = port
  }

  /** Offset in bytes of a frame's notes. */
  notesAt(frame: number): number {
    return this.at + frame * STRIDE
  }
}
