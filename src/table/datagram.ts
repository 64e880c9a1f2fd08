// Hot: datagrams of which fragments have come. Cost: one bucket and one bitmap a fragment.
/**
 * Known by (network, source, destination, identification and protocol), RFC 791 3.2. A bitmap of 8-byte blocks says what has come.
 * Bounded in all, to half of it by port and an eighth by source: who wants more loses its own oldest one first. The worker's own
 * memory: what was half there when a worker died is sent again.
 */

/** int32 of a datagram, and what they are */
export const WORDS = 16
/** index of its frame, SPOILT or FREE */
export const FRAME = 0
export const NETWORK = 1
export const SOURCE = 2
export const DESTINATION = 3
/** identification << 16 | protocol */
export const NAME = 4
export const PORT = 5
export const INCARNATION = 6
export const DEADLINE = 7
/** length of the whole payload in bytes, -1 before the last fragment came */
export const TOTAL = 8
/** 8-byte blocks that have come, and in how many fragments */
export const BLOCKS = 9
export const COUNT = 10
/** length of the largest fragment */
export const LARGEST = 11
/** length of the first fragment's header, 0 before it came */
export const HEADER = 12
/** 1 if a fragment said that it must not be fragmented */
export const DONT = 13
const NEXT = 14
/** counts datagrams: the smallest is the oldest */
const BORN = 15

export const SPOILT = -1
export const FREE = -2

/** a payload of 64 KiB in blocks of 8 bytes, one bit each: int32 of a bitmap */
const BITMAP = 256
const BUCKETS = 256

export class Datagrams {
  readonly capacity: number
  /** datagrams that wait now, spoilt ones included */
  count = 0
  readonly entries: Int32Array
  private readonly bits: Int32Array
  private readonly buckets = new Int32Array(BUCKETS).fill(-1)
  private readonly seedA: number
  private readonly seedB: number
  private born = 0
  /** where a free entry is looked for */
  private next = 0

  constructor(capacity: number, seedA: number, seedB: number) {
    this.capacity = capacity
    this.entries = new Int32Array(capacity * WORDS)
    for (let d = 0; d < capacity; d++) this.entries[d * WORDS + FRAME] = FREE
    this.bits = new Int32Array(capacity * BITMAP)
    this.seedA = seedA
    this.seedB = seedB
  }

  private bucket(network: number, source: number, destination: number, name: number): number {
    const h = Math.imul(source ^ Math.imul(destination ^ network, this.seedA), this.seedB)
    return Math.imul(h ^ (h >>> 15) ^ name, this.seedA) >>> 24
  }

  /** The number of a datagram, or -1. */
  find(network: number, source: number, destination: number, name: number): number {
    const { entries } = this
    let d = this.buckets[this.bucket(network, source, destination, name)]
    for (; d >= 0; d = entries[d * WORDS + NEXT]) {
      const e = d * WORDS
      const isBetween = entries[e + SOURCE] === source && entries[e + DESTINATION] === destination
      if (isBetween && entries[e + NAME] === name && entries[e + NETWORK] === network) return d
    }
    return -1
  }

  /** The datagram that must go before `source` behind `port` may have another one, -1 if there is room. */
  victim(source: number, port: number): number {
    const { entries } = this
    if (this.count < this.capacity >> 3) return -1
    let ofSource = 0
    let ofPort = 0
    let oldestOfSource = -1
    let oldestOfPort = -1
    let oldest = -1
    for (let d = 0; d < this.capacity; d++) {
      const e = d * WORDS
      if (entries[e + FRAME] === FREE) continue
      if (oldest < 0 || this.isOlder(d, oldest)) oldest = d
      if (entries[e + PORT] !== port) continue
      ofPort++
      if (oldestOfPort < 0 || this.isOlder(d, oldestOfPort)) oldestOfPort = d
      if (entries[e + SOURCE] !== source) continue
      ofSource++
      if (oldestOfSource < 0 || this.isOlder(d, oldestOfSource)) oldestOfSource = d
    }
    if (ofSource >= this.capacity >> 3) return oldestOfSource
    if (ofPort >= this.capacity >> 1) return oldestOfPort
    return this.count >= this.capacity ? oldest : -1
  }

  private isOlder(a: number, b: number): boolean {
    return ((this.entries[a * WORDS + BORN] - this.entries[b * WORDS + BORN]) | 0) < 0
  }

  /** Adds a datagram that `find` did not find and that `victim` has room for; its words are those given, all others 0. */
  insert(network: number, source: number, destination: number, name: number, frame: number): number {
    const { entries } = this
    let d = this.next
    while (entries[d * WORDS + FRAME] !== FREE) d = d + 1 === this.capacity ? 0 : d + 1
    this.next = d
    const e = d * WORDS
    const bucket = this.bucket(network, source, destination, name)
    entries.fill(0, e, e + WORDS)
    entries[e + FRAME] = frame
    entries[e + NETWORK] = network
    entries[e + SOURCE] = source
    entries[e + DESTINATION] = destination
    entries[e + NAME] = name
    entries[e + TOTAL] = -1
    entries[e + NEXT] = this.buckets[bucket]
    entries[e + BORN] = this.born
    this.born = (this.born + 1) | 0
    this.buckets[bucket] = d
    this.bits.fill(0, d * BITMAP, (d + 1) * BITMAP)
    this.count++
    return d
  }

  remove(d: number): void {
    const { entries, buckets } = this
    const e = d * WORDS
    const bucket = this.bucket(
      entries[e + NETWORK],
      entries[e + SOURCE],
      entries[e + DESTINATION],
      entries[e + NAME],
    )
    if (buckets[bucket] === d) buckets[bucket] = entries[e + NEXT]
    else {
      let before = buckets[bucket]
      while (entries[before * WORDS + NEXT] !== d) before = entries[before * WORDS + NEXT]
      entries[before * WORDS + NEXT] = entries[e + NEXT]
    }
    entries[e + FRAME] = FREE
    this.next = d
    this.count--
  }

  /** How many of the blocks `from` to `to` have come. */
  known(d: number, from: number, to: number): number {
    return this.scan(d, from, to, false)
  }

  /** Blocks `from` to `to` have come, none of them had before. */
  mark(d: number, from: number, to: number): void {
    this.scan(d, from, to, true)
    this.entries[d * WORDS + BLOCKS] += to - from
  }

  /** True if a block from `from` on has come. */
  beyond(d: number, from: number): boolean {
    return from < BITMAP * 32 && this.scan(d, from, BITMAP * 32, false) > 0
  }

  private scan(d: number, from: number, to: number, sets: boolean): number {
    const first = from >> 5
    const last = (to - 1) >> 5
    let known = 0
    for (let w = first; w <= last; w++) {
      let mask = -1
      if (w === first) mask &= -1 << (from & 31)
      if (w === last) mask &= -1 >>> (31 - ((to - 1) & 31))
      const place = d * BITMAP + w
      known += ones(this.bits[place] & mask)
      if (sets) this.bits[place] |= mask
    }
    return known
  }
}

/** Bits that are set. */
function ones(value: number): number {
  const pairs = value - ((value >>> 1) & 0x55555555)
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
