// Hot: the index of the flow table. Cost: see flow.ts.
/**
 * Open addressing with linear probing, four places a flow, each one int32: flow << 1 | direction, and above that as many bits of
 * the hash as fit, so that nearly every miss is seen without touching the flow. Flow 0 is never used: 0 is a place that was never used
 * either, 1 a removed one, and every entry names a line that may be touched. The index is derived: it is built anew when a
 * writer attaches, so a crash may leave it in any state. Multipliers are secret: a guest cannot aim at one place.
 */
import type { Arena } from '../memory/arena.ts'

/** int32 a flow, and where its keys stand: a key's three words at `flow * WORDS + direction * REPLY`. */
export const WORDS = 32
export const REPLY = 4
export const SOURCE = 0
export const DESTINATION = 1
export const PORTS = 2
/** protocol in the low 8 bits, zone in the next 8, then the status bits */
export const STATUS = 3
/** the bit of STATUS that a flow lives by, and the part of it that belongs to the keys */
export const CONFIRMED = 0x0008_0000
export const KEY = 0xffff

/** What takes no flow: no room, or one of the keys is another flow's. */
export const FULL = -1
export const CLASH = -2

/** words before the first flow: what readers in other threads and a later writer want to know */
export const HEADER = 32

export const EMPTY = 0
const REMOVED = 1
/** Longest probe: at half load one this long has a probability below 1e-9. */
const PROBES = 128

function placesOf(capacity: number): number {
  return Math.max(2 * PROBES, 2 ** Math.ceil(Math.log2(capacity * 4)))
}

/** Bytes that a table of `capacity` flows takes. */
export function lengthOf(capacity: number): number {
  return (HEADER + WORDS * (capacity + 1) + placesOf(capacity)) * 4
}

export class Keys {
  readonly capacity: number
  /** all flows, the same bytes as float64, and the index */
  readonly words: Int32Array
  readonly f64: Float64Array
  readonly index: Int32Array
  /** A hash's place in the index is `hash >>> shift`; the next one wraps by `mask`. */
  readonly shift: number
  readonly mask: number
  /** bits of an index entry that are flow << 1 | direction; those above are the hash's low bits */
  readonly bits: number
  readonly seedA: number
  readonly seedB: number
  readonly seedC: number
  readonly seedD: number

  constructor(arena: Arena, at: number, capacity: number) {
    const places = placesOf(capacity)
    this.capacity = capacity
    this.words = new Int32Array(arena.buffer, at + HEADER * 4, WORDS * (capacity + 1))
    this.f64 = new Float64Array(arena.buffer, at + HEADER * 4, (WORDS / 2) * (capacity + 1))
    this.index = new Int32Array(arena.buffer, at + (HEADER + WORDS * (capacity + 1)) * 4, places)
    this.shift = (32 - Math.log2(places)) | 0
    this.mask = places - 1
    this.bits = Math.ceil(Math.log2(2 * (capacity + 1))) | 0
    this.seedA = arena.seed(0)
    this.seedB = arena.seed(1)
    this.seedC = arena.seed(2)
    this.seedD = arena.seed(3)
  }

  /** Whether `flow` lives. */
  isLive(flow: number): boolean {
    return (this.words[flow * WORDS + STATUS] & CONFIRMED) !== 0
  }

  /** The hash of a key; `kind` is protocol | zone << 8. */
  hash(source: number, destination: number, ports: number, kind: number): number {
    const a = Math.imul(source ^ Math.imul(kind, this.seedD), this.seedA)
    const b = Math.imul(destination ^ a ^ (a >>> 15), this.seedB)
    const c = Math.imul(ports ^ b ^ (b >>> 15), this.seedC)
    return Math.imul(c ^ (c >>> 15), this.seedD)
  }

  /** flow << 1 | direction of a key, or -1. */
  find(source: number, destination: number, ports: number, kind: number): number {
    return this.search(this.hash(source, destination, ports, kind), source, destination, ports, kind)
  }

