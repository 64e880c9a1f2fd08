/**
 * nf_tables over nfnetlink (linux/netfilter/nf_tables.h), without the `nft` program: the table `bridgeport` in family ip, and in it
 * for each switch a chain and a set of sources that the host translates.
 *
 *     table ip bridgeport {
 *       set links-1a2b3c4d { type ipv4_addr; flags interval; elements = { 100.64.0.2 } }
 *       chain postrouting-1a2b3c4d { type nat hook postrouting priority srcnat; ip saddr @links-1a2b3c4d masquerade }
 *     }
 *
 * A batch is applied whole or not at all, so the host never has half of it.
 */
import { native } from '../memory/native.ts'
import { ACK, APPEND, type Attribute, big, CREATE, message, NETFILTER, NONREC } from './netlink.ts'

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
const HOOK_POSTROUTING = 4
/** NF_IP_PRI_NAT_SRC */
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

function names(instance: string): { chain: string; set: string } {
  return { chain: `postrouting-${instance}`, set: `links-${instance}` }
}

function expression(name: string, data: Attribute[]): Attribute {
  return [
    1,
    [
      [1, name],
      [2, data],
    ],
  ]
}

function element(address: number, flags: number): Attribute {
  const key: Attribute = [1, [[1, big(address)]]]
  return [1, flags === 0 ? [key] : [key, [3, big(flags)]]]
}

/** Makes the switch's chain translate exactly `ranges`, which do not overlap. Throws a NativeError. */
export function masquerade(instance: string, ranges: Range[]): void {
  const { chain, set } = names(instance)
  const elements = ranges.flatMap(({ first, end }) => [element(first, 0), element(end, ELEMENT_END)])
  const hook: Attribute[] = [
    [1, big(HOOK_POSTROUTING)],
    [2, big(PRIORITY_SRCNAT)],
  ]
  const rule: Attribute[] = [
    expression('payload', [
      [1, big(REGISTER)],
      [2, big(NETWORK_HEADER)],
      [3, big(SOURCE_AT)],
      [4, big(4)],
    ]),
    expression('lookup', [
      [1, set],
      [2, big(REGISTER)],
    ]),
    expression('masq', []),
  ]
  const shape: Attribute[] = [
    [3, big(SET_INTERVAL)],
    [4, big(TYPE_IPV4_ADDR)],
    [5, big(4)],
    [10, big(1)],
  ]
  const parts: Part[] = [
    [NEWTABLE, CREATE, [[1, TABLE]]],
    [
      NEWCHAIN,
      CREATE,
      [
        [1, TABLE],
        [3, chain],
        [4, hook],
        [5, big(POLICY_ACCEPT)],
        [7, 'nat'],
      ],
    ],
    [NEWSET, CREATE, [[1, TABLE], [2, set], ...shape]],
    [
      DELRULE,
      0,
      [
        [1, TABLE],
        [2, chain],
      ],
    ],
    [
      DELSETELEM,
      0,
      [
        [1, TABLE],
        [2, set],
      ],
    ],
    [
      NEWSETELEM,
      CREATE,
      [
        [1, TABLE],
        [2, set],
        [3, elements],
      ],
    ],
    [
      NEWRULE,
      CREATE | APPEND,
      [
        [1, TABLE],
        [2, chain],
        [4, rule],
      ],
    ],
  ]
  native.netlinkRequest('', NETFILTER, batch(parts), `table ${TABLE}`)
}

/** True if the switch's chain is there: whoever loads a firewall anew may have flushed all tables. */
export function exists(instance: string): boolean {
  const key: Attribute[] = [
    [1, TABLE],
    [3, names(instance).chain],
  ]
  try {
    const ask = message((SUBSYSTEM << 8) | GETCHAIN, ACK, 1, generic(FAMILY_IP, 0), key)
    native.netlinkRequest('', NETFILTER, ask, `table ${TABLE}`)
    return true
  } catch (error) {
    if ((error as { code: string }).code === 'ENOENT') return false
    throw error
  }
}

/** What removes the switch's chain and set, and what removes the table if nothing is left in it. */
export function removal(instance: string): { own: Buffer; table: Buffer } {
  const { chain, set } = names(instance)
  const own = batch([
    [
      DELCHAIN,
      0,
      [
        [1, TABLE],
        [3, chain],
      ],
    ],
    [
      DELSET,
      0,
      [
        [1, TABLE],
        [2, set],
      ],
    ],
  ])
  return { own, table: batch([[DELTABLE, NONREC, [[1, TABLE]]]]) }
}

/** Removes what `masquerade` made; that it is gone already is no error, and neither is a kernel without nf_tables. */
export function remove(instance: string): void {
  const { own, table } = removal(instance)
  for (const datagram of [own, table]) {
    try {
      native.netlinkRequest('', NETFILTER, datagram, `table ${TABLE}`)
    } catch (error) {
      // EBUSY: another switch has a chain in the table.
      if (!['ENOENT', 'EBUSY', 'EOPNOTSUPP', 'EPROTONOSUPPORT'].includes((error as { code: string }).code))
        throw error
    }
  }
}
