// Hot: `meets` is asked per packet.
/**
 * Sets as ipset has them: what a rule asks and changes. shape.ts says where their words stand, entry.ts how entries come and go.
 * A set of networks is asked once for each prefix length in use, longest first; a list asks its members in order.
 */
import * as x from '../chain/registers.ts'
import type { Arena } from '../memory/arena.ts'
import { ABSENT, DONE, Entries, keyOf, maskOf, UNFIT } from './entry.ts'
import * as s from './shape.ts'

export { ABSENT, DONE, EXISTS, FULL, UNFIT } from './entry.ts'

/**
 * How a rule asks: `dimensions * DIMENSION`, and bit k where dimension k, from 0 on, is the destination's. With RETURN_NOMATCH an entry
 * that says nomatch is what is looked for. `src,dst` is 2 * DIMENSION | 2.
 */
export const DIMENSION = 8
export const RETURN_NOMATCH = 0x1000
/** what `left` says of entries that there are not */
export const NOTHING = -2

/** The packet's port on one side, ICMP's type << 8 | code, 0 where the protocol has none that sets know. */
function portOf(regs: Int32Array, isDestination: number): number {
  const protocol = regs[x.PROTOCOL]
  const ports = regs[x.PORTS]
  if (protocol === 1) return ports & 0xffff
  if (protocol !== 6 && protocol !== 17 && protocol !== 132 && protocol !== 136) return 0
  return isDestination === 0 ? ports >>> 16 : ports & 0xffff
}

export class SetTable extends Entries {
  private readonly slot: number

  /** The set of the slot at `at`, bytes. */
  constructor(arena: Arena, at: number) {
    super(arena)
    this.slot = at >> 2
  }

  /** int32 position of the body, 0 if there is none. */
  get body(): number {
    return this.words[this.slot]
  }

  /** Whether the packet in the registers is in the set; `how`: see DIMENSION. */
  meets(regs: Int32Array, how: number): boolean {
    const { words } = this
    const body = words[this.slot]
    if (body === 0) return false
    if (words[body + s.TYPE] !== s.LIST_SET) return this.asks(body, regs, how)
    const end = body + s.HEADER + (words[body + s.COUNT] << 1)
    for (let at = body + s.HEADER; at < end; at += 2) {
      const member = this.member(at, regs[x.NOW])
      if (member !== 0 && this.asks(member, regs, how)) return true
    }
    return false
  }

  /** The body of the list's member at `at`, 0 if it is late or gone. */
  private member(at: number, now: number): number {
    const deadline = this.words[at + 1]
    if (deadline !== 0 && ((deadline - now) | 0) <= 0) return 0
    return this.words[this.words[at]]
  }

  /** Whether the packet is in a body that is no list. */
  private asks(body: number, regs: Int32Array, how: number): boolean {
    const type = this.words[body + s.TYPE]
    const address = regs[(how & 1) === 0 ? x.SOURCE : x.DESTINATION]
    const now = regs[x.NOW]
    if (type === s.HASH_IP) return this.looks(body, address, 0, 0, now) > 0
    if (type === s.BITMAP_PORT) return this.looks(body, 0, portOf(regs, how & 1), regs[x.PROTOCOL], now) > 0
    let found = 0
    if (type === s.HASH_NET) found = this.looks(body, address, 0, 0, now)
    else {
      const port = portOf(regs, how & 2)
      // A rule that names fewer dimensions than the set has never matches, as in the kernel.
      if ((how & 0xff) < 2 * DIMENSION) return false
      found = this.looks(body, address, port, regs[x.PROTOCOL], now)
      if (type === s.HASH_IP_PORT) return found > 0
    }
    return (how & RETURN_NOMATCH) === 0 ? found > 0 : found < 0
  }

  /** 1 if an element is in the set, which is no list, 0 if not, -1 if the entry that decides says nomatch. */
  has(address: number, port: number, protocol: number, now: number): number {
    const body = this.words[this.slot]
    if (body === 0 || this.words[body + s.TYPE] === s.LIST_SET) return 0
    return this.looks(body, address, port, protocol, now)
  }

  private looks(body: number, address: number, port: number, protocol: number, now: number): number {
    const { words } = this
    const type = words[body + s.TYPE]
    if (type === s.BITMAP_PORT) {
      if (port < words[body + s.FIRST] || port > words[body + s.LAST]) return 0
      if (protocol !== 6 && protocol !== 17) return 0
      const deadline = words[body + s.HEADER + port - words[body + s.FIRST]]
      return deadline === s.LASTING || (deadline !== 0 && ((deadline - now) | 0) > 0) ? 1 : 0
    }
    if (type === s.HASH_IP || type === s.HASH_IP_PORT) {
      const e = this.find(body, address & maskOf(words[body + s.NETMASK]), keyOf(32, port, protocol))
      return e < 0 || this.isLate(body, e, now) ? 0 : 1
    }
    const end = words[body + s.LENGTHS]
    for (let i = 0; i < end; i++) {
      const prefix = words[body + s.PREFIXES + i]
      const e = this.find(body, address & maskOf(prefix), keyOf(prefix, port, protocol))
      if (e < 0 || this.isLate(body, e, now)) continue
      return (words[e + s.META] & s.NOMATCH) === 0 ? 1 : -1
    }
    return 0
  }

