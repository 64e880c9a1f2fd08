// Hot: the state of TCP connections. Cost: 56 ns an ordinary segment (npm run bench).
/**
 * What a segment is to its flow, as nf_conntrack sees it: the state's transition, then what a reset must be to be believed
 * (RFC 5961 3), then the windows, then how long the flow may live without another. A SYN out of turn may be a host that began
 * anew: it is passed on and noted, and what the other side answers decides.
 */
import {
  ASSURED,
  CLOSING,
  DEADLINE,
  FAST,
  type FlowTable,
  LAST_ACKNOWLEDGED,
  LAST_END,
  LAST_SEQUENCE,
  LAST_WINDOW,
  SEEN_REPLY,
  STATE,
  STATUS,
  WORDS,
} from '../table/flow.ts'
import { Segment } from './segment.ts'
import { TCP_MAX_RETRANS, TCP_UNACKNOWLEDGED } from './timeout.ts'
import * as t from './transition.ts'
import {
  CHALLENGE,
  CLOSE_INIT,
  flagsOf,
  INSIDE,
  OUTSIDE,
  SIMULTANEOUS,
  UNACKNOWLEDGED,
  Window,
} from './window.ts'

/** What a segment is to its connection. */
export const ACCEPTED = 0
export const REFUSED = 1
/** A connection that has ended begins anew: the flow is to be removed and the segment looked at as a first one. */
export const REOPENED = 2
/** It goes on, but says nothing of the connection: neither its time to live nor its counters know of it. */
export const IGNORED = 3

/** kind of the segment before the first */
const NO_KIND = 5
/** What a reset is: refused, believed as it is, asked to lie in the windows, and that without closing the connection. */
const INVALID_RESET = 0
const BELIEVED = 1
const ASKED = 2
const CHALLENGED = 3

/** Repetitions of one acknowledgement after which the other side seems gone (nf_conntrack_tcp_max_retrans). */
const REPETITIONS = 3
/** A FIN or RST outside the windows shortens a deadline that is further away than this. */
const SHORT_MS = 120_000

/** Milliseconds that the flow at `f` lives in `state` without another segment. */
export function lifetime(words: Int32Array, f: number, timeouts: Int32Array, state: number): number {
  const standard = timeouts[state]
  const flags = words[f + LAST_WINDOW]
  if (((words[f + STATE] >>> 8) & 7) >= REPETITIONS && standard > timeouts[TCP_MAX_RETRANS])
    return timeouts[TCP_MAX_RETRANS]
  if ((flags & (UNACKNOWLEDGED | (UNACKNOWLEDGED << 8))) !== 0 && standard > timeouts[TCP_UNACKNOWLEDGED])
    return timeouts[TCP_UNACKNOWLEDGED]
  if (flags >>> 16 === 0 && standard > timeouts[TCP_MAX_RETRANS]) return timeouts[TCP_MAX_RETRANS]
  return standard
}

export class Tcp {
  /** connections that are already under way when their first segment comes are picked up (nf_conntrack_tcp_loose) */
  loose = true
  private readonly words: Int32Array
  private readonly timeouts: Int32Array
  private readonly segment: Segment
  private readonly window: Window

  /** `timeouts` as in timeout.ts. */
  constructor(view: DataView, flows: FlowTable, timeouts: Int32Array) {
    this.words = flows.words
    this.timeouts = timeouts
    this.segment = new Segment(view)
    this.window = new Window(flows.words, this.segment)
  }

  /** True if the header at `at` of a packet that ends at `end` is whole and its flags can stand together. */
  isValid(at: number, end: number): boolean {
    return this.segment.isValid(at, end)
  }

  /** True if a valid segment may be a connection's first. */
  opens(at: number, end: number): boolean {
    this.segment.read(at, end)
    const state = t.transitions[t.rowOf(0, this.segment.kind) + t.NONE]
    return state === t.SYN_SENT || (state === t.ESTABLISHED && this.loose)
  }

  /** Begins to follow a new flow with its first segment. */
  open(flow: number, at: number, end: number, now: number): void {
    const f = flow * WORDS
    this.segment.read(at, end)
    this.words[f + STATE] = NO_KIND << 4
    this.window.open(f)
    this.follow(f, 0, now)
  }

  /** Follows one valid segment of a flow: ACCEPTED, REFUSED or REOPENED. */
  track(flow: number, direction: number, at: number, end: number, now: number): number {
    this.segment.read(at, end)
    return this.follow(flow * WORDS, direction, now)
  }

