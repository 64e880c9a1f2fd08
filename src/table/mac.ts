// Hot: the forwarding table of one network. Cost: find 4 ns at 1,000 entries, 12 ns at 60,000 (npm run bench, "mac").
/**
 * MAC address → port, with ageing (IEEE 802.1Q 8.8). Entries of four int32 (state, low 32 bits of the MAC, high 16 bits and port,
 * time last seen) and an index: buckets of 16 slots, one cache line, each slot a 12-bit tag and the entry's number. Four slots
 * an entry make a full bucket rarer than one in a million; then the address is not learned and the reason is counted.
 *
 * One writer. It writes the entry, then its slot, then publishes the state, so the table is consistent after a crash at any
 * instruction: a slot counts only if its entry is live and its key matches. Removal clears and never moves a neighbour. The free list
 * is no state: attaching scans the entries. A reader in another thread takes an entry only if its state was the same before and after.
 */
import type { Arena } from '../memory/arena.ts'

/** kinds of an entry, the low bits of its state; the rest counts reuses */
export const DYNAMIC = 1
export const STATIC = 2
export const HOST = 3
export const GATEWAY = 4
const KIND_MASK = 7

const WORDS = 4
const STATE = 0
const LOW = 1
const HIGH_PORT = 2
const SEEN = 3

const BUCKET = 16
const NUMBER_BITS = 20
const NUMBER_MASK = (1 << NUMBER_BITS) - 1
const TAG_MASK = ~NUMBER_MASK
export const CAPACITY_MAX = NUMBER_MASK - 1

/** What a reader sees of an entry; ages in milliseconds. */
export interface MacEntry {
  high: number
  low: number
  port: number
  kind: number
  ageMs: number
}

function slotCountOf(capacity: number): number {
  return Math.max(BUCKET, 2 ** Math.ceil(Math.log2(capacity * 4)))
}

/** Bytes that a table of `capacity` entries takes; entry 0 means none. */
export function lengthOf(capacity: number): number {
  return (WORDS * (capacity + 1) + slotCountOf(capacity)) * 4 + 64
}

/** Reads every live entry; safe from any thread. `nowMs` is the writer's clock, a wrapping int32. */
export function list(
  arena: Arena,
  at: number,
  capacity: number,
  nowMs: number,
  ageingMs: number,
): MacEntry[] {
  const entries = new Int32Array(arena.buffer, at, WORDS * (capacity + 1))
  const found: MacEntry[] = []
  for (let e = WORDS; e < entries.length; e += WORDS) {
    const state = Atomics.load(entries, e + STATE)
    const kind = state & KIND_MASK
    if (kind === 0) continue
    const low = Atomics.load(entries, e + LOW)
    const highPort = Atomics.load(entries, e + HIGH_PORT)
    const ageMs = (nowMs - Atomics.load(entries, e + SEEN)) | 0
    if (Atomics.load(entries, e + STATE) !== state || (kind === DYNAMIC && ageMs > ageingMs)) continue
    found.push({ high: highPort >>> 16, low, port: highPort & 0xffff, kind, ageMs: Math.max(0, ageMs) })
  }
  return found
}

export class MacTable {
  readonly capacity: number
  /** live entries */
  count = 0
  ageingMs: number
  /** dynamic entries a port has, by port number */
  readonly perPort: Int32Array
  private readonly entries: Int32Array
  private readonly slots: Int32Array
  private readonly free: Int32Array
  private freeCount = 0
  private readonly shift: number
  private readonly seedA: number
  private readonly seedB: number
  private readonly seedC: number
  private cursor = WORDS

  /** Attaches to the bytes at `at`; whatever live entries stand there go on. */
  constructor(arena: Arena, at: number, capacity: number, ageingMs: number, portCount: number) {
    const slotCount = slotCountOf(capacity)
    const slotsAt = Math.ceil((at + WORDS * (capacity + 1) * 4) / 64) * 64
    this.capacity = capacity
    this.ageingMs = ageingMs
    this.perPort = new Int32Array(portCount)
    this.entries = new Int32Array(arena.buffer, at, WORDS * (capacity + 1))
    this.slots = new Int32Array(arena.buffer, slotsAt, slotCount)
    this.free = new Int32Array(capacity)
    this.shift = 32 - Math.log2(slotCount / BUCKET)
    this.seedA = arena.seed(0)
    this.seedB = arena.seed(1)
    this.seedC = arena.seed(2)
    this.rebuild()
  }

  /** Fills the free list and the index from the live entries. */
  private rebuild(): void {
    this.slots.fill(0)
    for (let number = this.capacity; number > 0; number--) {
      const e = number * WORDS
      const kind = this.entries[e + STATE] & KIND_MASK
      if (
        kind !== 0 &&
        this.link(number, this.hash(this.entries[e + HIGH_PORT] >>> 16, this.entries[e + LOW]))
      ) {
        this.count++
        if (kind === DYNAMIC) this.perPort[this.entries[e + HIGH_PORT] & 0xffff]++
      } else {
        this.entries[e + STATE] &= ~KIND_MASK
        this.free[this.freeCount++] = number
      }
    }
  }

