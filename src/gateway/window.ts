// Hot: the windows of a TCP connection.
/**
 * Window tracking after G. van Rooij, "Real Stateful TCP Packet Filtering in IP Filter" (2000), with nf_conntrack's bounds. Of each
 * direction is kept what its sender may do:
 *
 *   END  the highest sequence number sent, plus one      MAXEND  the highest that the other side's window allows
 *   MAXWIN  the largest window offered                   MAXACK  the highest acknowledgement
 *
 * A segment belongs to the connection if it begins at most at MAXEND, ends no lower than a window before END, and acknowledges nothing
 * unsent and nothing too old. One that is merely old is passed on without effect; one far outside is refused: a reset or data
 * forged by somebody who does not see the connection lands there.
 *
 *   STATE:  0–3 state | 4–6 last kind | 7 last direction | 8–10 repetitions | 11–14 last scale | 16–23 last flags | 24–27, 28–31 scales
 *   LAST_WINDOW:  0–7, 8–15 flags by direction | 16–31 last window
 */
import { LAST_ACKNOWLEDGED, LAST_END, LAST_SEQUENCE, LAST_WINDOW, STATE, TCP } from '../table/flow.ts'
import { ACK, RST, SYN } from '../wire/tcp.ts'
import type { Segment } from './segment.ts'
import { ACK_SET, SYN_RECV, SYN_SENT } from './transition.ts'

/** words of a direction */
const END = 0
const MAXEND = 1
const MAXWIN = 2
const MAXACK = 3

/** flags of a direction, and of the last SYN that was let through out of turn */
export const SCALED = 0x01
const SACK = 0x02
/** this side began to close */
export const CLOSE_INIT = 0x04
/** the connection was picked up under way: its windows are not known for certain */
const LIBERAL = 0x08
export const UNACKNOWLEDGED = 0x10
const MAXACK_SET = 0x20
/** of the last SYN: the other side may answer it by a challenge ACK (RFC 5961 4) */
export const CHALLENGE = 0x40
/** both sides sent a SYN */
export const SIMULTANEOUS = 0x80

/** What the windows say of a segment. */
export const INSIDE = 0
export const BESIDE = 1
export const OUTSIDE = 2
/** more than the other side's window allows, but not more than another window */
const OVERSHOT = 3

/** An acknowledgement may be this much older than the newest, or a window if that is larger (nf_conntrack's MAXACKWINDOW). */
const ACK_RANGE = 66_000
const REPETITIONS_MAX = 7

function before(a: number, b: number): boolean {
  return ((a - b) | 0) < 0
}

/** Position of a direction's words. */
function side(f: number, direction: number): number {
  return f + TCP + (direction << 2)
}

export class Window {
  private readonly words: Int32Array
  private readonly segment: Segment

  constructor(words: Int32Array, segment: Segment) {
    this.words = words
    this.segment = segment
  }

  /** Fills the words at `f` of a new flow from its first segment. */
  open(f: number): void {
    const { words, segment } = this
    const d = side(f, 0)
    words[d + END] = segment.end
    words[d + MAXEND] = segment.end
    words[d + MAXWIN] = Math.max(segment.window, 1)
    if ((segment.flags & SYN) !== 0) {
      this.options(f, 0)
      return
    }
    words[d + MAXEND] = (segment.end + words[d + MAXWIN]) | 0
    words[f + LAST_WINDOW] = ((SACK | LIBERAL) << 8) | SACK | LIBERAL
  }

  flags(f: number, direction: number): number {
    return (this.words[f + LAST_WINDOW] >>> (direction << 3)) & 0xff
  }

  setFlags(f: number, direction: number, flags: number): void {
    const shift = direction << 3
    this.words[f + LAST_WINDOW] = (this.words[f + LAST_WINDOW] & ~(0xff << shift)) | (flags << shift)
  }

  /** True if the other side has acknowledged anything yet. */
  isAcknowledged(f: number, direction: number): boolean {
    return (this.flags(f, 1 - direction) & MAXACK_SET) !== 0
  }

  /** Bytes by which the segment begins behind what the other side expects next. */
  ahead(f: number, direction: number): number {
    return (this.segment.sequence - this.words[side(f, 1 - direction) + MAXACK]) | 0
  }

  /** The common case: the segment has ACK, both sides are known, and it lies in the windows. Then its effect is recorded. */
  passes(f: number, direction: number): boolean {
    const sack = this.sackOf(f, direction)
    if (this.place(f, direction, sack) !== INSIDE) return false
    this.record(f, direction, sack)
    return true
  }

