// Hot: the mappings of RFC 4787: which outside endpoint stands for an inside one, and the other way round.
/**
 * A record is 8 int32, 32 bytes. A mapping has two keys, found from inside and from outside. A permission (RFC 4787 5, filtering by
 * address) has the key from inside alone. A pair has no key: it lets a flow hold two records, which stand in words 0 and 1.
 *
 *   0 inside address   | 1 inside port << 16 | outside port
 *   2 peer address     | 3 peer port << 16 | protocol << 8 | kind     the peer is 0 where the mapping does not depend on it
 *   4 outside address  | 5 link inside << 16 | link outside           by the index of its local port
 *   6 references       | 7 next free
 *
 * Records count their holders, the flows; the last one to let go ends them. The index is that of table/flow.ts: two places a key, each
 * record << 1 | side, plus one, and bits of the hash above it. It is derived, as the counts are: both are built anew when a
 * writer attaches, so that a crash may leave them in any state. A record's word 3 is stored last and cleared first.
 */
import type { Arena } from '../memory/arena.ts'

export const WORDS = 8
export const INSIDE = 0
export const PORTS = 1
export const PEER = 2
export const KIND = 3
export const OUTSIDE = 4
export const LINKS = 5
export const REFERENCES = 6
const NEXT = 7

/** kinds, the low byte of word 3; 0 is a free record */
export const MAPPING = 1
export const PERMISSION = 2
export const PAIR = 3

/** words before the first record, and where their number stands that were ever used */
export const HEADER = 16
export const HIGH = 0
const COUNT = 1
const EMPTY = 0
/** Longest probe: at half load one this long has a probability below 1e-9. */
const PROBES = 128
export const CAPACITY_MAX = 2 ** 22

function placesOf(capacity: number): number {
  return Math.max(2 * PROBES, 2 ** Math.ceil(Math.log2(capacity * 4)))
}

/** Bytes that a table of `capacity` records takes. */
export function lengthOf(capacity: number): number {
  return (HEADER + WORDS * capacity + placesOf(capacity)) * 4
}

export class BindingTable {
  readonly capacity: number
  count = 0
  readonly words: Int32Array
  private readonly header: Int32Array
  private readonly index: Int32Array
  private readonly shift: number
  private readonly mask: number
  private readonly bits: number
  private readonly seedA: number
  private readonly seedB: number
  private readonly seedC: number
  private readonly seedD: number
  private free = -1

  /** Attaches to the bytes at `at`. Every record's count is 0 then: the translation says by `hold` who is held, and ends the rest. */
  constructor(arena: Arena, at: number, capacity: number) {
    const places = placesOf(capacity)
    this.capacity = capacity
    this.header = new Int32Array(arena.buffer, at, HEADER)
    this.words = new Int32Array(arena.buffer, at + HEADER * 4, WORDS * capacity)
    this.index = new Int32Array(arena.buffer, at + (HEADER + WORDS * capacity) * 4, places)
    this.shift = (32 - Math.log2(places)) | 0
    this.mask = places - 1
    this.bits = Math.ceil(Math.log2(2 * capacity + 2)) | 0
    this.seedA = arena.seed(1)
    this.seedB = arena.seed(2)
    this.seedC = arena.seed(3)
    this.seedD = arena.seed(0)
    if (this.header[HIGH] > 0) this.recover()
  }

  /** records from this number on were never used */
  get high(): number {
    return this.header[HIGH]
  }

  kind(record: number): number {
    return this.words[record * WORDS + KIND] & 0xff
  }

  protocol(record: number): number {
    return (this.words[record * WORDS + KIND] >>> 8) & 0xff
  }

  insidePort(record: number): number {
    return this.words[record * WORDS + PORTS] >>> 16
  }

  outsidePort(record: number): number {
    return this.words[record * WORDS + PORTS] & 0xffff
  }

  /** The record that most likely is an inside endpoint's, some record if it has none: what is read is on its way into the cache. */
  guess(links: number, address: number, port: number, peer: number, kind: number): number {
    const hash = this.hash(address ^ Math.imul(links, this.seedD), peer, kind ^ Math.imul(port, this.seedA))
    const id = this.index[hash >>> this.shift] & ((1 << this.bits) - 1)
    return (id === 0 ? 0 : id - 1) >> 1
  }

  /** The record that an inside endpoint has, or -1. `kind` is the record's whole word 3. */
  findInside(links: number, address: number, port: number, peer: number, kind: number): number {
    const { index, words, mask, bits } = this
    const hash = this.hash(address ^ Math.imul(links, this.seedD), peer, kind ^ Math.imul(port, this.seedA))
    const tag = hash << bits
    let place = hash >>> this.shift
    for (let probe = 0; probe < PROBES; probe++) {
      const entry = index[place]
      if (entry === EMPTY) return -1
      if ((entry ^ tag) >>> bits === 0) {
        const id = ((entry << (32 - bits)) >>> (32 - bits)) - 1
        const r = (id >> 1) * WORDS
        if (
          (id & 1) === 0 &&
          words[r + KIND] === kind &&
          words[r] === address &&
          words[r + PORTS] >>> 16 === port &&
          words[r + PEER] === peer &&
          words[r + LINKS] === links
        )
          return id >> 1
      }
      place = (place + 1) & mask
    }
    return -1
  }

