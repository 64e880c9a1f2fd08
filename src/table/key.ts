// Hot: the index of the flow table. Cost: see flow.ts.
/**
 * Open addressing with linear probing, four places a flow, each one int32: flow << 1 | direction in the lower `bits`, the low bits of the
 * key's hash above them, so that nearly every miss is seen without touching the flow. A place is that of the hash's bits from `shift` on,
 * and `shift` is such that an entry's upper seven bits are the low seven of the place where its probe began: a removed entry's place is
 * filled from behind without touching a flow (Knuth 6.4, algorithm R), and probes stay as short as the load makes them.
 *
 * Flow 0 is never used, so 0 is a free place, and every entry names a line that may be touched. Only the writer reads the index, and it is
 * derived from the flows: it is built anew when a writer attaches, so a crash may leave it in any state. Multipliers are
 * secret: a guest cannot aim at one place.
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
/** Longest probe, so that seven bits tell where it began; at half load one this long has a probability below 1e-9. */
const PROBES = 128
const HOME = 25

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
  /** A hash's place in the index is `(hash >>> shift) & mask`, and the next one wraps by `mask`. */
  readonly shift: number
  readonly mask: number
  /** bits of an index entry that are flow << 1 | direction; those above are the hash's low bits */
  readonly bits: number
  readonly seedA: number
  readonly seedB: number
  readonly seedC: number
  readonly seedD: number
  /** what `touch` read, kept so that it is read */
  protected touched = 0

  constructor(arena: Arena, at: number, capacity: number) {
    const places = placesOf(capacity)
    this.capacity = capacity
    this.words = new Int32Array(arena.buffer, at + HEADER * 4, WORDS * (capacity + 1))
    this.f64 = new Float64Array(arena.buffer, at + HEADER * 4, (WORDS / 2) * (capacity + 1))
    this.index = new Int32Array(arena.buffer, at + (HEADER + WORDS * (capacity + 1)) * 4, places)
    this.mask = places - 1
    this.bits = Math.ceil(Math.log2(2 * (capacity + 1))) | 0
    this.shift = (HOME - this.bits) | 0
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
    let place = (hash >>> this.shift) & mask
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
   * Looks ahead for a burst: fills `guesses` with the flow << 1 | direction that the first `count` hashes most likely stand for (0:
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
    for (let i = 0; i < end; i++) guesses[i] = index[(hashes[i] >>> shift) & mask]
    let sum = 0
    for (let i = 0; i < end; i++) {
      const hash = hashes[i]
      const first = guesses[i]
      // Of the place and the next one, the second if the tag of the first is another's.
      const other = ((first ^ (hash << bits)) >>> bits) | 0
      const chosen = first ^ ((first ^ index[((hash >>> shift) + 1) & mask]) & ((other | -other) >> 31))
      guesses[i] = chosen & low
    }
    // Apart from the choice: the shorter a loop is, the more of its misses are under way at a time.
    for (let i = 0; i < end; i++) sum ^= words[(guesses[i] >>> 1) * WORDS]
    return sum
  }

  /** Touches the place of a key in the index; the result says nothing. */
  touchKey(source: number, destination: number, ports: number, kind: number): number {
    return this.index[(this.hash(source, destination, ports, kind) >>> this.shift) & this.mask]
  }

  /** Touches the places of both keys of a flow: two misses at once, not one after the other. */
  protected touch(hash: number, replyHash: number): void {
    const { index, mask, shift } = this
    this.touched = index[(hash >>> shift) & mask] ^ index[(replyHash >>> shift) & mask]
  }

  /** The hash of one of a flow's own keys. */
  protected hashOf(flow: number, direction: number): number {
    const { words } = this
    const key = flow * WORDS + direction * REPLY
    const kind = words[flow * WORDS + STATUS] & KEY
    return this.hash(words[key + SOURCE], words[key + DESTINATION], words[key + PORTS], kind)
  }

  /** Puts a key of a live flow into the index, which does not have it. */
  protected put(flow: number, direction: number): void {
    const { index, mask, bits } = this
    const hash = this.hashOf(flow, direction)
    let place = (hash >>> this.shift) & mask
    while (index[place] !== EMPTY) place = (place + 1) & mask
    index[place] = (hash << bits) | (flow << 1) | direction
  }

  /** The free place in the index where a key goes, CLASH if it is there, FULL if the probe grew too long. */
  protected room(hash: number, source: number, destination: number, ports: number, kind: number): number {
    const { index, words, mask, bits } = this
    const tag = hash << bits
    let place = (hash >>> this.shift) & mask
    for (let probe = 0; probe < PROBES; probe++) {
      const entry = index[place]
      if (entry === EMPTY) return place
      const id = entry ^ tag
      if (id >>> bits === 0) {
        const flow = (id >> 1) * WORDS
        const key = flow + (id & 1) * REPLY
        const same = words[key] === source && words[key + DESTINATION] === destination
        if (same && words[key + PORTS] === ports && (words[flow + STATUS] & KEY) === kind) return CLASH
      }
      place = (place + 1) & mask
    }
    return FULL
  }

  /** Takes one key of a flow out of the index; those behind it that began at its place or before move up. */
  protected erase(flow: number, direction: number): void {
    const { index, mask, bits } = this
    const hash = this.hashOf(flow, direction)
    const entry = (hash << bits) | (flow << 1) | direction
    let hole = (hash >>> this.shift) & mask
    for (let probe = 0; index[hole] !== entry; probe++) {
      if (probe === PROBES) return
      hole = (hole + 1) & mask
    }
    for (let place = (hole + 1) & mask; index[place] !== EMPTY; place = (place + 1) & mask) {
      const travelled = (place - (index[place] >>> HOME)) & (PROBES - 1)
      if (travelled < ((place - hole) & mask)) continue
      index[hole] = index[place]
      hole = place
    }
    index[hole] = EMPTY
  }
}
