// Hot: what rules tell of packets, LOG, NFLOG and TRACE; at most 1,000 records a second, so what one costs does not matter.
/**
 * A ring of records with one writer, worker 0, and one reader, the control thread. A record is 64 int32:
 *
 *   0 kind   | 1 rule        | 2 generation | 3 table << 8 | hook
 *   4 in     | 5 out         | 6 mark       | 7 state
 *   8 source | 9 destination | 10 ports     | 11 length of the packet
 *   12 bytes of it that follow << 16 | bytes of the Ethernet header | 13 hops that its TTL has not lost yet | 14, 15 wall time, float64
 *   16–19 the Ethernet header | 20–51 the packet from its IPv4 header on
 *
 * The head is stored by the writer alone, the tail by the reader; a full ring refuses and counts. Who tells too much is cut short by a token
 * bucket whose level stands in the header, so that all that tell share it.
 */
import {
  AGED,
  AT,
  DESTINATION,
  END,
  HOOK,
  IN_INDEX,
  LENGTH,
  MARK,
  NETWORK,
  NOW,
  OUT_INDEX,
  PORTS,
  SOURCE,
  STATE,
  TABLE,
} from '../chain/registers.ts'
import type { Arena } from '../memory/arena.ts'

/** Kinds of records. */
export const LOG = 1
export const NFLOG = 2
export const TRACE = 3

/** Positions in the header: three cache lines, the writer's words, the reader's, the counts. */
export const HEAD = 0
export const GENERATION = 1
const TOKENS = 2
const FILLED = 3
const BEGUN = 4
export const TAIL = 16
export const OVERFLOW = 32
export const SUPPRESSED = 33
export const HEADER = 48

export const CAPACITY = 2048
export const WORDS = 64
/** bytes of a packet that are kept: its headers, and a little of what it carries */
export const KEPT = 128
const ETHERNET = 14

/** A thousand records a second, one a millisecond, and as many at once. */
export const RATE = 1000
const BURST = RATE

export const KIND_AT = 0
export const RULE_AT = 1
export const GENERATION_AT = 2
export const HOOK_AT = 3
export const IN_AT = 4
export const OUT_AT = 5
export const MARK_AT = 6
export const STATE_AT = 7
export const SOURCE_AT = 8
export const DESTINATION_AT = 9
export const PORTS_AT = 10
export const LENGTH_AT = 11
export const KEPT_AT = 12
export const AGED_AT = 13
/** position among float64 */
export const TIME_AT = 7
export const ETHERNET_AT = 16
export const PACKET_AT = 20

/** Bytes of the region. */
export function lengthOf(): number {
  return (HEADER + CAPACITY * WORDS) * 4
}

/** The writer's end; any number of them in the one thread that writes. */
export class Journal {
  private readonly i32: Int32Array
  private readonly f64: Float64Array
  private readonly u8: Uint8Array
  private readonly base: number
  private readonly isOpen: boolean

  /** `at` in bytes; 0: nothing is written. */
  constructor(arena: Arena, at: number) {
    this.i32 = arena.i32
    this.f64 = arena.f64
    this.u8 = arena.u8
    this.base = at >> 2
    this.isOpen = at !== 0
  }

  /** of the rules in force, 0 where nothing is written */
  get generation(): number {
    return this.isOpen ? this.i32[this.base + GENERATION] : 0
  }

  /** From now on rules have the numbers of another ruleset. */
  turn(): void {
    if (this.isOpen) Atomics.store(this.i32, this.base + GENERATION, this.i32[this.base + GENERATION] + 1)
  }

  /** Tells of the packet in the registers; false if there is no room, or too much was told lately. */
  write(x: Int32Array, kind: number, rule: number): boolean {
    if (!this.isOpen) return false
    const { i32, base } = this
    if (!this.allows(x[NOW])) {
      i32[base + SUPPRESSED]++
      return false
    }
    const head = i32[base + HEAD]
    if (((head - Atomics.load(i32, base + TAIL)) | 0) >= CAPACITY) {
      i32[base + OVERFLOW]++
      return false
    }
    const r = base + HEADER + (head & (CAPACITY - 1)) * WORDS
    i32[r + KIND_AT] = kind
    i32[r + RULE_AT] = rule
    i32[r + GENERATION_AT] = i32[base + GENERATION]
    i32[r + HOOK_AT] = (x[TABLE] << 8) | x[HOOK]
    i32[r + IN_AT] = x[IN_INDEX]
    i32[r + OUT_AT] = x[OUT_INDEX]
    i32[r + MARK_AT] = x[MARK]
    i32[r + STATE_AT] = x[STATE]
    i32[r + SOURCE_AT] = x[SOURCE]
    i32[r + DESTINATION_AT] = x[DESTINATION]
    i32[r + PORTS_AT] = x[PORTS]
    i32[r + LENGTH_AT] = x[LENGTH]
    i32[r + AGED_AT] = x[AGED]
    this.f64[(r >> 1) + TIME_AT] = Date.now()
    this.copy(x, r)
    Atomics.store(i32, base + HEAD, (head + 1) | 0)
    return true
  }

  /** The packet's headers, as far as they are there. */
  private copy(x: Int32Array, r: number): void {
    const { u8, i32 } = this
    const ethernet = x[NETWORK] - x[AT] === ETHERNET ? ETHERNET : 0
    const length = Math.max(0, Math.min(KEPT, x[END] - x[NETWORK]))
    if (ethernet !== 0) u8.copyWithin((r + ETHERNET_AT) * 4, x[AT], x[NETWORK])
    u8.copyWithin((r + PACKET_AT) * 4, x[NETWORK], x[NETWORK] + length)
    i32[r + KEPT_AT] = (length << 16) | ethernet
  }

  /** Takes a token if there is one; a millisecond brings one back. */
  private allows(now: number): boolean {
    const { i32, base } = this
    if (i32[base + BEGUN] === 0) {
      i32[base + BEGUN] = 1
      i32[base + FILLED] = now
      i32[base + TOKENS] = BURST
    }
    const passed = (now - i32[base + FILLED]) | 0
    if (passed !== 0) {
      i32[base + FILLED] = now
      // A clock that seems to run backwards has wrapped while nothing was told.
      const gained = passed < 0 ? BURST : Math.min(passed, BURST)
      i32[base + TOKENS] = Math.min(i32[base + TOKENS] + gained, BURST)
    }
    if (i32[base + TOKENS] === 0) return false
    i32[base + TOKENS]--
    return true
  }
}