  /** Admits a segment of any kind; what lies INSIDE has its effect recorded. Numbers that say nothing are replaced in the segment. */
  admit(f: number, direction: number): number {
    const { words, segment } = this
    const { flags } = segment
    const sender = side(f, direction)
    const receiver = side(f, 1 - direction)
    const state = words[f + STATE] & 0x0f
    let sack = this.sackOf(f, direction)
    if ((flags & SYN) !== 0) {
      const isFirst = words[sender + MAXWIN] === 0
      const isAnew =
        !isFirst && before(words[sender + END], segment.end) && (state === SYN_SENT || state === SYN_RECV)
      if (isFirst || isAnew) {
        this.greet(f, direction)
        if ((flags & ACK) === 0 && (isFirst || direction === 1)) return INSIDE
      }
    } else if (words[sender + MAXWIN] === 0) this.meet(f, direction, sack)
    if ((flags & ACK) === 0 || ((flags & RST) !== 0 && segment.acknowledged === 0)) {
      // Some stacks set ACK in a reset and acknowledge nothing.
      segment.acknowledged = words[receiver + END]
      sack = segment.acknowledged
    }
    if ((flags & RST) !== 0 && segment.sequence === 0 && state === SYN_SENT) {
      segment.sequence = words[sender + END]
      segment.end = segment.sequence
    }
    const place = this.place(f, direction, sack)
    if (place === INSIDE) {
      this.record(f, direction, sack)
      return INSIDE
    }
    const mine = this.flags(f, direction)
    if (place === OVERSHOT) {
      // The other side may take it all the same; then its acknowledgement must not look like one of unsent data.
      words[sender + END] = segment.end
      this.setFlags(f, direction, mine | UNACKNOWLEDGED)
    }
    if ((mine & LIBERAL) !== 0) return INSIDE
    return place === OUTSIDE ? OUTSIDE : BESIDE
  }

  /** Takes over what was noted of a SYN out of turn, now that the other side has accepted it: both forget the connection before. */
  resume(f: number, direction: number, lastFlags: number, lastScale: number): void {
    const { words } = this
    const from = side(f, 1 - direction)
    const to = side(f, direction)
    words[from + END] = words[f + LAST_END]
    words[from + MAXEND] = words[f + LAST_END]
    words[from + MAXWIN] = Math.max(words[f + LAST_WINDOW] >>> 16, 1)
    this.setScale(f, 1 - direction, lastScale)
    this.setFlags(f, 1 - direction, lastFlags)
    for (let word = to; word <= to + MAXACK; word++) words[word] = 0
    this.setScale(f, direction, 0)
    this.setFlags(f, direction, this.flags(f, direction) & LIBERAL)
  }

  private scale(f: number, direction: number): number {
    return (this.words[f + STATE] >>> (24 + (direction << 2))) & 0x0f
  }

  private setScale(f: number, direction: number, scale: number): void {
    const shift = 24 + (direction << 2)
    this.words[f + STATE] = (this.words[f + STATE] & ~(0x0f << shift)) | (scale << shift)
  }

  /** The highest number that the segment acknowledges; blocks count only if the other side agreed to them. */
  private sackOf(f: number, direction: number): number {
    const isAgreed = (this.flags(f, 1 - direction) & SACK) !== 0
    return isAgreed ? this.segment.sack() : this.segment.acknowledged
  }

  /** A side's first SYN, or a new one: what was known of the side is replaced. */
  private greet(f: number, direction: number): void {
    const { words, segment } = this
    const d = side(f, direction)
    words[d + END] = segment.end
    words[d + MAXEND] = segment.end
    words[d + MAXWIN] = Math.max(segment.window, 1)
    this.options(f, direction)
    // RFC 7323 2.2: scaling holds only if both sides sent the option.
    if (direction === 1 && (this.flags(f, 0) & this.flags(f, 1) & SCALED) === 0) {
      this.setScale(f, 0, 0)
      this.setScale(f, 1, 0)
    }
  }

  /** A side's first segment of a connection under way. */
  private meet(f: number, direction: number, sack: number): void {
    const { words, segment } = this
    const sender = side(f, direction)
    const receiver = side(f, 1 - direction)
    words[sender + END] = segment.end
    words[sender + MAXWIN] = Math.max(segment.window << this.scale(f, direction), 1)
    words[sender + MAXEND] = (segment.end + words[sender + MAXWIN]) | 0
    if (words[receiver + MAXWIN] === 0) {
      words[receiver + END] = sack
      words[receiver + MAXEND] = sack
    } else if (sack === ((words[receiver + END] + 1) | 0)) words[receiver + END] = sack // answers a keepalive
  }