  private hash(high: number, low: number): number {
    let h = (Math.imul(low, this.seedA) + Math.imul(high, this.seedB)) | 0
    h = Math.imul(h ^ (h >>> 16), this.seedC)
    return h ^ (h >>> 15)
  }

  /** First slot of a hash's bucket; with a single bucket a shift by 32 would be none. */
  private bucket(h: number): number {
    return this.shift === 32 ? 0 : (h >>> this.shift) * BUCKET
  }

  private link(number: number, h: number): boolean {
    const first = this.bucket(h)
    for (let s = first; s < first + BUCKET; s++) {
      if (this.slots[s] === 0) {
        this.slots[s] = (Math.imul(h, this.seedB) & TAG_MASK) | number
        return true
      }
    }
    return false
  }

  /** The entry of a MAC, or 0. Age is not looked at: see `fresh`. */
  find(high: number, low: number): number {
    const h = this.hash(high, low)
    const tag = Math.imul(h, this.seedB) & TAG_MASK
    const first = this.bucket(h)
    for (let s = first; s < first + BUCKET; s++) {
      const slot = this.slots[s]
      if ((slot & TAG_MASK) !== tag) continue
      const e = (slot & NUMBER_MASK) * WORDS
      if (
        this.entries[e + LOW] === low &&
        this.entries[e + HIGH_PORT] >>> 16 === high &&
        this.entries[e + STATE] & KIND_MASK
      ) {
        return e
      }
    }
    return 0
  }

  port(e: number): number {
    return this.entries[e + HIGH_PORT] & 0xffff
  }

  kind(e: number): number {
    return this.entries[e + STATE] & KIND_MASK
  }

  /** False for a dynamic entry that was not seen for longer than the ageing time. */
  fresh(e: number, now: number): boolean {
    return ((now - this.entries[e + SEEN]) | 0) <= this.ageingMs || this.kind(e) !== DYNAMIC
  }

  touch(e: number, now: number): void {
    this.entries[e + SEEN] = now
  }

  /** Moves an entry to another port: one store. */
  move(e: number, port: number, now: number): void {
    if (this.kind(e) === DYNAMIC) {
      this.perPort[this.port(e)]--
      this.perPort[port]++
    }
    this.entries[e + SEEN] = now
    Atomics.store(this.entries, e + HIGH_PORT, (this.entries[e + HIGH_PORT] & ~0xffff) | port)
  }

  /** Inserts a MAC that `find` did not find; returns its entry, or 0 if the table or the bucket is full. */
  insert(high: number, low: number, port: number, kind: number, now: number): number {
    if (this.freeCount === 0) return 0
    const number = this.free[this.freeCount - 1]
    const e = number * WORDS
    this.entries[e + LOW] = low
    this.entries[e + HIGH_PORT] = (high << 16) | port
    this.entries[e + SEEN] = now
    if (!this.link(number, this.hash(high, low))) return 0
    this.freeCount--
    this.count++
    if (kind === DYNAMIC) this.perPort[port]++
    Atomics.store(this.entries, e + STATE, ((this.entries[e + STATE] & ~KIND_MASK) + KIND_MASK + 1) | kind)
    return e
  }

  remove(e: number): void {
    const high = this.entries[e + HIGH_PORT] >>> 16
    if (this.kind(e) === DYNAMIC) this.perPort[this.port(e)]--
    Atomics.store(this.entries, e + STATE, this.entries[e + STATE] & ~KIND_MASK)
    const first = this.bucket(this.hash(high, this.entries[e + LOW]))
    for (let s = first; s < first + BUCKET; s++) {
      if ((this.slots[s] & NUMBER_MASK) === e / WORDS) this.slots[s] = 0
    }
    this.count--
    this.free[this.freeCount++] = e / WORDS
  }

  /** Removes the dynamic entries of a port, or all with -1; with `kinds` others too. Returns how many. */
  flush(port: number, kindMax: number = DYNAMIC): number {
    let removed = 0
    for (let e = WORDS; e < this.entries.length; e += WORDS) {
      const kind = this.kind(e)
      if (kind === 0 || kind > kindMax || (port >= 0 && this.port(e) !== port)) continue
      this.remove(e)
      removed++
    }
    return removed
  }

  /** Calls `visit` for every live entry; it may remove the one it is given. Cold. */
  each(visit: (entry: number, kind: number) => void): void {
    for (let e = WORDS; e < this.entries.length; e += WORDS) if (this.kind(e) !== 0) visit(e, this.kind(e))
  }

  /** Looks at the next `share` entries and removes those that are too old; call it regularly. */
  sweep(share: number, now: number): void {
    for (let i = 0; i < share; i++) {
      const e = this.cursor
      this.cursor = e + WORDS < this.entries.length ? e + WORDS : WORDS
      if (this.kind(e) === DYNAMIC && !this.fresh(e, now)) this.remove(e)
    }
  }
}
