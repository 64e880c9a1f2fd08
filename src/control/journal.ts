/** The reader's end of the journal: what rules told of packets, as plain values. */
import type { Arena } from '../memory/arena.ts'
import * as journal from '../table/journal.ts'

/** What was told of one packet by one rule. */
export interface Entry {
  /** LOG, NFLOG or TRACE of table/journal.ts */
  kind: number
  /** number of its counter, in the ruleset of that generation */
  rule: number
  generation: number
  /** as in rule.ts */
  table: number
  hook: number
  /** 1 + index of a port, 0 for none */
  ingress: number
  egress: number
  mark: number
  /** STATE_… of registers.ts */
  state: number
  /** addresses and ports as they were for the rule; the packet's bytes may not say so yet */
  source: number
  destination: number
  ports: number
  /** of the whole packet, bytes */
  length: number
  aged: number
  /** milliseconds since 1970 */
  timeMs: number
  /** the Ethernet header, empty if there was none; the packet's beginning */
  ethernet: Uint8Array
  packet: Uint8Array
}

/** Reads what a worker writes; one reader. */
export class Reader {
  private readonly arena: Arena
  private readonly base: number
  private overflow = 0
  private suppressed = 0

  constructor(arena: Arena, at: number) {
    this.arena = arena
    this.base = at >> 2
  }

  /** The generation of the rules that are in force: what their records bear. */
  get generation(): number {
    return Atomics.load(this.arena.i32, this.base + journal.GENERATION)
  }

  /** Takes what was written since the last time. */
  read(): Entry[] {
    const { i32 } = this.arena
    const head = Atomics.load(i32, this.base + journal.HEAD)
    let tail = i32[this.base + journal.TAIL]
    const found: Entry[] = []
    while (tail !== head) {
      found.push(this.entry(this.base + journal.HEADER + (tail & (journal.CAPACITY - 1)) * journal.WORDS))
      tail = (tail + 1) | 0
    }
    if (found.length > 0) Atomics.store(i32, this.base + journal.TAIL, tail)
    return found
  }

  /** What was not written since the last time: because too much was told, and because nobody read. */
  lost(): { suppressed: number; overflow: number } {
    const { i32 } = this.arena
    const suppressed = Atomics.load(i32, this.base + journal.SUPPRESSED)
    const overflow = Atomics.load(i32, this.base + journal.OVERFLOW)
    const since = {
      suppressed: (suppressed - this.suppressed) >>> 0,
      overflow: (overflow - this.overflow) >>> 0,
    }
    this.suppressed = suppressed
    this.overflow = overflow
    return since
  }

  private entry(r: number): Entry {
    const { i32, f64, u8 } = this.arena
    const hook = i32[r + journal.HOOK_AT]
    const kept = i32[r + journal.KEPT_AT]
    const bytes = (word: number, length: number) => u8.slice((r + word) * 4, (r + word) * 4 + length)
    return {
      kind: i32[r + journal.KIND_AT],
      rule: i32[r + journal.RULE_AT],
      generation: i32[r + journal.GENERATION_AT],
      table: hook >> 8,
      hook: hook & 0xff,
      ingress: i32[r + journal.IN_AT],
      egress: i32[r + journal.OUT_AT],
      mark: i32[r + journal.MARK_AT] >>> 0,
      state: i32[r + journal.STATE_AT],
      source: i32[r + journal.SOURCE_AT],
      destination: i32[r + journal.DESTINATION_AT],
      ports: i32[r + journal.PORTS_AT],
      length: i32[r + journal.LENGTH_AT],
      aged: i32[r + journal.AGED_AT],
      timeMs: f64[(r >> 1) + journal.TIME_AT],
      ethernet: bytes(journal.ETHERNET_AT, kept & 0xffff),
      packet: bytes(journal.PACKET_AT, kept >>> 16),
    }
  }
}
