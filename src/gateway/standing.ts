// Hot: what addresses are to the gateway, for rules that ask (addrtype, rpfilter).
import {
  ADDRESS_BROADCAST,
  ADDRESS_LOCAL,
  ADDRESS_MULTICAST,
  ADDRESS_UNICAST,
  type Addresses,
} from '../chain/matcher.ts'
import { GUESTS } from '../pipeline/program.ts'
import { isBroadcast } from './icmp.ts'
import type { Links } from './links.ts'
import type { Packet } from './packet.ts'

export class Standing implements Addresses {
  private readonly links: Links
  private readonly packet: Packet

  constructor(links: Links, packet: Packet) {
    this.links = links
    this.packet = packet
  }

  /** As a routing table of the gateway's links would have it. */
  kind(address: number): number {
    if (address === -1 || address === 0) return ADDRESS_BROADCAST
    if (address >>> 28 === 14) return ADDRESS_MULTICAST
    if (address >>> 24 === 127) return ADDRESS_LOCAL
    const { list } = this.links
    for (let i = 0; i < list.length; i++) {
      if (list[i].address === address) return ADDRESS_LOCAL
      if (isBroadcast(address, list[i])) return ADDRESS_BROADCAST
    }
    return ADDRESS_UNICAST
  }

  /** Whether a packet to the source of the one at hand would leave by the link that this one came in by; `loose`: by any. */
  returns(x: Int32Array, loose: boolean): boolean {
    const source = x[0]
    const { ingress } = this.packet
    const { list } = this.links
    for (let i = 0; i < list.length; i++) {
      const link = list[i]
      if (link.role === GUESTS && link.holds(source)) return loose || link === ingress
    }
    return loose || ingress.role !== GUESTS
  }
}
