// Hot: a card whose MAC the stations behind it share. Without translation a card is a plain packet socket.
import type { Arena } from '../memory/arena.ts'
import { BURST, ERRORS, LENGTHS } from '../memory/block.ts'
import { DROPS } from '../memory/counters.ts'
import { native } from '../memory/native.ts'
import type { Pool } from '../memory/pool.ts'
import * as ethernet from '../wire/ethernet.ts'
import { DescriptorQueue, PACKET } from './queue.ts'
import { Translation } from './translation.ts'

/** EAFNOSUPPORT: deliver calls it not_ip */
const NOT_IP_ERRNO = 97
/** Drop reason of pipeline/reason.ts, for what comes from the card. */
const NOT_IP = 20

/** A MAC: its first 16 bits, and its last 32 as int32. */
export interface Card {
  high: number
  low: number
}

export class NicQueue extends DescriptorQueue {
  private readonly i32: Int32Array
  private readonly view: DataView
  private readonly pool: Pool
  private readonly counters: Float64Array
  private readonly row: number
  private readonly translation: Translation

  constructor(
    arena: Arena,
    pool: Pool,
    counters: Float64Array,
    row: number,
    kind: number,
    fd: number,
    card: Card,
  ) {
    super(kind, fd)
    this.i32 = arena.i32
    this.view = arena.view
    this.pool = pool
    this.counters = counters
    this.row = row
    this.translation = new Translation(arena.view, card.high, card.low, BURST)
  }

  /** What is the host's own is given back at once and counts nowhere. */
  override receive(pool: Pool, blockAt: number, capacity: number): number {
    const count = super.receive(pool, blockAt, capacity)
    const block = blockAt >> 2
    let kept = 0
    for (let i = 0; i < count; i++) {
      const frame = this.i32[block + i]
      const length = this.i32[block + LENGTHS + i]
      if (!this.isOurs(frame, length)) {
        this.pool.give(frame)
        continue
      }
      this.i32[block + kept] = frame
      this.i32[block + LENGTHS + kept] = length
      kept++
    }
    return count <= 0 ? count : kept
  }

  private isOurs(frame: number, length: number): boolean {
    const at = this.pool.frameAt(frame)
    // What is too short or too long is dropped by the parser, by its name.
    if (length < ethernet.HEADER_LENGTH) return true
    if (!this.translation.enter(at, length)) return false
    if (ethernet.type(this.view, at) !== ethernet.TYPE_IPV6) return true
    this.counters[this.row + DROPS + NOT_IP]++
    return false
  }

  /** In runs between frames that cannot be translated. */
  override transmit(blockAt: number, count: number): number {
    const block = blockAt >> 2
    let taken = 0
    let from = 0
    for (let i = 0; i < count; i++) {
      const at = this.pool.frameAt(this.i32[block + i])
      if (this.translation.leave(i, at, this.i32[block + LENGTHS + i])) continue
      taken += this.run(blockAt, from, i)
      this.i32[block + ERRORS + i] = NOT_IP_ERRNO
      from = i + 1
    }
    return taken + this.run(blockAt, from, count)
  }

  private run(blockAt: number, from: number, to: number): number {
    if (from === to) return 0
    const taken = native.transmit(PACKET, this.fd, blockAt + from * 4, to - from)
    for (let i = from; i < to; i++)
      this.translation.restore(i, this.pool.frameAt(this.i32[(blockAt >> 2) + i]))
    return taken
  }
}