  /**
   * The same for an ordinary segment of an established connection, ACK without SYN, FIN or RST inside the windows: true, and its effect
   * is recorded; for every other one false, and nothing is changed. The flow must be FAST.
   */
  pass(flow: number, direction: number, at: number, end: number, now: number): boolean {
    const { segment } = this
    const f = flow * WORDS
    if (!segment.isValid(at, end)) return false
    segment.read(at, end)
    if (segment.kind !== t.ACK_SET || !this.window.passes(f, direction)) return false
    this.note(f, direction)
    this.words[f + DEADLINE] = (now + lifetime(this.words, f, this.timeouts, t.ESTABLISHED)) | 0
    return true
  }

  private follow(f: number, direction: number, now: number): number {
    const { words, window } = this
    const { kind } = this.segment
    let old = words[f + STATE] & 0x0f
    let state = t.transitions[t.rowOf(direction, kind) + old]
    if (state === t.INVALID) return REFUSED
    if (state === t.IGNORE || (state === t.SYN_SENT && old >= t.TIME_WAIT)) {
      if (state !== t.IGNORE && this.hasEnded(f, direction)) return REOPENED
      if (!this.agrees(f, direction)) {
        this.ignore(f, direction, old)
        return IGNORED
      }
      old = t.SYN_SENT
      state = t.SYN_RECV
    } else if (state === t.TIME_WAIT && this.isChallenge(f, direction, old)) return IGNORED
    else if (state === t.SYN_SENT2) words[f + STATE] |= SIMULTANEOUS << 16
    else if (state === t.SYN_RECV && direction === 1 && kind === t.ACK_SET) {
      if ((words[f + STATE] & (SIMULTANEOUS << 16)) !== 0) state = t.ESTABLISHED
    }
    const reset = kind === t.RST_SET ? this.reset(f, direction, old) : ASKED
    if (reset === INVALID_RESET) return REFUSED
    if (reset === CHALLENGED) state = old
    if (reset !== BELIEVED) {
      const place = window.admit(f, direction)
      if (place === OUTSIDE) this.shorten(f, direction, now)
      if (place !== INSIDE) return place === OUTSIDE ? REFUSED : IGNORED
    }
    return this.settle(f, direction, old, state, now)
  }

  /** Ends a connection that a rule has reset. */
  close(flow: number, now: number): void {
    const { words, timeouts } = this
    const f = flow * WORDS
    words[f + STATE] = (words[f + STATE] & ~0x0f) | t.CLOSE
    words[f + STATUS] = (words[f + STATUS] & ~FAST) | CLOSING
    words[f + DEADLINE] = (now + timeouts[t.CLOSE]) | 0
  }

  /** The flow goes over into `state`, and its deadline is set. */
  private settle(f: number, direction: number, old: number, state: number, now: number): number {
    const { words, timeouts, window } = this
    const { kind } = this.segment
    this.note(f, direction)
    words[f + STATE] = (words[f + STATE] & ~0x0f) | state
    if (state !== old && state === t.FIN_WAIT)
      window.setFlags(f, direction, window.flags(f, direction) | CLOSE_INIT)
    let status = words[f + STATUS] & ~(CLOSING | FAST)
    let left = kind === t.RST_SET ? this.closing(f, state) : lifetime(words, f, timeouts, state)
    if ((status & SEEN_REPLY) === 0) {
      // A connection that was only ever refused ends with the refusal, and repeated SYNs alone keep none.
      if (kind === t.RST_SET) left = 0
      else if (kind === t.SYN_ONLY && old === t.SYN_SENT) return IGNORED
      else if (state === t.ESTABLISHED) left = Math.min(left, timeouts[TCP_UNACKNOWLEDGED])
    } else if (state === t.ESTABLISHED && (old === t.SYN_RECV || old === t.ESTABLISHED)) status |= ASSURED
    if (state >= t.FIN_WAIT && state <= t.CLOSE) status |= CLOSING
    if (state === t.ESTABLISHED && (status & ASSURED) !== 0) status |= FAST
    words[f + STATUS] = status
    words[f + DEADLINE] = (now + left) | 0
    return ACCEPTED
  }

  /** Notes kind and direction of the segment. */
  private note(f: number, direction: number): void {
    this.words[f + STATE] = (this.words[f + STATE] & ~0xf0) | (this.segment.kind << 4) | (direction << 7)
  }

  private lastKind(f: number): number {
    return (this.words[f + STATE] >>> 4) & 7
  }

  private lastDirection(f: number): number {
    return (this.words[f + STATE] >>> 7) & 1
  }

  /** The same after a reset. */
  private closing(f: number, state: number): number {
    const { timeouts } = this
    const isRepeated = ((this.words[f + STATE] >>> 8) & 7) >= REPETITIONS
    if (isRepeated && timeouts[state] > timeouts[TCP_MAX_RETRANS]) return timeouts[TCP_MAX_RETRANS]
    return timeouts[t.CLOSE]
  }

