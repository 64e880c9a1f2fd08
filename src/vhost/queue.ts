// Hot: a pair of virtqueues. They are walked here, and native moves the bytes, one call a burst. Cost: see npm run bench -- micro.
/**
 * What a guest transmits enters the switch, and what it shall receive leaves by its other ring. Every word of a descriptor is read once and
 * goes into a list of segments; native checks each address against the guest's memory and copies, so what was checked is what is used.
 * A driver that breaks the rules of its rings makes a fault, and the queue is served no more.
 */
import type { Arena } from '../memory/arena.ts'
import { ERRORS, LENGTHS } from '../memory/block.ts'
import type { Pool } from '../memory/pool.ts'
import type { Queue } from '../port/queue.ts'
import { place } from './delivery.ts'
import { AVAIL_JUMP } from './fault.ts'
import { type FrontProgram, NEXT_RECEIVE, NEXT_TRANSMIT } from './front.ts'
import { discard, gather } from './intake.ts'
import type { SplitRing } from './ring.ts'
import { Segments } from './segments.ts'
import { start } from './start.ts'
import { hash } from './steering.ts'

const ENXIO = 6
/** Looks at an empty ring before the guest is asked to tell of more: some tens of microseconds of a worker that others keep busy. */
const LOOKS = 256
/** Milliseconds that a worker may sleep: with nobody to look after, and beside a ring that has no doorbell. */
export const SLEEP_MS = 1000
const NAP_MS = 1

export class VhostQueue implements Queue {
  /** the active pairs of the port that this worker serves: the one that the port names spreads frames over them */
  siblings: VhostQueue[] = [this]
  private readonly i32: Int32Array
  private readonly view: DataView
  private readonly pool: Pool
  /** int32 position of the pair's line, see front.ts */
  private readonly line: number
  private readonly segments: Segments
  private mergeable = false
  private transmitRing: SplitRing | null = null
  private receiveRing: SplitRing | null = null
  /** the guest was asked to tell of new frames and need not be looked at until then */
  private armed = false
  private looks = 0
  /** entries of the transmit ring that the last look found */
  private seen = 0

  /** `lineAt` is the pair's line in the arena, `vringAt` the worker's room for segments (vhost/layout.ts). */
  constructor(arena: Arena, pool: Pool, lineAt: number, vringAt: number) {
    this.i32 = arena.i32
    this.view = arena.view
    this.pool = pool
    this.line = lineAt >> 2
    this.segments = new Segments(arena, vringAt)
  }

  /** the guest's doorbell for what it transmits */
  get fd(): number {
    return this.transmitRing === null ? -1 : this.transmitRing.kick
  }

  /** True if frames for the guest find a ring. */
  get active(): boolean {
    return this.receiveRing?.enabled ?? false
  }

  /** number of vhost/fault.ts, -1 while all is well */
  get fault(): number {
    return this.segments.fault
  }

  /**
   * Serves what a front-end lends from now on as this `pair`, null for nothing; throws a NativeError if a ring is not in its memory. A
   * ring that ran before goes on where it is, another one begins at its base.
   */
  seat(front: FrontProgram | null, pair: number): void {
    const { segments } = this
    const lent = front?.pairs[pair] ?? { transmit: null, receive: null }
    segments.fault = -1
    segments.table = front?.table ?? -1
    segments.header = front?.headerLength ?? 12
    this.mergeable = front?.mergeable ?? false
    const isEvent = front?.eventIndex ?? false
    const { i32, line } = this
    const { table } = segments
    this.transmitRing = start(this.transmitRing, lent.transmit, table, isEvent, i32, line + NEXT_TRANSMIT)
    this.receiveRing = start(this.receiveRing, lent.receive, table, isEvent, i32, line + NEXT_RECEIVE)
    this.transmitRing?.hush()
    this.receiveRing?.hush()
    this.armed = false
    this.looks = 0
    this.seen = 0
  }

