/** A pair of virtqueues as a network driver has it (virtio 1.2, 5.1.6): frames in and out, in buffers of every layout. */
import { readSync } from 'node:fs'
import { native } from '../../../src/memory/native.ts'
import * as feature from './feature.ts'
import type { Memory, Piece, Region } from './memory.ts'
import { type Part, Ring } from './ring.ts'

/** Flags to csum_offset of the header; num_buffers follows where the features ask for it. */
const VNET = 10

export interface PairOptions {
  features?: bigint
  /** entries of both rings, or of each */
  size?: number
  receiveSize?: number
  /** first index of the rings */
  base?: number
  /** where the rings' areas lie */
  region?: Region
  /** bytes of the buffers that the n-th receive chain is made of */
  buffers?: (n: number) => number[]
  /** receive chains are in indirect tables */
  indirect?: boolean
}

export interface Layout {
  vnet?: Uint8Array
  /** bytes of the chain's buffers, header first; what they do not hold stands in one more */
  cuts?: readonly number[]
  /** how many of the buffers have descriptors of the ring, the others those of an indirect table; all if absent */
  direct?: number
}

export interface Received {
  frame: Uint8Array
  vnet: Uint8Array
  /** chains that it came in, as the header says */
  buffers: number
}

/** A ring with its two eventfds. */
export class Lane {
  readonly ring: Ring
  readonly kick = native.doorbellCreate()
  readonly call = native.doorbellCreate()
  /** times that the device wanted to be told */
  kicks = 0

  constructor(ring: Ring) {
    this.ring = ring
  }

  /** Shows what was offered, and tells the device if it wants to be told. */
  publish(): void {
    if (!this.ring.publish()) return
    this.kicks++
    native.doorbellRing(this.kick)
  }

  /** Times that the device told us since the last time. */
  get calls(): number {
    const count = Buffer.alloc(8)
    try {
      readSync(this.call, count)
    } catch {
      // EAGAIN: it did not.
    }
    return Number(count.readBigUInt64LE())
  }

  close(): void {
    native.descriptorClose(this.kick)
    native.descriptorClose(this.call)
    this.ring.close()
  }
}

export class Pair {
  readonly receiver: Lane
  readonly transmitter: Lane
  readonly memory: Memory
  readonly features: bigint
  /** bytes before each frame */
  readonly header: number
  readonly #buffers: (n: number) => number[]
  readonly #indirect: boolean
  #posted = 0

  constructor(memory: Memory, options: PairOptions = {}) {
    const { features = feature.USUAL, size = 256, buffers } = options
    this.memory = memory
    this.features = features
    const counted = (features & (feature.VERSION_1 | feature.MRG_RXBUF)) !== 0n
    this.header = VNET + (counted ? 2 : 0)
    const merging = (features & feature.MRG_RXBUF) !== 0n
    this.#buffers = buffers ?? (() => (merging ? [1536] : [this.header, 65_562]))
    this.#indirect = options.indirect ?? false
    const rest = {
      eventIndex: (features & feature.EVENT_IDX) !== 0n,
      inOrder: (features & feature.IN_ORDER) !== 0n,
      base: options.base ?? 0,
      ...(options.region ? { region: options.region } : {}),
    }
    this.receiver = new Lane(new Ring(memory, { size: options.receiveSize ?? size, ...rest }))
    this.transmitter = new Lane(new Ring(memory, { size, ...rest }))
  }

  get lanes(): Lane[] {
    return [this.receiver, this.transmitter]
  }

  /** Puts a frame into the transmit ring without showing it; false if there is no room. */
  put(frame: Uint8Array, { vnet, cuts = [], direct }: Layout = {}): boolean {
    this.reclaim()
    const bytes = new Uint8Array(this.header + frame.length)
    if (vnet) bytes.set(vnet)
    bytes.set(frame, this.header)
    const parts: Part[] = []
    let at = 0
    for (const cut of [...cuts, bytes.length]) {
      const length = Math.min(cut, bytes.length - at)
      if (length === 0) continue
      const piece = this.memory.allocate(length)
      this.memory.bytes(piece).set(bytes.subarray(at, at + length))
      parts.push({ ...piece, write: false })
      at += length
    }
    if (this.transmitter.ring.offer(parts, direct) >= 0) return true
    for (const part of parts) this.memory.free(part)
    return false
  }

  /** Sends frames, as many as there is room for; returns how many. */
  send(...frames: (Uint8Array | ({ frame: Uint8Array } & Layout))[]): number {
    const full = frames.findIndex((each) =>
      each instanceof Uint8Array ? !this.put(each) : !this.put(each.frame, each),
    )
    this.transmitter.publish()
    return full < 0 ? frames.length : full
  }

  /** Takes back what the device has sent; returns how many frames that were. */
  reclaim(): number {
    const { ring } = this.transmitter
    let count = 0
    for (let used = ring.take(); used; used = ring.take()) {
      for (const part of used.parts) this.memory.free(part)
      count++
    }
    return count
  }

  /** Gives the device chains to receive into, as many as there is room for but at most `count`; returns how many. */
  fill(count = Number.POSITIVE_INFINITY): number {
    const { ring } = this.receiver
    let filled = 0
    while (filled < count) {
      const lengths = this.#buffers(this.#posted)
      if (ring.vacant < (this.#indirect ? 1 : lengths.length)) break
      const parts = lengths.map((length) => this.#blank(length))
      if (ring.offer(parts, this.#indirect ? 0 : undefined) < 0) {
        for (const part of parts) this.memory.free(part)
        break
      }
      this.#posted++
      filled++
    }
    this.receiver.publish()
    return filled
  }

  #blank(length: number): Part {
    const piece = this.memory.allocate(length)
    this.memory.bytes(piece).fill(0xa5)
    return { ...piece, write: true }
  }

  /** The next frame that came, or null; its buffers are free again. */
  receive(): Received | null {
    const first = this.#chain()
    if (!first) return null
    const buffers = this.header > VNET ? first[VNET] | (first[VNET + 1] << 8) : 1
    const pieces = [first.subarray(this.header)]
    for (let n = 1; n < buffers; n++) {
      const next = this.#chain()
      if (!next) throw new Error(`a frame in ${buffers} buffers, of which ${n} came`)
      pieces.push(next)
    }
    return {
      frame: new Uint8Array(Buffer.concat(pieces)),
      vnet: Uint8Array.from(first.subarray(0, VNET)),
      buffers,
    }
  }

  /** Every frame that came, the buffers given to the device again. */
  drain(): Received[] {
    const got: Received[] = []
    for (let next = this.receive(); next; next = this.receive()) got.push(next)
    if (got.length > 0) this.fill()
    return got
  }

  /** What the device wrote into a chain. */
  #chain(): Uint8Array | null {
    const used = this.receiver.ring.take()
    if (!used) return null
    const bytes = Buffer.concat(used.parts.map((part) => this.memory.bytes(part)))
    for (const part of used.parts) this.memory.free(part)
    if (used.length > bytes.length) throw new Error(`${used.length} bytes in a chain of ${bytes.length}`)
    return bytes.subarray(0, used.length)
  }

  close(): void {
    for (const lane of this.lanes) lane.close()
  }
}

/** Bytes that a device would read from pieces. */
export function gather(memory: Memory, pieces: Piece[]): Buffer {
  return Buffer.concat(pieces.map((piece) => memory.bytes(piece)))
}
