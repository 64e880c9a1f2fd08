// Hot: `find` is asked per packet.
/**
 * The entries of a set's body; shape.ts says where its words stand. Hash types are open addressing with linear probing, at most half full.
 * Late entries are absent to whoever asks, and a sweep removes them.
 *
 * One writer. An entry that goes leaves its place to those behind it (Knuth 6.4, algorithm R): each is copied first and taken away then, so
 * whoever looks for it finds it at any instant, and a crash leaves at worst one entry twice, which the next change puts right. All state
 * is in the arena: any number of objects may stand for one set. Multipliers are secret: a guest cannot aim at one place.
 */
import type { Arena } from '../memory/arena.ts'
import * as s from './shape.ts'

/** what a change answers */
export const DONE = 0
export const EXISTS = 1
export const FULL = 2
export const ABSENT = 3
/** a port outside of a bitmap's, a packet without what the set keeps, or no set at all */
export const UNFIT = 4

/** Longest probe: at half load one this long has a probability below 1e-9. */
const PROBES = 128
/** Places that an addition to a full set looks at for late entries. */
const SHARE = 1024

const { TYPE, COUNT, MASK, STRIDE, HEADER, META, DEADLINE, VERSION, USES, PREFIXES, LENGTHS, NOMATCH } = s

export function maskOf(prefix: number): number {
  return prefix === 0 ? 0 : -1 << (32 - prefix)
}

/** Bits of META that tell entries of one address apart. */
export function keyOf(prefix: number, port: number, protocol: number): number {
  return (port << 16) | (protocol << 8) | (prefix << 2) | s.LIVE
}

export class Entries {
  protected readonly words: Int32Array
  private readonly seedA: number
  private readonly seedB: number
  private readonly seedC: number

  constructor(arena: Arena) {
    this.words = arena.i32
    this.seedA = arena.seed(1)
    this.seedB = arena.seed(2)
    this.seedC = arena.seed(3)
  }

  private home(address: number, key: number): number {
    const a = Math.imul(address ^ Math.imul(key, this.seedA), this.seedB)
    const b = Math.imul(a ^ (a >>> 15), this.seedC)
    return Math.imul(b ^ (b >>> 15), this.seedA)
  }

  /** int32 position of an entry, -1 if there is none. */
  protected find(body: number, address: number, key: number): number {
    const { words } = this
    const mask = words[body + MASK]
    const stride = words[body + STRIDE]
    let place = this.home(address, key) >>> words[body + s.SHIFT]
    for (let probe = 0; probe < PROBES; probe++) {
      const e = body + HEADER + (place << stride)
      const meta = words[e + META]
      if (meta === s.EMPTY) return -1
      if ((meta & ~NOMATCH) === key && words[e] === address) return e
      place = (place + 1) & mask
    }
    return -1
  }

  protected isLate(body: number, e: number, now: number): boolean {
    if (this.words[body + s.TIMED] === 0) return false
    const deadline = this.words[e + DEADLINE]
    return deadline !== 0 && ((deadline - now) | 0) <= 0
  }

  /** When an entry goes that comes now; `never` stands for 0, which no deadline may be. */
  private deadline(body: number, timeoutMs: number, now: number, never: number): number {
    const timeout = timeoutMs < 0 ? this.words[body + s.TIMEOUT] : timeoutMs
    if (timeout === 0 || this.words[body + s.TIMED] === 0) return never
    const deadline = (now + timeout) | 0
    return deadline === 0 || deadline === never ? (deadline + 1) | 0 : deadline
  }

