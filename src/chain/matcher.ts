// Hot: what a matcher is. Its own file in matcher/ says what it does.
/** Matchers are what generated code cannot say in a line: limits, lists, searches. Each is made once from its description, by the worker. */
import type { Arena } from '../memory/arena.ts'
import type { FlowTable } from '../table/flow.ts'

/** What the gateway knows of addresses: kinds (ADDRESS_…) and whether the way back to a source leads where it came from. */
export interface Addresses {
  /**
   * An ADDRESS_… number of `address`: with `side` 0 to the whole gateway; 1 to the link that the packet at hand came by, 2 to the one that it
   * leaves by: what is LOCAL or BROADCAST at another link only is UNICAST then. UNICAST is also what no route leads to.
   */
  kind(address: number, side: number): number
  /** what rpfilter asks: true if a packet to `x[SOURCE]` would leave by the link that this one came in by; `loose`: by any */
  returns(x: Int32Array, loose: boolean): boolean
}

/** RTN_… of <linux/rtnetlink.h>, as far as a gateway has such */
export const ADDRESS_UNICAST = 1
export const ADDRESS_LOCAL = 2
export const ADDRESS_BROADCAST = 3
export const ADDRESS_MULTICAST = 5

/** What a matcher stands on. `x` are the registers that every run uses. */
export interface Footing {
  arena: Arena
  flows: FlowTable
  addresses: Addresses
  x: Int32Array
  /** where the records of LOG, NFLOG and TRACE go, bytes; 0: nowhere */
  journalAt: number
}

export interface Matcher {
  /** for a match: whether the packet in the registers matches; for a target: does its work, the result says what its kind wants */
  ask(x: Int32Array): boolean
}