  /** 1, 0 or -1 as `has`, for exactly this network, not for what contains it. */
  holds(address: number, prefix: number, port: number, protocol: number, now: number): number {
    const body = this.words[this.slot]
    if (body === 0) return 0
    const e = this.find(body, address & maskOf(prefix), keyOf(prefix, port, protocol))
    if (e < 0 || this.isLate(body, e, now)) return 0
    return (this.words[e + s.META] & s.NOMATCH) === 0 ? 1 : -1
  }

  /** Milliseconds that an entry has left, 0 if it never goes, -1 where none can, NOTHING if there is no such entry. */
  left(address: number, key: number, now: number): number {
    const { words } = this
    const body = words[this.slot]
    if (body === 0) return NOTHING
    const isBitmap = words[body + s.TYPE] === s.BITMAP_PORT
    const e = isBitmap
      ? body + s.HEADER + (key >>> 16) - words[body + s.FIRST]
      : this.find(body, address, key)
    if (e < 0 || (isBitmap && words[e] === 0)) return NOTHING
    if (words[body + s.TIMED] === 0) return -1
    const deadline = words[isBitmap ? e : e + s.DEADLINE]
    if (deadline === (isBitmap ? s.LASTING : 0)) return 0
    const left = (deadline - now) | 0
    return left > 0 ? left : NOTHING
  }

  /** SET --add-set: the packet's element comes in with `timeoutMs`, -1 the set's own; `renew` is --exist. */
  admit(regs: Int32Array, how: number, timeoutMs: number, renew: boolean): number {
    return this.change(regs, how, timeoutMs, renew, true)
  }

  /** SET --del-set. */
  expel(regs: Int32Array, how: number): number {
    return this.change(regs, how, 0, false, false)
  }

  /** Of a list, the first member that takes the change gets it. */
  private change(regs: Int32Array, how: number, timeoutMs: number, renew: boolean, adds: boolean): number {
    const { words } = this
    const body = words[this.slot]
    if (body === 0) return UNFIT
    if (words[body + s.TYPE] !== s.LIST_SET) return this.alter(body, regs, how, timeoutMs, renew, adds)
    const end = body + s.HEADER + (words[body + s.COUNT] << 1)
    for (let at = body + s.HEADER; at < end; at += 2) {
      const member = this.member(at, regs[x.NOW])
      if (member !== 0 && this.alter(member, regs, how, timeoutMs, renew, adds) === DONE) return DONE
    }
    return ABSENT
  }

  private alter(
    body: number,
    regs: Int32Array,
    how: number,
    timeoutMs: number,
    renew: boolean,
    adds: boolean,
  ): number {
    const { words } = this
    const type = words[body + s.TYPE]
    const isBitmap = type === s.BITMAP_PORT
    const isPair = type === s.HASH_IP_PORT || type === s.HASH_NET_PORT
    const protocol = isBitmap || isPair ? regs[x.PROTOCOL] : 0
    const port = isBitmap || isPair ? portOf(regs, isBitmap ? how & 1 : how & 2) : 0
    if (isPair && (how & 0xff) < 2 * DIMENSION) return UNFIT
    if (isBitmap && protocol !== 6 && protocol !== 17) return UNFIT
    // Into a set of networks an address comes with the longest prefix that is in use.
    const isNet = type === s.HASH_NET || type === s.HASH_NET_PORT
    const prefix = isNet && words[body + s.LENGTHS] > 0 ? words[body + s.PREFIXES] : 32
    const cut = isNet ? prefix : words[body + s.NETMASK]
    const address = isBitmap ? 0 : regs[(how & 1) === 0 ? x.SOURCE : x.DESTINATION] & maskOf(cut)
    if (address === 0 && type === s.HASH_IP) return UNFIT
    const key = keyOf(prefix, port, protocol)
    if (!adds) return this.take(body, address, key, regs[x.NOW])
    return this.put(body, address, key, 0, timeoutMs, renew, regs[x.NOW])
  }

  /**
   * Adds an element; one that is there already is left as it is, or with `renew` gets the new timeout and nomatch. `key` is keyOf its
   * prefix (32 except in sets of networks), port and protocol, each 0 where the set keeps none; `nomatch` is NOMATCH or 0.
   */
  add(address: number, key: number, nomatch: number, timeoutMs: number, renew: boolean, now: number): number {
    const body = this.words[this.slot]
    if (body === 0 || this.words[body + s.TYPE] === s.LIST_SET) return UNFIT
    return this.put(body, address, key, nomatch, timeoutMs, renew, now)
  }

  remove(address: number, key: number, now: number): number {
    const body = this.words[this.slot]
    if (body === 0 || this.words[body + s.TYPE] === s.LIST_SET) return UNFIT
    return this.take(body, address, key, now)
  }

  /** Looks at the next `share` places and removes what is late; call it regularly. */
  sweep(share: number, now: number): void {
    const body = this.words[this.slot]
    if (body !== 0) this.sweepIn(body, share, now)
  }

  /** Entries that a body has, late ones that no sweep has met included. */
  get count(): number {
    return this.words[this.words[this.slot] + s.COUNT]
  }
}