  /** See SetTable.add. `key` is keyOf the entry. */
  protected put(
    body: number,
    address: number,
    key: number,
    nomatch: number,
    timeoutMs: number,
    renew: boolean,
    now: number,
  ): number {
    const { words } = this
    if (words[body + TYPE] === s.BITMAP_PORT) return this.mark(body, key >>> 16, timeoutMs, renew, now)
    if ((words[body + VERSION] & 1) !== 0) this.repair(body)
    const deadline = this.deadline(body, timeoutMs, now, 0)
    let e = this.find(body, address, key)
    if (e >= 0) {
      if (!renew && !this.isLate(body, e, now)) return EXISTS
      if (words[body + s.TIMED] !== 0) words[e + DEADLINE] = deadline
      Atomics.store(words, e + META, key | nomatch)
      return DONE
    }
    if (words[body + COUNT] >= words[body + s.CAPACITY]) this.sweepIn(body, SHARE, now)
    e = words[body + COUNT] >= words[body + s.CAPACITY] ? -1 : this.room(body, address, key)
    if (e < 0) {
      words[body + s.REFUSED]++
      return FULL
    }
    Atomics.store(words, body + VERSION, words[body + VERSION] + 1)
    words[body + COUNT]++
    this.use(body, (key >>> 2) & 63)
    words[e] = address
    if (words[body + s.TIMED] !== 0) words[e + DEADLINE] = deadline
    Atomics.store(words, e + META, key | nomatch)
    Atomics.store(words, body + VERSION, words[body + VERSION] + 1)
    return DONE
  }

  /** Where a new entry goes, -1 if the probe grew too long. */
  private room(body: number, address: number, key: number): number {
    const { words } = this
    let place = this.home(address, key) >>> words[body + s.SHIFT]
    for (let probe = 0; probe < PROBES; probe++) {
      const e = body + HEADER + (place << words[body + STRIDE])
      if (words[e + META] === s.EMPTY) return e
      place = (place + 1) & words[body + MASK]
    }
    return -1
  }

  protected take(body: number, address: number, key: number, now: number): number {
    const { words } = this
    if (words[body + TYPE] === s.BITMAP_PORT) return this.clear(body, key >>> 16, now)
    if ((words[body + VERSION] & 1) !== 0) this.repair(body)
    const e = this.find(body, address, key)
    if (e < 0) return ABSENT
    const wasLate = this.isLate(body, e, now)
    this.drop(body, e)
    return wasLate ? ABSENT : DONE
  }

  private drop(body: number, e: number): void {
    const { words } = this
    Atomics.store(words, body + VERSION, words[body + VERSION] + 1)
    words[body + COUNT]--
    this.disuse(body, (words[e + META] >>> 2) & 63)
    this.close(body, e)
    Atomics.store(words, body + VERSION, words[body + VERSION] + 1)
  }

  /** Takes an entry out; those behind it that began at its place or before move up. */
  private close(body: number, e: number): void {
    const { words } = this
    const mask = words[body + MASK]
    const stride = words[body + STRIDE]
    const first = body + HEADER
    let hole = (e - first) >> stride
    Atomics.store(words, e + META, s.GONE)
    for (let place = (hole + 1) & mask; ; place = (place + 1) & mask) {
      const from = first + (place << stride)
      const meta = words[from + META]
      if (meta === s.EMPTY) break
      if (meta === s.GONE) continue
      const home = this.home(words[from], meta & ~NOMATCH) >>> words[body + s.SHIFT]
      if (((place - home) & mask) < ((place - hole) & mask)) continue
      const to = first + (hole << stride)
      words[to] = words[from]
      if (stride === 2) words[to + DEADLINE] = words[from + DEADLINE]
      Atomics.store(words, to + META, meta)
      Atomics.store(words, from + META, s.GONE)
      hole = place
    }
    Atomics.store(words, first + (hole << stride) + META, s.EMPTY)
  }

  /** One entry more of a prefix length. */
  private use(body: number, prefix: number): void {
    const { words } = this
    if (words[body + USES + prefix]++ > 0) return
    const type = words[body + TYPE]
    if (type !== s.HASH_NET && type !== s.HASH_NET_PORT) return
    let i = words[body + LENGTHS]++
    for (; i > 0 && words[body + PREFIXES + i - 1] < prefix; i--)
      words[body + PREFIXES + i] = words[body + PREFIXES + i - 1]
    words[body + PREFIXES + i] = prefix
  }

