// Hot: one split virtqueue, seen from the device. Its words are the guest's: each is read once, and by Atomics where both sides write in turn.
/**
 * Virtio 1.2, 2.7. Three areas in the guest's memory:
 *
 *   descriptors   16 bytes each: address (64 bits), length (32), flags (16), next (16)
 *   avail         flags (16), index (16), heads (16 each), used_event (16)     written by the driver
 *   used          flags (16), index (16), (head, length) of 32 bits each, avail_event (16)     written here
 *
 * A burst is served whole before anything else happens, in the order of avail: so used never lags behind, one index stands for
 * both, and whoever takes the ring over goes on at used's index.
 */
import { native } from '../memory/native.ts'
import type { RingProgram } from './front.ts'

/** descriptor flags */
export const NEXT = 1
export const WRITE = 2
export const INDIRECT = 4
/** avail's flag: the driver wants no notifications; used's: the device wants none */
const NO_INTERRUPT = 1
const NO_NOTIFY = 1
/** uint16 positions: flags, index, the first head */
const FLAGS = 0
const INDEX = 1
export const HEADS = 2
/** int32 position of the first pair in used */
export const PAIRS = 1

export class SplitRing {
  readonly size: number
  /** of the start that it belongs to, see RingProgram */
  readonly generation: number
  /** four int32 a descriptor */
  readonly descriptors: Int32Array
  readonly avail: Uint16Array
  /** two int32 a pair after the first word */
  readonly used: Int32Array
  /** eventfds of RingProgram; they may change while the ring runs */
  kick: number
  call: number
  enabled: boolean
  /** the next entry of avail, and of used, modulo 65,536 */
  next: number
  private readonly usedShort: Uint16Array
  private readonly eventIndex: boolean
  /** where avail_event and used_event stand */
  private readonly availEvent: number
  private readonly usedEvent: number
  /** used's index when the driver was last told, or need not be */
  private told: number
  /** where `next` is kept for the control thread: an int32 of the arena */
  private readonly i32: Int32Array
  private readonly keptAt: number

  /** Views the ring's areas; throws a NativeError (ERANGE) if one is not in the guest's memory. `next` is where a ring that ran goes on. */
  constructor(
    program: RingProgram,
    table: number,
    eventIndex: boolean,
    i32: Int32Array,
    keptAt: number,
    next: number,
  ) {
    const { size } = program
    this.size = size
    this.generation = program.generation
    const descriptors = native.guestView(table, program.descriptors, 16 * size)
    const avail = native.guestView(table, program.avail, 6 + 2 * size)
    // Four bytes a word: the event index at the end is half of one.
    const used = native.guestView(table, program.used, 6 + 8 * size)
    this.descriptors = new Int32Array(descriptors.buffer, descriptors.byteOffset, 4 * size)
    this.avail = new Uint16Array(avail.buffer, avail.byteOffset, 3 + size)
    this.used = new Int32Array(used.buffer, used.byteOffset, 1 + 2 * size)
    this.usedShort = new Uint16Array(used.buffer, used.byteOffset, 3 + 4 * size)
    this.kick = program.kick
    this.call = program.call
    this.enabled = program.enabled
    this.next = next
    this.told = next
    this.eventIndex = eventIndex
    this.availEvent = 2 + 4 * size
    this.usedEvent = 2 + size
    this.i32 = i32
    this.keptAt = keptAt
    i32[keptAt] = next
  }

  /** How many entries wait; more than `size` means that the driver lied. */
  get waiting(): number {
    return (Atomics.load(this.avail, INDEX) - this.next) & 0xffff
  }

  /** Asks the driver not to notify. With event indexes there is nothing to do: the one that stands there is passed already. */
  hush(): void {
    if (!this.eventIndex) Atomics.store(this.usedShort, FLAGS, NO_NOTIFY)
  }

  /** Asks for a notification of the next entry, before a last look: the store is seen by the driver before the look reads its index. */
  listen(): void {
    if (this.eventIndex) Atomics.store(this.usedShort, this.availEvent, this.next)
    else Atomics.store(this.usedShort, FLAGS, 0)
  }

  /** Gives the entries up to `next` to the driver, whose pairs stand in used. */
  publish(next: number): void {
    this.next = next
    Atomics.store(this.usedShort, INDEX, next)
    this.i32[this.keptAt] = next
  }

  /** Notifies the driver of what was published, if it wants that (2.7.7.2, 2.7.10.1). */
  notify(): void {
    const { next } = this
    if (this.eventIndex) {
      const event = Atomics.load(this.avail, this.usedEvent)
      const isDue = ((next - event - 1) & 0xffff) < ((next - this.told) & 0xffff)
      this.told = next
      if (!isDue) return
    } else if ((Atomics.load(this.avail, FLAGS) & NO_INTERRUPT) !== 0) return
    if (this.call >= 0) native.bellRing(this.call)
  }
}
