// Hot: next hops as the straight loop wants them, looked up once a burst.
/**
 * A flow remembers the numbers of its neighbours, of both directions in one word. What stands behind the word is read from the tables
 * when it differs from that of the packet before, and at the beginning of a burst. Where a neighbour is unusable, or its link is
 * gone, packets take the slow path. The highest numbers are no neighbours but links: where a flow knows which link a direction has,
 * and no next hop on it yet.
 */
import { PORT_COUNT_MAX } from '../memory/counters.ts'
import type { Port } from '../port/port.ts'
import { FAST } from '../table/flow.ts'
import type { Neighbours } from '../table/neighbour.ts'
import type { Link } from './link.ts'
import type { Links } from './links.ts'

/** Neighbours are named by 16 bits. */
const COUNT = 65536
/** The first of the numbers that stand for links, by local port; neighbours have those below. */
const FIRST_LINK = COUNT - PORT_COUNT_MAX

const TYPE_IPV4 = 0x0008
/** bytes of an Ethernet header */
const HEADER = 14

/**
 * The neighbours of a flow whose original packets come in by one link and leave by another, when nothing more is known. A flow with the gateway
 * itself (OWN of packet.ts) has nobody there, 0.
 */
export function unresolved(ingress: number, egress: number): number {
  return ((FIRST_LINK + ingress) << 16) | ((FIRST_LINK + egress) & (COUNT - 1))
}

function swap16(value: number): number {
  return ((value & 0xff) << 8) | ((value >>> 8) & 0xff)
}

function swap32(value: number): number {
  return (swap16(value) << 16) | swap16(value >>> 16)
}

/** Where packets of one direction of a flow come in and where they go: what both neighbours' numbers mean in this burst. */
export class Way {
  /** the neighbour that packets go to, and << 16 the one on their way back */
  pair = 0
  /** the link of the way back, by its local port's index; -1 for none */
  ingress = -1
  /** the next hop; what lies beyond the gateway's `own` subnet, by its mask, goes there too if it is a router: else `beyond` is 0 */
  address = 0
  own = 0
  beyond = 0
  /** status bits that a flow must have; all of them where nothing goes by the straight loop */
  fast = -1
  /** longest frame that goes there whole, -1 if none does */
  lengthMax = -1
  /** the port that the next hop is behind */
  port = -1
  /** the Ethernet header as it lies in memory: two bytes, then three words, the last two bytes the type */
  mac0 = 0
  mac1 = 0
  mac2 = 0
  mac3 = 0
}

export class Passage {
  readonly way = new Way()
  private readonly links: Links
  private readonly neighbours: Neighbours
  private readonly ports: Port[]

  constructor(links: Links, neighbours: Neighbours, ports: Port[]) {
    this.links = links
    this.neighbours = neighbours
    this.ports = ports
  }

  /** Reads what a pair of neighbours means now. */
  take(pair: number, now: number): void {
    const { way, neighbours } = this
    const back = this.linkOf(pair >>> 16, now)
    const n = pair & 0xffff
    way.pair = pair
    way.ingress = back === null ? -1 : back.port.index
    way.fast = -1
    way.lengthMax = -1
    if (n === 0 || n >= FIRST_LINK) return
    const link = this.linkOf(n, now)
    if (link === null) return
    const high = neighbours.high(n)
    const low = neighbours.low(n)
    const port = this.portOf(n, link, now)
    if (port < 0) return
    way.address = neighbours.address(n)
    way.own = link.address
    way.beyond = way.address === link.router ? link.mask : 0
    way.fast = FAST
    way.lengthMax = Math.min(link.mtu, this.ports[port].mtu) + HEADER
    way.port = port
    way.mac0 = swap16(high)
    way.mac1 = swap32(low)
    way.mac2 = swap16(link.high) | (swap16(link.low >>> 16) << 16)
    way.mac3 = swap16(link.low) | (TYPE_IPV4 << 16)
  }

  /** The port behind which neighbour `n` was seen last: by the forwarding table, else where it answered; -1 if nobody knows. */
  portOf(n: number, link: Link, now: number): number {
    const { neighbours } = this
    const { macs } = link.network
    const entry = macs.find(neighbours.high(n), neighbours.low(n))
    return entry >= 0 && macs.fresh(entry, now) ? macs.port(entry) : neighbours.port(n)
  }

  /** The link that a number stands for or that a neighbour is on; null if it cannot be used. */
  private linkOf(n: number, now: number): Link | null {
    if (n >= FIRST_LINK) return this.links.at[n - FIRST_LINK]
    if (n === 0 || !this.neighbours.usable(n, now)) return null
    return this.links.on(this.neighbours.network(n))
  }
}