  /** False if the guest transmitted something that its doorbell does not tell of. */
  get quiet(): boolean {
    const ring = this.transmitRing
    if (ring === null || this.armed || this.segments.fault >= 0) return true
    this.seen = ring.waiting
    if (this.seen !== 0) {
      this.looks = 0
      return false
    }
    if (++this.looks >= LOOKS && ring.kick >= 0) return this.arm(ring)
    return true
  }

  /** Asks for a notification; false if something came meanwhile, or nothing ever will: memory that vanished looks like an empty ring. */
  private arm(ring: SplitRing): boolean {
    this.looks = 0
    ring.listen()
    if (ring.waiting !== 0 || this.segments.examine() < 0) {
      ring.hush()
      return false
    }
    this.armed = true
    return true
  }

  /** Before the worker sleeps: milliseconds that it may, 0 if something waits. */
  rest(): number {
    const ring = this.transmitRing
    if (ring === null || this.armed) return SLEEP_MS
    if (ring.waiting !== 0 || this.segments.fault >= 0) return 0
    if (ring.kick < 0) return this.segments.examine() < 0 ? 0 : NAP_MS
    return this.arm(ring) ? SLEEP_MS : 0
  }

  /** The guest's doorbell rang. */
  wake(): void {
    const ring = this.transmitRing
    if (ring === null || !this.armed) return
    this.armed = false
    this.looks = 0
    ring.hush()
  }

  receive(pool: Pool, blockAt: number, capacity: number): number {
    const { segments } = this
    const ring = this.transmitRing
    if (ring === null || segments.fault >= 0) return 0
    const waiting = this.seen !== 0 ? this.seen : ring.waiting
    this.seen = 0
    if (waiting === 0) return 0
    if (waiting > ring.size) return segments.spoil(AVAIL_JUMP)
    if (!ring.enabled) {
      discard(ring, waiting)
      return 0
    }
    const count = gather(ring, segments, pool.topAt >> 2, blockAt >> 2, Math.min(waiting, capacity))
    if (count < 0 || segments.read(blockAt) < 0) return -ENXIO
    pool.took(count)
    ring.publish((ring.next + count) & 0xffff)
    ring.notify()
    return count
  }

  transmit(blockAt: number, count: number): number {
    const { siblings } = this
    if (siblings.length === 1) return siblings[0].send(blockAt, count)
    const block = blockAt >> 2
    let taken = 0
    let from = 0
    let to = this.share(block, 0)
    for (let end = 1; end <= count; end++) {
      const next = end < count ? this.share(block, end) : -1
      if (next === to) continue
      taken += siblings[to].send(blockAt + from * 4, end - from)
      from = end
      to = next
    }
    return taken
  }

  /** Which sibling a frame of the block goes to: a flow stays with one (virtio 1.2, 5.1.6.5.6 leaves the choice to the device). */
  private share(block: number, i: number): number {
    const at = this.pool.frameAt(this.i32[block + i])
    return (hash(this.view, at, this.i32[block + LENGTHS + i]) % this.siblings.length) | 0
  }

  /** Gives a block's frames to the guest; returns how many found a buffer. */
  private send(blockAt: number, count: number): number {
    const { segments } = this
    const ring = this.receiveRing
    if (ring === null || !ring.enabled || segments.fault >= 0) return this.refuse(blockAt, count)
    const before = ring.next
    const waiting = ring.waiting
    const sent =
      waiting > ring.size
        ? segments.spoil(AVAIL_JUMP)
        : place(ring, segments, blockAt, count, waiting, this.mergeable)
    if (sent < 0 || segments.write(blockAt) < 0) {
      ring.next = before
      return this.refuse(blockAt, count)
    }
    if (sent === 0) return 0
    ring.publish(ring.next)
    ring.notify()
    return sent
  }

  private refuse(blockAt: number, count: number): number {
    const errors = (blockAt >> 2) + ERRORS
    for (let i = 0; i < count; i++) this.i32[errors + i] = ENXIO
    return 0
  }

  /** Lets go of everything that the guest lent. */
  close(): void {
    this.seat(null, 0)
  }
}
