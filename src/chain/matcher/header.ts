// Hot: -j TTL, TOS and DSCP: a byte of the IPv4 header changes, and its checksum with it.
import type { MatcherSpec } from '../extension.ts'
import type { Footing, Matcher } from '../matcher.ts'
import { NETWORK } from '../registers.ts'

const CHECKSUM = 10
const SERVICE = 1
export const TTL = 8

/** Puts `after` at byte `offset` of the header at `at`: RFC 1624, equation 3, over the 16-bit word that the byte stands in. */
function put(view: DataView, at: number, offset: number, after: number): void {
  const before = view.getUint8(at + offset)
  if (before === after) return
  view.setUint8(at + offset, after)
  const shift = (offset & 1) === 0 ? 8 : 0
  let sum = (~view.getUint16(at + CHECKSUM) & 0xffff) + (~(before << shift) & 0xffff) + (after << shift)
  sum = (sum & 0xffff) + (sum >>> 16)
  sum = (sum & 0xffff) + (sum >>> 16)
  view.setUint16(at + CHECKSUM, ~sum)
}

/** Description: { type: 'service', mask, value }: bits of the type of service are cleared, then turned over. */
export class ServiceChanger implements Matcher {
  private readonly view: DataView
  private readonly kept: number
  private readonly value: number

  constructor(footing: Footing, spec: MatcherSpec) {
    this.view = footing.arena.view
    this.kept = ~Number(spec.mask) & 0xff
    this.value = Number(spec.value)
  }

  ask(x: Int32Array): boolean {
    const at = x[NETWORK]
    put(this.view, at, SERVICE, (this.view.getUint8(at + SERVICE) & this.kept) ^ this.value)
    return true
  }
}

/** Description: { type: 'ttl', kept: 1 or 0, added }: the time to live, times `kept`, plus `added`, from 0 to 255. */
export class TtlChanger implements Matcher {
  private readonly view: DataView
  private readonly kept: number
  private readonly added: number

  constructor(footing: Footing, spec: MatcherSpec) {
    this.view = footing.arena.view
    this.kept = Number(spec.kept)
    this.added = Number(spec.added)
  }

  ask(x: Int32Array): boolean {
    const at = x[NETWORK]
    const ttl = this.view.getUint8(at + TTL) * this.kept + this.added
    put(this.view, at, TTL, Math.min(Math.max(ttl, 0), 255))
    return true
  }
}