  private disuse(body: number, prefix: number): void {
    const { words } = this
    if (--words[body + USES + prefix] > 0) return
    const end = words[body + LENGTHS]
    let i = 0
    while (i < end && words[body + PREFIXES + i] !== prefix) i++
    if (i === end) return
    for (; i < end - 1; i++) words[body + PREFIXES + i] = words[body + PREFIXES + i + 1]
    words[body + LENGTHS] = end - 1
  }

  /** Looks at the next `share` places and removes what is late. */
  protected sweepIn(body: number, share: number, now: number): void {
    const { words } = this
    const type = words[body + TYPE]
    if (words[body + s.TIMED] === 0 || type === s.LIST_SET) return
    const isBitmap = type === s.BITMAP_PORT
    if ((words[body + VERSION] & 1) !== 0 && !isBitmap) this.repair(body)
    const places = isBitmap ? words[body + s.LAST] - words[body + s.FIRST] + 1 : words[body + MASK] + 1
    const stride = isBitmap ? 0 : words[body + STRIDE]
    let cursor = words[body + s.CURSOR]
    for (let i = Math.min(share, places); i > 0; i--) {
      if (cursor >= places) cursor = 0
      const e = body + HEADER + (cursor << stride)
      if (isBitmap) this.fade(body, e, now)
      // Who moves up into the place is looked at too.
      else while ((words[e + META] & s.LIVE) !== 0 && this.isLate(body, e, now)) this.drop(body, e)
      cursor++
    }
    words[body + s.CURSOR] = cursor
  }

  private fade(body: number, e: number, now: number): void {
    const deadline = this.words[e]
    if (deadline === 0 || deadline === s.LASTING || ((deadline - now) | 0) > 0) return
    this.words[e] = 0
    this.words[body + COUNT]--
  }

  /** A port comes into a bitmap. */
  private mark(body: number, port: number, timeoutMs: number, renew: boolean, now: number): number {
    const { words } = this
    if (port < words[body + s.FIRST] || port > words[body + s.LAST]) return UNFIT
    const e = body + HEADER + port - words[body + s.FIRST]
    this.fade(body, e, now)
    const isNew = words[e] === 0
    if (!isNew && !renew) return EXISTS
    words[e] = this.deadline(body, timeoutMs, now, s.LASTING)
    if (isNew) words[body + COUNT]++
    return DONE
  }

  private clear(body: number, port: number, now: number): number {
    const { words } = this
    if (port < words[body + s.FIRST] || port > words[body + s.LAST]) return UNFIT
    const e = body + HEADER + port - words[body + s.FIRST]
    this.fade(body, e, now)
    if (words[e] === 0) return ABSENT
    words[e] = 0
    words[body + COUNT]--
    return DONE
  }

  /** Puts right what a change that did not end has left: places between two states, entries that stand twice, counts. */
  private repair(body: number): void {
    const { words } = this
    const step = 1 << words[body + STRIDE]
    const end = body + HEADER + ((words[body + MASK] + 1) << words[body + STRIDE])
    for (let e = body + HEADER; e < end; e += step) {
      const meta = words[e + META]
      const isTwice = (meta & s.LIVE) !== 0 && this.find(body, words[e], meta & ~NOMATCH) !== e
      if (meta === s.GONE || isTwice) this.close(body, e)
    }
    words.fill(0, body + USES, body + HEADER)
    words[body + LENGTHS] = 0
    words[body + COUNT] = 0
    for (let e = body + HEADER; e < end; e += step) {
      if ((words[e + META] & s.LIVE) === 0) continue
      words[body + COUNT]++
      this.use(body, (words[e + META] >>> 2) & 63)
    }
    Atomics.store(words, body + VERSION, words[body + VERSION] + 1)
  }
}
