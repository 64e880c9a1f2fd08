// Hot: -m addrtype.
import type { MatcherSpec } from '../extension.ts'
import type { Addresses, Footing, Matcher } from '../matcher.ts'

/** Description: { type: 'addrtype', register, bits: one for each ADDRESS_… number that matches, side: see Addresses.kind }. */
export class AddrtypeMatcher implements Matcher {
  private readonly addresses: Addresses
  private readonly register: number
  private readonly bits: number
  private readonly side: number

  constructor(footing: Footing, spec: MatcherSpec) {
    this.addresses = footing.addresses
    this.register = Number(spec.register)
    this.bits = Number(spec.bits)
    this.side = Number(spec.side)
  }

  ask(x: Int32Array): boolean {
    return ((this.bits >>> this.addresses.kind(x[this.register], this.side)) & 1) !== 0
  }
}
