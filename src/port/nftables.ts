/**
 * nf_tables over nfnetlink (linux/netfilter/nf_tables.h), without the `nft` program: the table `bridgeport` in family ip, and in it
 * for each switch a chain and a set of sources that the host translates, and, where guests share a card's MAC, a chain that
 * keeps the host from sending their packets, which reach it too, back to where they came from; networks that end at their
 * interface on the host have a chain that lets nothing be forwarded to or from it.
 *
 *     table ip bridgeport {
 *       set links-1a2b3c4d { type ipv4_addr; flags interval; elements = { 100.64.0.2 } }
 *       chain postrouting-1a2b3c4d { type nat hook postrouting priority srcnat; ip saddr @links-1a2b3c4d masquerade }
 *       chain prerouting-1a2b3c4d {
 *         type filter hook prerouting priority raw
 *         iifname "wlan0" fib daddr oifname "wlan0" fib daddr type unicast drop
 *       }
 *       chain forward-1a2b3c4d { type filter hook forward priority filter; oifname "bp-lab" drop; iifname "bp-lab" drop }
 *     }
 *
 * A batch is applied whole or not at all, so the host never has half of it.
 */
import { native } from '../memory/native.ts'
import {
  ACK,
  APPEND,
  type Attribute,
  big,
  CREATE,
  message,
  NETFILTER,
  NONREC,
  own,
  type Value,
} from './netlink.ts'

export const TABLE = 'bridgeport'

/** Types of messages; those of nf_tables carry the subsystem 10 in their upper byte. */
const BATCH_BEGIN = 16
const BATCH_END = 17
const SUBSYSTEM = 10
const NEWTABLE = 0
const DELTABLE = 2
const NEWCHAIN = 3
const GETCHAIN = 4
const DELCHAIN = 5
const NEWRULE = 6
const DELRULE = 8
const NEWSET = 9
const DELSET = 11
const NEWSETELEM = 12
const DELSETELEM = 14
const FAMILY_IP = 2
const HOOK_PREROUTING = 0
const HOOK_FORWARD = 2
const HOOK_POSTROUTING = 4
/** NF_IP_PRI_RAW, NF_IP_PRI_FILTER, NF_IP_PRI_NAT_SRC */
const PRIORITY_RAW = -300
const PRIORITY_FILTER = 0
const PRIORITY_SRCNAT = 100
const POLICY_ACCEPT = 1
const SET_INTERVAL = 4
const ELEMENT_END = 1
/** nft's number of the data type ipv4_addr, which only listings read */
const TYPE_IPV4_ADDR = 7
const REGISTER = 1
/** NFT_PAYLOAD_NETWORK_HEADER, and where RFC 791 has the source address */
const NETWORK_HEADER = 1
const SOURCE_AT = 12
const META_IIFNAME = 6
const META_OIFNAME = 7
/** NFT_FIB_RESULT_OIFNAME and ADDRTYPE, for the destination */
const FIB_OIFNAME = 2
const FIB_TYPE = 3
const FIB_DESTINATION = 2
const UNICAST = 1
const NAME_LENGTH = 16

/** The chains of a switch, by what they do. */
export const CHAINS = ['translating', 'hushing', 'closing'] as const
export type Chain = (typeof CHAINS)[number]

/** A range of addresses, int32: from `first` up to and without `end`. */
export interface Range {
  first: number
  end: number
}

type Part = [type: number, flags: number, attributes: Attribute[]]

/** struct nfgenmsg: family, version, resource in network order. */
function generic(family: number, resource: number): Uint8Array {
  return Uint8Array.of(family, 0, resource >> 8, resource & 255)
}

/** One datagram that the kernel applies whole; its last message asks for the acknowledgement. */
function batch(parts: Part[]): Buffer {
  const inner = parts.map(([type, flags, attributes], index) => {
    const asks = index === parts.length - 1 ? ACK : 0
    return message((SUBSYSTEM << 8) | type, flags | asks, index + 2, generic(FAMILY_IP, 0), attributes)
  })
  const begin = message(BATCH_BEGIN, 0, 1, generic(0, SUBSYSTEM))
  const end = message(BATCH_END, 0, parts.length + 2, generic(0, SUBSYSTEM))
  return Buffer.concat([begin, ...inner, end])
}

/** Attributes by their numbers. */
function fields(values: Record<number, Value>): Attribute[] {
  return Object.entries(values).map(([type, value]) => [Number(type), value])
}

function names(instance: string): Record<Chain | 'links', string> {
  return {
    links: `links-${instance}`,
    translating: `postrouting-${instance}`,
    hushing: `prerouting-${instance}`,
    closing: `forward-${instance}`,
  }
}

function expression(name: string, data: Record<number, Value>): Attribute {
  return [1, fields({ 1: name, 2: fields(data) })]
}

function element(address: number, flags: number): Attribute {
  const key: Attribute = [1, [[1, big(address)]]]
  return [1, flags === 0 ? [key] : [key, [3, big(flags)]]]
}

/** The table, and a chain of ours in it without rules. */
function chain(name: string, kind: string, hook: number, priority: number): Part[] {
  const place = fields({ 1: big(hook), 2: big(priority) })
  return [
    [NEWTABLE, CREATE, fields({ 1: TABLE })],
    [NEWCHAIN, CREATE, fields({ 1: TABLE, 3: name, 4: place, 5: big(POLICY_ACCEPT), 7: kind })],
    [DELRULE, 0, fields({ 1: TABLE, 2: name })],
  ]
}

