/**
 * Where a set's words stand. A set is a slot and a body. The slot is one cache line that never moves, so that rules may hold on to its
 * place; its first word says where the body begins, as an int32 position in the arena, 0 while the slot is free. A body is laid out by the
 * control thread and becomes the set's by that one store: so sets are made, replaced whole, exchanged and emptied without a packet
 * seeing half of it.
 *
 * A body begins with a header of 96 int32, the words below. Behind it stand, by type:
 *
 *   hash:…        places of 2 int32, 4 where entries time out:  address | META | deadline, ms, 0 never | unused
 *   bitmap:port   one int32 a port:  0 absent, 1 for good, else its deadline
 *   list:set      2 int32 a member, in order:  int32 position of the member's slot | deadline
 *
 * META, and with it the entry, is published last: port << 16 | protocol << 8 | prefix << 2 | NOMATCH | LIVE.
 */
import type { Arena } from '../memory/arena.ts'

export const HASH_IP = 1
export const HASH_NET = 2
export const HASH_IP_PORT = 3
export const HASH_NET_PORT = 4
export const BITMAP_PORT = 5
export const LIST_SET = 6

/** words of the header */
export const TYPE = 0
/** the most entries that it takes, and how many there are, late ones that nobody has removed yet included */
export const CAPACITY = 1
export const COUNT = 2
/** a hash's place is its bits from SHIFT on, the next one wraps by MASK, and 1 << STRIDE int32 are one place */
export const SHIFT = 3
export const MASK = 4
export const STRIDE = 5
/** 1 if entries may time out, and after how many milliseconds they do unless they say otherwise, 0 never */
export const TIMED = 6
export const TIMEOUT = 7
/** addresses are cut to so many bits: netmask of hash:ip */
export const NETMASK = 8
/** ports of a bitmap */
export const FIRST = 9
export const LAST = 10
/** odd while an entry comes, goes or moves: who reads from another thread reads again, who finds it so after a crash repairs */
export const VERSION = 11
/** where the next sweep begins */
export const CURSOR = 12
/** entries that found no room */
export const REFUSED = 13
/** how many prefix lengths are in use, how many entries each has, and which they are, longest first */
export const LENGTHS = 14
export const USES = 16
export const PREFIXES = 49
/** a word that is always 0: a slot without a set */
export const NOWHERE = 95
export const HEADER = 96

/** words of a place */
export const ADDRESS = 0
export const META = 1
export const DEADLINE = 2

/** of META */
export const LIVE = 1
export const NOMATCH = 2
export const EMPTY = 0
/** in a place from which an entry is being taken away: no probe ends there */
export const GONE = 2

/** of a port of a bitmap that never times out */
export const LASTING = 1

/** bytes of a slot */
export const SLOT = 64
export const CAPACITY_MAX = 2 ** 22

/** What a set is made as. */
export interface Shape {
  type: number
  capacity: number
  /** milliseconds after which entries go, 0 never, -1 where they cannot */
  timeoutMs: number
  /** bits of an address that count */
  netmask: number
  first: number
  last: number
}

function placesOf({ capacity }: Shape): number {
  return Math.max(16, 2 ** Math.ceil(Math.log2(2 * Math.min(capacity, CAPACITY_MAX))))
}

function strideOf({ timeoutMs }: Shape): number {
  return timeoutMs < 0 ? 1 : 2
}

/** Bytes that the body of such a set takes. */
export function lengthOf(shape: Shape): number {
  const { type, first, last, capacity } = shape
  if (type === BITMAP_PORT) return (HEADER + last - first + 1) * 4
  if (type === LIST_SET) return (HEADER + 2 * capacity) * 4
  return (HEADER + (placesOf(shape) << strideOf(shape))) * 4
}

/** Makes the zeroed bytes at `at` the body of an empty set. */
export function lay(arena: Arena, at: number, shape: Shape): void {
  const words = new Int32Array(arena.buffer, at, HEADER)
  const isHash = shape.type < BITMAP_PORT
  words[TYPE] = shape.type
  words[CAPACITY] = isHash ? Math.min(shape.capacity, CAPACITY_MAX) : shape.capacity
  words[SHIFT] = isHash ? 32 - Math.log2(placesOf(shape)) : 0
  words[MASK] = isHash ? placesOf(shape) - 1 : 0
  words[STRIDE] = isHash ? strideOf(shape) : 1
  words[TIMED] = shape.timeoutMs < 0 ? 0 : 1
  words[TIMEOUT] = Math.max(0, shape.timeoutMs)
  words[NETMASK] = shape.netmask
  words[FIRST] = shape.first
  words[LAST] = shape.last
}