  /** The same for a key whose hash is known. */
  search(hash: number, source: number, destination: number, ports: number, kind: number): number {
    const { index, words, mask, bits } = this
    const tag = hash << bits
    let place = hash >>> this.shift
    for (let probe = 0; probe < PROBES; probe++) {
      const entry = index[place]
      if (entry === EMPTY) return -1
      const id = entry ^ tag
      if (id >>> bits === 0) {
        const flow = (id >> 1) * WORDS
        const key = flow + (id & 1) * REPLY
        if (
          words[key + PORTS] === ports &&
          words[key] === source &&
          words[key + DESTINATION] === destination &&
          (words[flow + STATUS] & (KEY | CONFIRMED)) === (kind | CONFIRMED)
        )
          return id
      }
      place = (place + 1) & mask
    }
    return -1
  }
  /**
   * Looks ahead for a burst: fills `guesses` with the flow << 1 | direction that the first `count` hashes most likely stand for (0 to 1:
   * nobody), and touches the index and the flows so that they are on their way into the cache, all misses at once. Nothing
   * branches on what is read. A guess is true if the key is the flow's; else ask `search`. The result says nothing.
   */
  ahead(hashes: Int32Array, guesses: Int32Array, count: number): number {
    const { index, words } = this
    const bits = this.bits | 0
    const mask = this.mask | 0
    const shift = this.shift | 0
    const end = count | 0
    const low = ((1 << bits) - 1) | 0
    for (let i = 0; i < end; i++) guesses[i] = index[hashes[i] >>> shift]
    let sum = 0
    for (let i = 0; i < end; i++) {
      const hash = hashes[i]
      const first = guesses[i]
      // Of the place and the next one, the second if the tag of the first is another's.
      const other = ((first ^ (hash << bits)) >>> bits) | 0
      const chosen = first ^ ((first ^ index[((hash >>> shift) + 1) & mask]) & ((other | -other) >> 31))
      guesses[i] = chosen & low
      sum += words[((chosen & low) >>> 1) * WORDS]
    }
    return sum
  }

  /** The hash of one of a flow's own keys. */
  protected hashOf(flow: number, direction: number): number {
    const { words } = this
    const key = flow * WORDS + direction * REPLY
    const kind = words[flow * WORDS + STATUS] & KEY
    return this.hash(words[key + SOURCE], words[key + DESTINATION], words[key + PORTS], kind)
  }

  /** Puts a key of a live flow into an index that has no removed entries. */
  protected put(flow: number, direction: number): void {
    const { index, bits } = this
    const hash = this.hashOf(flow, direction)
    let place = hash >>> this.shift
    while (index[place] !== EMPTY) place = (place + 1) & this.mask
    index[place] = (hash << bits) | (flow << 1) | direction
  }

  /** The place in the index where a key goes, CLASH if it is there, FULL if the probe grew too long. */
  protected room(hash: number, source: number, destination: number, ports: number, kind: number): number {
    const { index, words, mask, bits } = this
    const tag = hash << bits
    let place = hash >>> this.shift
    let found = FULL
    for (let probe = 0; probe < PROBES; probe++) {
      const entry = index[place]
      if (entry === EMPTY) return found < 0 ? place : found
      if (entry === REMOVED) {
        if (found < 0) found = place
      } else if ((entry ^ tag) >>> bits === 0) {
        const id = entry ^ tag
        const flow = (id >> 1) * WORDS
        const key = flow + (id & 1) * REPLY
        const same = words[key] === source && words[key + DESTINATION] === destination
        if (same && words[key + PORTS] === ports && (words[flow + STATUS] & KEY) === kind) return CLASH
      }
      place = (place + 1) & mask
    }
    return found
  }

  /** Takes one key of a flow out of the index. */
  protected erase(flow: number, direction: number): void {
    const { index, mask, bits } = this
    const hash = this.hashOf(flow, direction)
    const entry = (hash << bits) | (flow << 1) | direction
    let place = hash >>> this.shift
    for (let probe = 0; index[place] !== entry; probe++) {
      if (probe === PROBES) return
      place = (place + 1) & mask
    }
    index[place] = REMOVED
    if (index[(place + 1) & mask] !== EMPTY) return
    // No probe goes on behind this place, so the removed entries before it hold nothing together any more.
    for (; index[place] === REMOVED; place = (place - 1) & mask) index[place] = EMPTY
  }
}
