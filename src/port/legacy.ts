/**
 * The filter table of iptables-legacy (ip_tables, linux/netfilter_ipv4/ip_tables.h): what its FORWARD chain would do with a packet.
 *
 *     struct ipt_entry   source 4, destination 4, their masks 8, in and out interface 16 each, their masks 16 each, protocol 2, flags 1,
 *                        inverted 1 | 4 | offset of the target 2 | of the next entry 2 | 4 | counters 16 | matches … | target
 *     match and target   size 2 | name 29 | revision 1 | data …
 */
import { readFileSync } from 'node:fs'
import { native } from '../memory/native.ts'
import { matchesState, type Stop, type Way } from './filter.ts'
import { read16, textOf } from './netlink.ts'

const TABLES = '/proc/net/ip_tables_names'
const ENTRY_LENGTH = 112
const MASKS_AT = 8
const IN_AT = 16
const OUT_AT = 32
const IN_MASK_AT = 48
const OUT_MASK_AT = 64
const PROTOCOL_AT = 80
const FLAGS_AT = 82
const INVERTED_AT = 83
const TARGET_AT = 88
const NEXT_AT = 90
const EXTENSION_LENGTH = 32
const NAME_LENGTH = 16
/** IPT_F_FRAG and IPT_F_GOTO; the bits of INVERTED */
const FRAGMENT = 1
const GOTO = 2
const INVERTED_IN = 1
const INVERTED_OUT = 2
const INVERTED_SOURCE = 8
const INVERTED_DESTINATION = 16
const INVERTED_PROTOCOL = 64
const TCP = 6
/** verdicts of the standard target, -(NF_… + 1) */
const DROP = -1
const ACCEPT = -2
const RETURN = -5
const STEPS_MAX = 100_000

/** True if the interface's name agrees under the mask. */
function isAt(entry: Buffer, at: number, maskAt: number, ifname: string): boolean {
  for (let i = 0; i < NAME_LENGTH; i++) {
    const letter = i < ifname.length ? ifname.charCodeAt(i) : 0
    if (((entry[at + i] ^ letter) & entry[maskAt + i]) !== 0) return false
  }
  return true
}

/** Whether an address is the one asked for; null where the packet may have any. */
function agrees(entry: Buffer, at: number, address: number): boolean | null {
  const mask = entry.readInt32BE(MASKS_AT + at)
  if (mask === 0) return true
  return address === 0 ? null : ((entry.readInt32BE(at) ^ address) & mask) === 0
}

function matches(entry: Buffer, way: Way): boolean {
  const inverted = entry[INVERTED_AT]
  const fits = (bit: number, found: boolean | null) => found !== null && found !== ((inverted & bit) !== 0)
  const protocol = read16(entry, PROTOCOL_AT)
  if (!fits(INVERTED_IN, isAt(entry, IN_AT, IN_MASK_AT, way.ingress))) return false
  if (!fits(INVERTED_OUT, isAt(entry, OUT_AT, OUT_MASK_AT, way.egress))) return false
  if (!fits(INVERTED_SOURCE, agrees(entry, 0, way.source))) return false
  if (!fits(INVERTED_DESTINATION, agrees(entry, 4, way.destination))) return false
  if (protocol !== 0 && !fits(INVERTED_PROTOCOL, protocol === TCP)) return false
  if ((entry[FLAGS_AT] & FRAGMENT) !== 0) return false
  return extensions(entry, way)
}

/** The `-m` of a rule: a comment and a connection's state are known, everything else is passed over. */
function extensions(entry: Buffer, way: Way): boolean {
  const end = read16(entry, TARGET_AT)
  for (let at = ENTRY_LENGTH; at + EXTENSION_LENGTH <= end; ) {
    const size = read16(entry, at)
    const kind = textOf(entry.subarray(at + 2, at + EXTENSION_LENGTH - 1))
    const data = entry.subarray(at + EXTENSION_LENGTH, at + size)
    const holds = kind === 'comment' || (kind === 'conntrack' && matchesState(data, way.established))
    if (!holds || size < EXTENSION_LENGTH) return false
    at += size
  }
  return true
}

/** True if the chain that begins at `at` drops the packet. */
function drops(entries: Buffer, at: number, way: Way): boolean {
  const back: number[] = []
  for (let step = 0; step < STEPS_MAX && at + ENTRY_LENGTH <= entries.length; step++) {
    const entry = entries.subarray(at)
    const next = at + read16(entry, NEXT_AT)
    const target = entry.subarray(read16(entry, TARGET_AT))
    const kind = textOf(target.subarray(2, EXTENSION_LENGTH - 1))
    const isMet = matches(entry, way)
    at = next
    if (!isMet) continue
    if (kind === 'REJECT') return true
    if (kind !== '') continue // LOG, MARK, TCPMSS, …: the packet goes on
    const verdict = target.readInt32LE(EXTENSION_LENGTH)
    if (verdict === DROP) return true
    if (verdict === ACCEPT) return false
    if (verdict === RETURN) at = back.pop() ?? entries.length
    else if (verdict >= 0) {
      if (verdict !== next && (entry[FLAGS_AT] & GOTO) === 0) back.push(next)
      at = verdict
    }
  }
  return false
}

/** Names of the chains that users made: their heads are targets named ERROR. */
function names(entries: Buffer): string[] {
  const result: string[] = []
  for (let at = 0; at + ENTRY_LENGTH <= entries.length; ) {
    const entry = entries.subarray(at)
    const target = entry.subarray(read16(entry, TARGET_AT))
    if (textOf(target.subarray(2, EXTENSION_LENGTH - 1)) === 'ERROR')
      result.push(textOf(target.subarray(EXTENSION_LENGTH)))
    const length = read16(entry, NEXT_AT)
    if (length < ENTRY_LENGTH) break
    at += length
  }
  return result
}

/** True if ip_tables has a filter table: to ask the kernel itself would load one. */
function isLoaded(): boolean {
  try {
    return readFileSync(TABLES, 'latin1').split('\n').includes('filter')
  } catch {
    return false // no ip_tables, or not the right to see
  }
}

/** The FORWARD chain of iptables-legacy if it would stop the packet. Throws a NativeError. */
export function stops(way: Way): Stop[] {
  if (!isLoaded()) return []
  const { entries, forwardAt } = native.iptablesEntries('', 'filter')
  if (!drops(entries, forwardAt, way)) return []
  return [{ family: 'legacy', table: 'filter', chain: 'FORWARD', chains: names(entries) }]
}
