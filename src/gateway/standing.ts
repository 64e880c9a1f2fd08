// Hot: what addresses are to the gateway, for rules that ask (addrtype, rpfilter).
import {
  ADDRESS_BROADCAST,
  ADDRESS_LOCAL,
  ADDRESS_MULTICAST,
  ADDRESS_UNICAST,
  type Addresses,
} from '../chain/matcher.ts'
import { SOURCE } from '../chain/registers.ts'
import { GUESTS } from '../pipeline/program.ts'
import { isBroadcast } from './icmp.ts'
import type { Link } from './link.ts'
import type { Links } from './links.ts'

/** `side` of kind(): the link that the packet came by, and the one that it leaves by. */
const CAME = 1
const LEAVES = 2

export class Standing implements Addresses {
  /** of the packet at hand: whoever fills the registers says so; null for none */
  ingress: Link | null = null
  egress: Link | null = null
  private readonly links: Links

  constructor(links: Links) {
    this.links = links
  }

  /** As a routing table of the gateway's links would have it. */
  kind(address: number, side: number): number {
    if (address === -1 || address === 0) return ADDRESS_BROADCAST
    if (address >>> 28 === 14) return ADDRESS_MULTICAST
    if (address >>> 24 === 127) return ADDRESS_LOCAL
    const { list } = this.links
    for (let i = 0; i < list.length; i++) {
      const link = list[i]
      if ((side === CAME && link !== this.ingress) || (side === LEAVES && link !== this.egress)) continue
      if (link.address === address) return ADDRESS_LOCAL
      if (isBroadcast(address, link)) return ADDRESS_BROADCAST
    }
    return ADDRESS_UNICAST
  }

  /** Whether a packet to the source of the one at hand would leave by the link that this one came in by; `loose`: by any. */
  returns(x: Int32Array, loose: boolean): boolean {
    const source = x[SOURCE]
    const { list } = this.links
    for (let i = 0; i < list.length; i++) {
      const link = list[i]
      if (link.role === GUESTS && link.holds(source)) return loose || link === this.ingress
    }
    return loose || (this.ingress !== null && this.ingress.role !== GUESTS)
  }
}