function rule(name: string, expressions: Attribute[]): Part {
  return [NEWRULE, CREATE | APPEND, fields({ 1: TABLE, 2: name, 4: expressions })]
}

function send(parts: Part[]): void {
  native.netlinkRequest('', NETFILTER, batch(parts), `table ${TABLE}`)
}

/** Makes the switch's chain translate exactly `ranges`, which do not overlap. Throws a NativeError. */
export function masquerade(instance: string, ranges: Range[]): void {
  const { translating, links } = names(instance)
  const elements = ranges.flatMap(({ first, end }) => [element(first, 0), element(end, ELEMENT_END)])
  const shape = { 3: big(SET_INTERVAL), 4: big(TYPE_IPV4_ADDR), 5: big(4), 10: big(1) }
  send([
    ...chain(translating, 'nat', HOOK_POSTROUTING, PRIORITY_SRCNAT),
    [NEWSET, CREATE, fields({ 1: TABLE, 2: links, ...shape })],
    [DELSETELEM, 0, fields({ 1: TABLE, 2: links })],
    [NEWSETELEM, CREATE, fields({ 1: TABLE, 2: links, 3: elements })],
    rule(translating, [
      expression('payload', { 1: big(REGISTER), 2: big(NETWORK_HEADER), 3: big(SOURCE_AT), 4: big(4) }),
      expression('lookup', { 1: links, 2: big(REGISTER) }),
      expression('masq', {}),
    ]),
  ])
}

/** Loads what `load` says into the register and goes on if it is `wanted`. */
function test(name: string, load: Record<number, Value>, wanted: Uint8Array): Attribute[] {
  const data = [[1, wanted] as const]
  return [expression(name, load), expression('cmp', { 1: big(REGISTER), 2: big(0), 3: data })]
}

/** The name of an interface as registers hold it. */
function pad(ifname: string): Buffer {
  const padded = Buffer.alloc(NAME_LENGTH)
  padded.write(ifname, 'latin1')
  return padded
}

function drop(): Attribute {
  return expression('immediate', { 1: big(0), 2: fields({ 2: fields({ 1: big(0) }) }) })
}

/** Drops what enters by a card and would leave by it again: packets for guests that share its MAC. Throws a NativeError. */
export function hush(instance: string, ifnames: string[]): void {
  const { hushing } = names(instance)
  const rules = ifnames.map((ifname) => {
    const padded = pad(ifname)
    return rule(hushing, [
      ...test('meta', { 1: big(REGISTER), 2: big(META_IIFNAME) }, padded),
      ...test('fib', { 1: big(REGISTER), 2: big(FIB_OIFNAME), 3: big(FIB_DESTINATION) }, padded),
      ...test('fib', { 1: big(REGISTER), 2: big(FIB_TYPE), 3: big(FIB_DESTINATION) }, own(UNICAST)),
      drop(),
    ])
  })
  send([...chain(hushing, 'filter', HOOK_PREROUTING, PRIORITY_RAW), ...rules])
}

/** Lets the host forward nothing to these interfaces, and nothing from them. Throws a NativeError. */
export function shut(instance: string, ifnames: string[]): void {
  const { closing } = names(instance)
  const rules = ifnames.flatMap((ifname) =>
    [META_OIFNAME, META_IIFNAME].map((side) =>
      rule(closing, [...test('meta', { 1: big(REGISTER), 2: big(side) }, pad(ifname)), drop()]),
    ),
  )
  send([...chain(closing, 'filter', HOOK_FORWARD, PRIORITY_FILTER), ...rules])
}

function isThere(name: string): boolean {
  try {
    const ask = message(
      (SUBSYSTEM << 8) | GETCHAIN,
      ACK,
      1,
      generic(FAMILY_IP, 0),
      fields({ 1: TABLE, 3: name }),
    )
    native.netlinkRequest('', NETFILTER, ask, `table ${TABLE}`)
    return true
  } catch (error) {
    if ((error as { code: string }).code === 'ENOENT') return false
    throw error
  }
}

/** Which of the switch's chains are there: whoever loads a firewall anew may have flushed all tables. */
export function present(instance: string): Record<Chain, boolean> {
  const all = names(instance)
  return {
    translating: isThere(all.translating),
    hushing: isThere(all.hushing),
    closing: isThere(all.closing),
  }
}

/** What removes each of the switch's chains, and at last the table if nothing is left in it. */
export function removals(instance: string): Record<Chain | 'table', Buffer> {
  const { translating, hushing, closing, links } = names(instance)
  return {
    translating: batch([
      [DELCHAIN, 0, fields({ 1: TABLE, 3: translating })],
      [DELSET, 0, fields({ 1: TABLE, 2: links })],
    ]),
    hushing: batch([[DELCHAIN, 0, fields({ 1: TABLE, 3: hushing })]]),
    closing: batch([[DELCHAIN, 0, fields({ 1: TABLE, 3: closing })]]),
    table: batch([[DELTABLE, NONREC, fields({ 1: TABLE })]]),
  }
}

/** Removes what `masquerade`, `hush` or `shut` made; that it is gone already is no error, and neither is a kernel without nf_tables. */
export function remove(instance: string, what: readonly Chain[]): void {
  const all = removals(instance)
  for (const each of [...what, 'table'] as const) {
    try {
      native.netlinkRequest('', NETFILTER, all[each], `table ${TABLE}`)
    } catch (error) {
      // EBUSY: another switch has a chain in the table.
      if (!['ENOENT', 'EBUSY', 'EOPNOTSUPP', 'EPROTONOSUPPORT'].includes((error as { code: string }).code))
        throw error
    }
  }
}
