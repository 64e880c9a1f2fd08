/** The reader's end of the chronicle: what began and ended, with the times that belong to it. */
import { lifetime } from '../../gateway/tcp.ts'
import * as timeout from '../../gateway/timeout.ts'
import { CLOSE, LAST_ACK, TIME_WAIT } from '../../gateway/transition.ts'
import type { Arena } from '../../memory/arena.ts'
import * as chronicle from '../../table/chronicle.ts'
import { ASSURED, DEADLINE, SEEN_REPLY, STATE, STATUS, WORDS } from '../../table/flow.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import { monotonicMs } from '../listing.ts'

const GRE = 47

/** A connection's begin or end. Times are milliseconds since 1970. */
export interface FlowEvent {
  /** BEGIN, or why it ended, of table/chronicle.ts */
  kind: number
  timeMs: number
  /** null if nobody looked when it began */
  beganMs: number | null
  /** when its last packet came */
  lastMs: number
  /** the flow's, as in table/flow.ts; of this event only, the next one has the same array */
  words: Int32Array
}

/** How long a flow in that state may be silent: its deadline is that much behind its last packet. */
function patience(words: Int32Array, timeouts: Int32Array): number {
  const status = words[STATUS]
  const protocol = status & 0xff
  const isStream = (status & ASSURED) !== 0
  if (protocol === ipv4.PROTOCOL_TCP) {
    const state = words[STATE] & 0x0f
    const usual = lifetime(words, 0, timeouts, state)
    if ((status & SEEN_REPLY) !== 0) return usual
    // What was only refused ended with the refusal; what nobody answers is not waited for as long.
    return state === CLOSE ? 0 : Math.min(usual, timeouts[timeout.TCP_UNACKNOWLEDGED])
  }
  if (protocol === ipv4.PROTOCOL_UDP) return timeouts[isStream ? timeout.UDP_STREAM : timeout.UDP]
  if (protocol === ipv4.PROTOCOL_ICMP) return timeouts[timeout.ICMP]
  if (protocol === GRE) return timeouts[isStream ? timeout.GRE_STREAM : timeout.GRE]
  return timeouts[timeout.GENERIC]
}

/** True for a connection that both sides have closed, or one has reset: what its time was over for was only to be sure. */
function isOver(words: Int32Array): boolean {
  const state = words[STATE] & 0x0f
  const isTcp = (words[STATUS] & 0xff) === ipv4.PROTOCOL_TCP
  return isTcp && (state === LAST_ACK || state === TIME_WAIT || state === CLOSE)
}

export class Reader {
  private readonly arena: Arena
  private readonly base: number
  private readonly words = new Int32Array(WORDS)
  private lost: number

  /** Begins behind what was written before. */
  constructor(arena: Arena, at: number) {
    this.arena = arena
    this.base = at >> 2
    const { i32 } = arena
    Atomics.store(i32, this.base + chronicle.TAIL, Atomics.load(i32, this.base + chronicle.HEAD))
    this.lost = Atomics.load(i32, this.base + chronicle.LOST)
  }

  /** Hands over what was written since the last time, at most `limit` events; returns how many are left. */
  read(timeouts: Int32Array, limit: number, take: (event: FlowEvent) => void): number {
    const { i32 } = this.arena
    const head = Atomics.load(i32, this.base + chronicle.HEAD)
    const tail = i32[this.base + chronicle.TAIL]
    const count = Math.min((head - tail) | 0, limit)
    const [wallMs, clockMs] = [Date.now(), monotonicMs()]
    for (let n = 0; n < count; n++) {
      const place = (tail + n) & (chronicle.CAPACITY - 1)
      take(this.event(this.base + chronicle.HEADER + place * chronicle.WORDS, timeouts, wallMs, clockMs))
    }
    Atomics.store(i32, this.base + chronicle.TAIL, (tail + count) | 0)
    return (head - tail - count) | 0
  }

  /** Events that found no room since the last time. */
  missed(): number {
    const lost = Atomics.load(this.arena.i32, this.base + chronicle.LOST)
    const since = (lost - this.lost) >>> 0
    this.lost = lost
    return since
  }

  private event(r: number, timeouts: Int32Array, wallMs: number, clockMs: number): FlowEvent {
    const { i32, f64 } = this.arena
    const { words } = this
    words.set(i32.subarray(r + chronicle.WORDS_AT, r + chronicle.WORDS_AT + WORDS))
    const clock = i32[r + chronicle.CLOCK_AT]
    const age = f64[(r >> 1) + chronicle.AGE_AT]
    const timeMs = wallMs + ((clock - clockMs) | 0)
    const beganMs = age < 0 ? null : timeMs - age
    const left = (words[DEADLINE] - clock) | 0
    const lastMs = Math.max(beganMs ?? 0, Math.min(timeMs, timeMs + left - patience(words, timeouts)))
    const kind = i32[r + chronicle.KIND_AT]
    const isClosed = kind === chronicle.TIMEOUT && isOver(words)
    return { kind: isClosed ? chronicle.CLOSED : kind, timeMs, beganMs, lastMs, words }
  }
}