  /** True if a side closed the connection before, or this side reset it: a SYN is then a new connection's. */
  private hasEnded(f: number, direction: number): boolean {
    const flags = this.words[f + LAST_WINDOW]
    if ((flags & (CLOSE_INIT | (CLOSE_INIT << 8))) !== 0) return true
    return this.lastDirection(f) === direction && this.lastKind(f) === t.RST_SET
  }

  /** True if the segment accepts a SYN that was passed on out of turn; the connection is then that SYN's. */
  private agrees(f: number, direction: number): boolean {
    const { words, segment } = this
    if (segment.kind !== t.SYN_ACK || this.lastKind(f) !== t.SYN_ONLY || this.lastDirection(f) === direction)
      return false
    if (segment.acknowledged !== words[f + LAST_END]) return false
    words[f + STATE] &= ~(CHALLENGE << 16)
    this.window.resume(f, direction, (words[f + STATE] >>> 16) & 0xff, (words[f + STATE] >>> 11) & 0x0f)
    return true
  }

  /** Notes a segment that is passed on though it does not fit. */
  private ignore(f: number, direction: number, old: number): void {
    const { words, segment } = this
    this.note(f, direction)
    words[f + LAST_SEQUENCE] = segment.sequence
    words[f + LAST_END] = segment.end
    words[f + LAST_WINDOW] = (words[f + LAST_WINDOW] & 0xffff) | (segment.window << 16)
    if (segment.kind === t.SYN_ONLY && direction === 0) {
      const has = segment.options()
      const flags = (has ? flagsOf(segment) : 0) | (old === t.LAST_ACK ? CHALLENGE : 0)
      const scale = has ? Math.max(segment.scale, 0) : 0
      words[f + STATE] = (words[f + STATE] & ~0x00ff7800) | (flags << 16) | (scale << 11)
    }
    if (segment.kind === t.ACK_SET && direction === 1 && old === t.SYN_SENT)
      words[f + LAST_ACKNOWLEDGED] = segment.acknowledged
  }

  /** True for the challenge ACK to a SYN in LAST_ACK (RFC 5961 4): it does not acknowledge the FIN. */
  private isChallenge(f: number, direction: number, old: number): boolean {
    const { words } = this
    if (old !== t.LAST_ACK || this.segment.kind !== t.ACK_SET) return false
    if (this.lastDirection(f) === direction || this.lastKind(f) !== t.SYN_ONLY) return false
    if ((words[f + STATE] & (CHALLENGE << 16)) === 0) return false
    words[f + STATE] &= ~(CHALLENGE << 16)
    return true
  }

  /** What a reset is to a flow in state `old`. */
  private reset(f: number, direction: number, old: number): number {
    const { words, segment, window } = this
    const last = this.lastKind(f)
    const status = words[f + STATUS]
    if (old >= t.FIN_WAIT && old <= t.CLOSE) return BELIEVED
    if (window.isAcknowledged(f, direction) && last !== t.SYN_ONLY) {
      const isEstablished = old === t.ESTABLISHED && (status & ASSURED) !== 0
      if (segment.sequence === 0 && !isEstablished) return ASKED
      const ahead = window.ahead(f, direction)
      if (ahead < 0) return INVALID_RESET
      if (!isEstablished || ahead === 0) return ASKED
      const isTrain = last === t.ACK_SET && this.lastDirection(f) === direction
      if (isTrain && segment.sequence === words[f + LAST_END]) return ASKED
      // RFC 5961 3.2: not what the other side expects next; it may answer by a challenge, and the connection goes on.
      return CHALLENGED
    }
    // It refuses the other side's SYN or ACK that was passed on out of turn: what is acknowledged was never tracked.
    const isOther = this.lastDirection(f) !== direction && segment.acknowledged === words[f + LAST_END]
    if (isOther && (status & SEEN_REPLY) !== 0 && last === t.SYN_ONLY) return BELIEVED
    if (isOther && (status & ASSURED) === 0 && last === t.ACK_SET) return BELIEVED
    const isChallenged = old === t.SYN_SENT && last === t.ACK_SET && this.lastDirection(f) === 1
    return isChallenged && segment.sequence === words[f + LAST_ACKNOWLEDGED] ? BELIEVED : ASKED
  }

  /** A FIN or RST of an assured connection lay outside: if one of the other side did before, they are out of step with us. */
  private shorten(f: number, direction: number, now: number): void {
    const { words } = this
    const { kind } = this.segment
    if ((words[f + STATUS] & ASSURED) === 0 || (kind !== t.RST_SET && kind !== t.FIN_SET)) return
    const last = this.lastKind(f)
    if (this.lastDirection(f) === direction || (last !== t.FIN_SET && last !== t.RST_SET)) {
      this.note(f, direction)
      return
    }
    const left = (words[f + DEADLINE] - now) | 0
    const short = this.timeouts[TCP_UNACKNOWLEDGED]
    if (left >= SHORT_MS && left > short) words[f + DEADLINE] = (now + short) | 0
  }
}