  /** Where a segment lies; changes nothing. */
  private place(f: number, direction: number, sack: number): number {
    const { words } = this
    const { sequence, end } = this.segment
    const sender = side(f, direction)
    const receiver = side(f, 1 - direction)
    const window = words[receiver + MAXWIN]
    const limit = words[receiver + END]
    const range = Math.max(words[sender + MAXWIN] >>> 0, ACK_RANGE)
    const isYoung = before((limit - range - 1) | 0, sack)
    const isHigh = before((words[sender + END] - window - 1) | 0, end)
    const isSent = before(sack, (limit + 1) | 0)
    if (!before(sequence, (words[sender + MAXEND] + 1) | 0)) {
      const overshot = (end - words[sender + MAXEND] + 1) >>> 0
      const isLittle = window !== 0 && isHigh && overshot <= window >>> 0
      return isLittle && isYoung && isSent ? OVERSHOT : OUTSIDE
    }
    if (!isSent) return OUTSIDE
    return (isHigh || window === 0) && isYoung ? INSIDE : BESIDE
  }

  /**
   * The effect of a segment that lies in the windows. The packed words are read once and stored once: what follows a store of the same
   * word waits for it.
   */
  private record(f: number, direction: number, sack: number): void {
    const { words, segment } = this
    const { sequence, end, acknowledged } = segment
    const sender = side(f, direction)
    const receiver = side(f, 1 - direction)
    const shift = direction << 3
    const scale = (segment.flags & SYN) !== 0 ? 0 : (words[f + STATE] >>> (24 + (direction << 2))) & 0x0f
    const window = segment.window << scale
    const offered = (window + ((sack - acknowledged) | 0)) >>> 0
    let lasts = words[f + LAST_WINDOW]
    if (words[sender + MAXWIN] >>> 0 < offered) words[sender + MAXWIN] = offered
    const over = (end - words[sender + MAXEND]) | 0
    if (over > 0 && words[receiver + MAXWIN] !== 0) words[receiver + MAXWIN] += over
    if (before(words[sender + END], end)) {
      words[sender + END] = end
      lasts |= UNACKNOWLEDGED << shift
    }
    if ((segment.flags & ACK) !== 0) {
      if (((lasts >>> shift) & MAXACK_SET) === 0 || before(words[sender + MAXACK], acknowledged))
        words[sender + MAXACK] = acknowledged
      lasts |= MAXACK_SET << shift
    }
    const edge = (sack + window) | 0
    if (before((words[receiver + MAXEND] - 1) | 0, edge))
      words[receiver + MAXEND] = (edge + (window === 0 ? 1 : 0)) | 0
    if (acknowledged === words[receiver + END]) lasts &= ~(UNACKNOWLEDGED << (8 - shift))
    if (segment.kind === ACK_SET && !this.repeats(f, direction)) {
      words[f + LAST_SEQUENCE] = sequence
      words[f + LAST_ACKNOWLEDGED] = acknowledged
      words[f + LAST_END] = end
      lasts = (lasts & 0xffff) | (segment.window << 16)
    }
    words[f + LAST_WINDOW] = lasts
  }

  /** Counts repetitions of one acknowledgement, for the other side may have gone; false if it is a new one. */
  private repeats(f: number, direction: number): boolean {
    const { words, segment } = this
    const state = words[f + STATE]
    const isSame =
      words[f + LAST_SEQUENCE] === segment.sequence &&
      words[f + LAST_ACKNOWLEDGED] === segment.acknowledged &&
      words[f + LAST_END] === segment.end &&
      ((state >>> 7) & 1) === direction &&
      words[f + LAST_WINDOW] >>> 16 === segment.window
    if (!isSame) words[f + STATE] = (state & ~0x780) | (direction << 7)
    else if (((state >>> 8) & REPETITIONS_MAX) < REPETITIONS_MAX) words[f + STATE] = state + 0x100
    return isSame
  }

  /** Reads what a SYN offers. */
  private options(f: number, direction: number): void {
    const { segment } = this
    if (!segment.options()) return
    this.setScale(f, direction, Math.max(segment.scale, 0))
    this.setFlags(f, direction, (this.flags(f, direction) & LIBERAL) | flagsOf(segment))
  }
}

/** What a SYN's options say, as flags. */
export function flagsOf(segment: Segment): number {
  return (segment.scale >= 0 ? SCALED : 0) | (segment.isSackPermitted ? SACK : 0)
}