  /** The mapping that an outside endpoint of the link `outside` has, or -1. */
  findOutside(outside: number, address: number, port: number, protocol: number): number {
    const { index, words, mask, bits } = this
    const hash = this.hash(address, outside, (port << 8) | protocol)
    const tag = hash << bits
    let place = hash >>> this.shift
    for (let probe = 0; probe < PROBES; probe++) {
      const entry = index[place]
      if (entry === EMPTY) return -1
      if ((entry ^ tag) >>> bits === 0) {
        const id = ((entry << (32 - bits)) >>> (32 - bits)) - 1
        const r = (id >> 1) * WORDS
        if (
          (id & 1) === 1 &&
          (words[r + KIND] & 0xffff) === ((protocol << 8) | MAPPING) &&
          words[r + OUTSIDE] === address &&
          (words[r + PORTS] & 0xffff) === port &&
          (words[r + LINKS] & 0xffff) === outside
        )
          return id >> 1
      }
      place = (place + 1) & mask
    }
    return -1
  }

  /** Makes a mapping or a permission that nobody holds yet; -1 if the table is full. `ports` is inside << 16 | outside. */
  create(
    links: number,
    address: number,
    ports: number,
    peer: number,
    kind: number,
    outsideAddress: number,
  ): number {
    const record = this.take()
    if (record < 0) return -1
    const r = record * WORDS
    const { words } = this
    words[r] = address
    words[r + PORTS] = ports
    words[r + PEER] = peer
    words[r + OUTSIDE] = outsideAddress
    words[r + LINKS] = links
    words[r + REFERENCES] = 0
    Atomics.store(words, r + KIND, kind)
    this.enter(record, 0)
    if ((kind & 0xff) === MAPPING) this.enter(record, 1)
    return record
  }

  /** Makes a record that holds two others, which must have been held for it; -1 if the table is full. */
  pair(one: number, other: number): number {
    const record = this.take()
    if (record < 0) return -1
    const r = record * WORDS
    this.words[r] = one
    this.words[r + PORTS] = other
    this.words[r + REFERENCES] = 0
    Atomics.store(this.words, r + KIND, PAIR)
    return record
  }

  hold(record: number): void {
    this.words[record * WORDS + REFERENCES]++
  }

  /** One holder less; true if it was the last one: then the record is to be removed. */
  drop(record: number): boolean {
    return --this.words[record * WORDS + REFERENCES] <= 0
  }

  /** Ends a record. */
  remove(record: number): void {
    const r = record * WORDS
    const kind = this.kind(record)
    if (kind === MAPPING || kind === PERMISSION) this.erase(record, 0)
    if (kind === MAPPING) this.erase(record, 1)
    Atomics.store(this.words, r + KIND, 0)
    this.words[r + NEXT] = this.free
    this.free = record
    this.header[COUNT] = --this.count
  }

  private hash(a: number, b: number, c: number): number {
    const x = Math.imul(a, this.seedA)
    const y = Math.imul(b ^ x ^ (x >>> 15), this.seedB)
    const z = Math.imul(c ^ y ^ (y >>> 15), this.seedC)
    return Math.imul(z ^ (z >>> 15), this.seedD)
  }

  private hashOf(r: number, side: number): number {
    const { words } = this
    const ports = words[r + PORTS]
    const kind = words[r + KIND]
    const links = words[r + LINKS]
    if (side === 1)
      return this.hash(words[r + OUTSIDE], links & 0xffff, ((ports & 0xffff) << 8) | ((kind >>> 8) & 0xff))
    const address = words[r] ^ Math.imul(links, this.seedD)
    return this.hash(address, words[r + PEER], kind ^ Math.imul(ports >>> 16, this.seedA))
  }

  private take(): number {
    if (this.count >= this.capacity) return -1
    let record = this.free
    if (record >= 0) this.free = this.words[record * WORDS + NEXT]
    else record = this.header[HIGH]++
    this.header[COUNT] = ++this.count
    return record
  }

  /** Puts one key into the index. At most half of the places are in use, so there is room. */
  private enter(record: number, side: number): void {
    const { index, mask } = this
    const hash = this.hashOf(record * WORDS, side)
    let place = hash >>> this.shift
    while (index[place] !== EMPTY) place = (place + 1) & mask
    index[place] = (hash << this.bits) | ((record << 1) + side + 1)
  }

  /** Takes one key out of the index; those behind it that began at its place or before move up (Knuth 6.4, algorithm R). */
  private erase(record: number, side: number): void {
    const { index, mask, bits } = this
    const hash = this.hashOf(record * WORDS, side)
    const entry = (hash << bits) | ((record << 1) + side + 1)
    let hole = hash >>> this.shift
    for (let probe = 0; index[hole] !== entry; probe++) {
      if (probe === PROBES) return
      hole = (hole + 1) & mask
    }
    for (let place = (hole + 1) & mask; index[place] !== EMPTY; place = (place + 1) & mask) {
      const id = ((index[place] << (32 - bits)) >>> (32 - bits)) - 1
      const home = this.hashOf((id >> 1) * WORDS, id & 1) >>> this.shift
      if (((place - home) & mask) < ((place - hole) & mask)) continue
      index[hole] = index[place]
      hole = place
    }
    index[hole] = EMPTY
  }

  /** Builds the index and the chain of free records anew from those that live; their counts begin at 0. */
  private recover(): void {
    const { words, index } = this
    index.fill(EMPTY)
    for (let record = this.header[HIGH] - 1; record >= 0; record--) {
      const kind = this.kind(record)
      if (kind === 0) {
        words[record * WORDS + NEXT] = this.free
        this.free = record
        continue
      }
      this.count++
      words[record * WORDS + REFERENCES] = 0
      if (kind !== PAIR) this.enter(record, 0)
      if (kind === MAPPING) this.enter(record, 1)
    }
    this.header[COUNT] = this.count
  }
}
