/**
 * How long a flow lives without a packet: nf_conntrack's names without prefix and suffix, and its defaults, but for what the RFCs on NAT
 * ask more of: a UDP mapping lives five minutes (RFC 4787, REQ-5) and an ICMP query one (RFC 5508, REQ-2).
 *
 * TCP's stand first, each at the number of its state in gateway/tcp.ts; a table of them is an Int32Array of milliseconds.
 */
const SECOND = 1000
const MINUTE = 60 * SECOND
const DAY = 24 * 60 * MINUTE

/** Deadlines are wrapping int32 milliseconds: what is further away than half of their range looks past. */
export const TIMEOUT_MAX = 20 * DAY

/** Places in the table beside TCP's states 1 to 9. */
export const TCP_MAX_RETRANS = 10
export const TCP_UNACKNOWLEDGED = 11
export const UDP = 12
export const UDP_STREAM = 13
export const ICMP = 14
export const GENERIC = 15
export const GRE = 16
export const GRE_STREAM = 17

/** Name and milliseconds, in the order of the table. SCTP has no states here: an association is tracked by its addresses, as `generic`. */
const table: readonly [string, number][] = [
  ['', 0],
  ['tcpSynSent', 2 * MINUTE],
  ['tcpSynRecv', MINUTE],
  ['tcpEstablished', 5 * DAY],
  ['tcpFinWait', 2 * MINUTE],
  ['tcpCloseWait', MINUTE],
  ['tcpLastAck', 30 * SECOND],
  ['tcpTimeWait', 2 * MINUTE],
  ['tcpClose', 10 * SECOND],
  ['tcpSynSent2', 2 * MINUTE],
  ['tcpMaxRetrans', 5 * MINUTE],
  ['tcpUnacknowledged', 5 * MINUTE],
  ['udp', 5 * MINUTE],
  ['udpStream', 5 * MINUTE],
  ['icmp', MINUTE],
  ['generic', 10 * MINUTE],
  ['gre', 30 * SECOND],
  ['greStream', 3 * MINUTE],
]

/** The table with what a configuration says otherwise, by name; names that are not in it change nothing. */
export function timeouts(written: Record<string, number> = {}): number[] {
  return table.map(([name, standard]) => Math.min(written[name] ?? standard, TIMEOUT_MAX))
}
