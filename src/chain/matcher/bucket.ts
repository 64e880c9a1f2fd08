// Hot: keys of four words, numbered, found by hash and kept in the order in which they were last touched.
/**
 * The memory of matches that keep something for each address: bounded, allocated at once, and nobody can aim at one bucket, because the
 * multipliers are secret. Entries are numbered from 1 on, so 0 is nobody; the number is what other columns go by. Buckets are chains; the
 * order is a ring through entry 0, whose `newer` is the oldest.
 */
import type { Arena } from '../../memory/arena.ts'

/** int32 an entry takes, its share of the heads included */
export const ENTRY_WORDS = 9

export class Buckets {
  readonly capacity: number
  /** four words an entry */
  readonly keys: Int32Array
  count = 0
  private readonly heads: Int32Array
  private readonly shift: number
  /** next one of the bucket, or of the free ones */
  private readonly next: Int32Array
  private readonly older: Int32Array
  private readonly newer: Int32Array
  private readonly seedA: number
  private readonly seedB: number
  private free = 0
  private high = 0

  constructor(arena: Arena, capacity: number) {
    const bits = Math.max(4, Math.ceil(Math.log2(capacity)))
    this.capacity = capacity
    this.shift = 32 - bits
    this.heads = new Int32Array(2 ** bits)
    this.keys = new Int32Array(4 * (capacity + 1))
    this.next = new Int32Array(capacity + 1)
    this.older = new Int32Array(capacity + 1)
    this.newer = new Int32Array(capacity + 1)
    this.seedA = arena.seed(0) | 1
    this.seedB = arena.seed(1) | 1
  }

  /** The entry of a key, 0 if there is none. */
  find(a: number, b: number, c: number, d: number): number {
    const { keys, next } = this
    let entry = this.heads[this.place(a, b, c, d)]
    while (entry !== 0) {
      const k = entry << 2
      if (keys[k] === a && keys[k + 1] === b && keys[k + 2] === c && keys[k + 3] === d) return entry
      entry = next[entry]
    }
    return 0
  }

  /** A new entry for a key that has none; 0 if all are taken. */
  add(a: number, b: number, c: number, d: number): number {
    const { keys, next, heads } = this
    let entry = this.free
    if (entry !== 0) this.free = next[entry]
    else if (this.high < this.capacity) entry = ++this.high
    else return 0
    const k = entry << 2
    keys[k] = a
    keys[k + 1] = b
    keys[k + 2] = c
    keys[k + 3] = d
    const place = this.place(a, b, c, d)
    next[entry] = heads[place]
    heads[place] = entry
    this.append(entry)
    this.count++
    return entry
  }

  remove(entry: number): void {
    const { keys, next, heads } = this
    const k = entry << 2
    const place = this.place(keys[k], keys[k + 1], keys[k + 2], keys[k + 3])
    if (heads[place] === entry) heads[place] = next[entry]
    else {
      let before = heads[place]
      while (next[before] !== entry) before = next[before]
      next[before] = next[entry]
    }
    this.unlink(entry)
    next[entry] = this.free
    this.free = entry
    this.count--
  }

  /** Makes an entry the youngest. */
  touch(entry: number): void {
    if (this.older[0] === entry) return
    this.unlink(entry)
    this.append(entry)
  }

  /** The entry that was not touched for the longest time, 0 if there is none. */
  oldest(): number {
    return this.newer[0]
  }

  clear(): void {
    this.heads.fill(0)
    this.older[0] = 0
    this.newer[0] = 0
    this.free = 0
    this.high = 0
    this.count = 0
  }

  private place(a: number, b: number, c: number, d: number): number {
    const { seedA, seedB } = this
    const first = Math.imul(a ^ Math.imul(d, seedB), seedA)
    const second = Math.imul(b ^ first ^ (first >>> 15), seedB)
    const third = Math.imul(c ^ second ^ (second >>> 15), seedA)
    return Math.imul(third ^ (third >>> 15), seedB) >>> this.shift
  }

  private append(entry: number): void {
    const { older, newer } = this
    const youngest = older[0]
    older[entry] = youngest
    newer[entry] = 0
    newer[youngest] = entry
    older[0] = entry
  }

  private unlink(entry: number): void {
    const { older, newer } = this
    older[newer[entry]] = older[entry]
    newer[older[entry]] = newer[entry]
  }
}
