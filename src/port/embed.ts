/** The other end of a memory port: what a program that embeds a switch, or a test, sends and receives with. */
import type { Arena } from '../memory/arena.ts'
import { DATA_AT, FRAME_LENGTH_MAX, VNET_LENGTH } from '../memory/pool.ts'
import { FULL, INGRESS, type Shape, Way } from './memory.ts'

export class MemoryPort {
  /** called when frames wait, once for every `listen` */
  onframes: (() => void) | null = null
  /** of a local port: index of the port by which the frame received last came into the switch; else -1 */
  ingress = -1
  /** bytes of the longest frame that can be sent */
  readonly lengthMax: number
  private readonly u8: Uint8Array
  private readonly i32: Int32Array
  private readonly tx: Way
  private readonly rx: Way
  private readonly wake: () => void
  private readonly isLocal: boolean

  /** `wake` is called after frames were sent; both ends agree on the shape. */
  constructor(arena: Arena, at: number, wake: () => void, shape: Shape = FULL) {
    this.u8 = arena.u8
    this.i32 = arena.i32
    this.lengthMax = Math.min(FRAME_LENGTH_MAX, shape.stride - DATA_AT)
    this.tx = new Way(arena, at, shape)
    this.rx = new Way(arena, at + shape.wayLength, shape)
    this.wake = wake
    this.isLocal = shape !== FULL
  }

  /** Sends one Ethernet frame, with a vnet header of ten bytes if given; false if the port is full. Longer than a slot: RangeError. */
  send(frame: Uint8Array, vnet?: Uint8Array): boolean {
    if (frame.length > this.lengthMax)
      throw new RangeError(`frame of ${frame.length} bytes: at most ${this.lengthMax}`)
    const slot = this.tx.vacant()
    if (slot < 0) return false
    this.u8.fill(0, slot + DATA_AT - VNET_LENGTH, slot + DATA_AT)
    if (vnet) this.u8.set(vnet.subarray(0, VNET_LENGTH), slot + DATA_AT - VNET_LENGTH)
    this.u8.set(frame, slot + DATA_AT)
    this.i32[slot >> 2] = frame.length
    this.tx.publish()
    this.wake()
    return true
  }

  /** True if the switch has taken everything that was sent. */
  get idle(): boolean {
    return this.tx.empty
  }

  /** The oldest frame that the switch sent here and its vnet header, copied, or null. */
  receive(): { frame: Uint8Array; vnet: Uint8Array } | null {
    const slot = this.rx.oldest()
    if (slot < 0) return null
    const frame = this.u8.slice(slot + DATA_AT, slot + DATA_AT + this.i32[slot >> 2])
    const vnet = this.u8.slice(slot + DATA_AT - VNET_LENGTH, slot + DATA_AT)
    if (this.isLocal) this.ingress = this.i32[(slot >> 2) + INGRESS]
    this.rx.consume()
    return { frame, vnet }
  }

  /** Asks to be told when frames wait; false if some wait already. */
  listen(): boolean {
    this.rx.waiting = true
    return this.rx.oldest() < 0
  }
}
