// Hot: -m rpfilter.
import type { MatcherSpec } from '../extension.ts'
import { ADDRESS_BROADCAST, ADDRESS_LOCAL, type Addresses, type Footing, type Matcher } from '../matcher.ts'
import { DESTINATION, SOURCE } from '../registers.ts'

/** Description: { type: 'rpfilter', loose, acceptLocal }. True if the way back exists. */
export class RpfilterMatcher implements Matcher {
  private readonly addresses: Addresses
  private readonly loose: boolean
  private readonly acceptLocal: boolean

  constructor(footing: Footing, spec: MatcherSpec) {
    this.addresses = footing.addresses
    this.loose = spec.loose === true
    this.acceptLocal = spec.acceptLocal === true
  }

  ask(x: Int32Array): boolean {
    const source = x[SOURCE]
    const destination = x[DESTINATION]
    // A host that has no address yet asks everybody, as DHCP does, or a group of its link.
    if (source === 0 && (destination === -1 || destination >>> 8 === 0xe00000)) return true
    const kind = this.addresses.kind(source, 0)
    if (kind === ADDRESS_LOCAL) {
      return this.acceptLocal && (this.loose || this.addresses.kind(source, 1) === ADDRESS_LOCAL)
    }
    if (kind === ADDRESS_BROADCAST && source !== 0 && source !== -1) return false
    return this.addresses.returns(x, this.loose)
  }
}
