// Hot: begins and ends of flows, for the flow log. Cost: 120 ns a record, off a test a flow made or ended (npm run bench).
/**
 * A ring of records with one writer, worker 0, and one reader, the control thread. A record is 40 int32:
 *
 *   0 BEGIN, or why it ended | 1 the worker's clock, milliseconds | 2, 3 age, float64 milliseconds, -1 if its begin was not seen
 *   4–7 unused | 8–39 the flow's words, as in flow.ts
 *
 * The head is stored by the writer alone, the tail by the reader; a full ring refuses and counts. The clock is an int32 that wraps after
 * 49 days; ages are kept by one in float64, which goes on from record to record.
 */
import type { Arena } from '../memory/arena.ts'
import { WORDS as FLOW } from './key.ts'

/** What happened: a flow was made, or ended because its time was over, ... */
export const BEGIN = 0
export const TIMEOUT = 1
/** ... because another connection took its place, */
export const CLOSED = 2
/** ... because the table was full, */
export const EVICTED = 3
/** ... because somebody said so, or took its network away. */
export const FORGOTTEN = 4

/** Positions in the header: three cache lines, the writer's words, the reader's, the count of what was lost. */
export const HEAD = 0
const LAST = 1
/** position among float64 */
const CLOCK = 1
export const TAIL = 16
export const LOST = 32
export const HEADER = 48

/** A tenth of a second's worth where 300,000 flows begin and end in a second. */
export const CAPACITY = 65_536
export const WORDS = 40

export const KIND_AT = 0
export const CLOCK_AT = 1
/** position among float64 */
export const AGE_AT = 1
export const WORDS_AT = 8

/** Bytes of the region. */
export function lengthOf(): number {
  return (HEADER + CAPACITY * WORDS) * 4
}

export class Chronicle {
  /** where its region begins, bytes */
  readonly at: number
  private readonly i32: Int32Array
  private readonly f64: Float64Array
  private readonly base: number
  private readonly clock: number
  private readonly flows: Int32Array
  /** by flow: when it began, by the float64 clock; 0 for those from before */
  private readonly begun: Float64Array

  /** Writes to the region at `at` about the flows in `words`; the worker's clock is the int32 at `clockAt`. Both in bytes. */
  constructor(arena: Arena, at: number, clockAt: number, words: Int32Array) {
    this.at = at
    this.i32 = arena.i32
    this.f64 = arena.f64
    this.base = at >> 2
    this.clock = clockAt >> 2
    this.flows = words
    this.begun = new Float64Array(words.length / FLOW)
    this.i32[this.base + LAST] = this.i32[this.clock]
    this.f64[(this.base >> 1) + CLOCK] = 1
  }

  /** A flow is made, and its words stand. */
  begin(flow: number): void {
    this.advance()
    this.begun[flow] = this.f64[(this.base >> 1) + CLOCK]
    this.write(flow, BEGIN)
  }

  /** A flow ends; its words still stand. */
  end(flow: number, why: number): void {
    this.advance()
    this.write(flow, why)
    this.begun[flow] = 0
  }

  private advance(): void {
    const { i32, base } = this
    const now = i32[this.clock]
    this.f64[(base >> 1) + CLOCK] += (now - i32[base + LAST]) | 0
    i32[base + LAST] = now
  }

  private write(flow: number, kind: number): void {
    const { i32, f64, base, flows, begun } = this
    const head = i32[base + HEAD]
    if (((head - Atomics.load(i32, base + TAIL)) | 0) >= CAPACITY) {
      Atomics.store(i32, base + LOST, i32[base + LOST] + 1)
      return
    }
    const r = base + HEADER + (head & (CAPACITY - 1)) * WORDS
    i32[r + KIND_AT] = kind
    i32[r + CLOCK_AT] = i32[base + LAST]
    f64[(r >> 1) + AGE_AT] = begun[flow] === 0 ? -1 : f64[(base >> 1) + CLOCK] - begun[flow]
    const f = flow * FLOW
    for (let w = 0; w < FLOW; w++) i32[r + WORDS_AT + w] = flows[f + w]
    Atomics.store(i32, base + HEAD, (head + 1) | 0)
  }
}
