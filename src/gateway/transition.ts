/**
 * The states of a TCP connection and what a segment of either side makes of them, as a middle box sees it: nf_conntrack_proto_tcp's
 * states, and its transitions, so that a kernel in the same place would say the same.
 */

/** States; the numbers are the kernel's and the places of their timeouts. */
export const NONE = 0
export const SYN_SENT = 1
export const SYN_RECV = 2
export const ESTABLISHED = 3
export const FIN_WAIT = 4
export const CLOSE_WAIT = 5
export const LAST_ACK = 6
export const TIME_WAIT = 7
export const CLOSE = 8
/** both sides sent a SYN: simultaneous open */
export const SYN_SENT2 = 9
/** No states: the segment is passed on though it does not fit, or it cannot belong here. */
export const IGNORE = 10
export const INVALID = 11
const STATES = 10

/** by number, as conntrack(8) writes them */
export const stateNames = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
] as const

/** Kinds of segment: what counts first of RST, SYN, FIN, ACK. */
export const SYN_ONLY = 0
export const SYN_ACK = 1
export const FIN_SET = 2
export const ACK_SET = 3
export const RST_SET = 4
const KINDS = 5

/** A letter a state; `.` is IGNORE, `x` INVALID. */
const letters = '-SRECWLTX2.x'

/**
 * For each direction and kind of segment the new state by the old one, in the order `- S R E C W L T X 2`: none, SYN sent, SYN received,
 * established, FIN wait (C), close wait (W), last ACK, time wait, closed (X), both SYNs sent.
 */
const rows: readonly string[] = [
  // From the side that opened. A SYN out of turn is let through: the other side knows better and answers it (RFC 9293 3.10.7.4).
  'SS.....SS2',
  'xxRxxxxxxR',
  'xxCCLLLTXx',
  'ExEEWWTTXx',
  'xXXXXXXXXX',
  // From the side that answers. Its SYN alone is a simultaneous open, or the connection reopened from its end after TIME_WAIT.
  'x2xxxxxSx2',
  'xR.......R',
  'xxCCLLLTXx',
  'x.REWWTTX.',
  'xXXXXXXXXX',
]

/** The new state at [(direction * 5 + kind) * 10 + old state]. */
export const transitions = Uint8Array.from(rows.join(''), (letter) => letters.indexOf(letter))

/** Place of a direction's and kind's row among the transitions. */
export function rowOf(direction: number, kind: number): number {
  return (direction * KINDS + kind) * STATES
}

/** Combinations of FIN 1, SYN 2, RST 4, ACK 16, URG 32 that a segment may have; PSH, ECE and CWR go with all of them. */
export const combinations = new Uint8Array(64)
for (const flags of [0x02, 0x22, 0x12, 0x04, 0x14, 0x11, 0x31, 0x10, 0x30]) combinations[flags] = 1
