// Hot: next hops as the straight loop wants them, looked up once a burst.
/**
 * A flow remembers the numbers of its neighbours. What stands behind such a number is read from the tables once a burst: link, MAC, port,
 * MTU. A neighbour that is unusable, or whose link is gone, has no link here, and its packets take the slow path.
 */
import type { MacTable } from '../table/mac.ts'
import type { Neighbours } from '../table/neighbour.ts'
import type { Links } from './links.ts'

/** Neighbours are named by 16 bits. */
const COUNT = 65536

export class Passage {
  /** counts bursts: what was refreshed in this one holds */
  epoch = 1
  readonly stamp = new Int32Array(COUNT)
  /** the link by its local port's index, -1 for a neighbour that leads nowhere */
  readonly linkOf = new Int32Array(COUNT).fill(-1)
  readonly port = new Int32Array(COUNT)
  readonly high = new Int32Array(COUNT)
  readonly low = new Int32Array(COUNT)
  readonly ownHigh = new Int32Array(COUNT)
  readonly ownLow = new Int32Array(COUNT)
  readonly mtu = new Int32Array(COUNT)
  private readonly address = new Int32Array(COUNT)
  private readonly links: Links
  private readonly neighbours: Neighbours

  constructor(links: Links, neighbours: Neighbours) {
    this.links = links
    this.neighbours = neighbours
  }

  /** A new burst: everything is looked up again. */
  begin(): void {
    this.epoch = (this.epoch + 1) | 0
  }

  /** Reads what is known of neighbour `n` now. */
  refresh(n: number, now: number): void {
    const { neighbours } = this
    this.stamp[n] = this.epoch
    this.linkOf[n] = -1
    if (n === 0 || !neighbours.usable(n, now)) return
    const link = this.links.on(neighbours.network(n))
    if (link === null) return
    this.linkOf[n] = link.port.index
    this.address[n] = neighbours.address(n)
    this.high[n] = neighbours.high(n)
    this.low[n] = neighbours.low(n)
    this.ownHigh[n] = link.high
    this.ownLow[n] = link.low
    this.mtu[n] = link.mtu
    this.port[n] = behind(link.network.macs, this.high[n], this.low[n], neighbours.port(n), now)
  }

  /** True if packets to `destination` go by way of `n`; its number may have become another neighbour's. */
  leads(n: number, destination: number): boolean {
    if (this.address[n] === destination) return true
    const link = this.links.at[this.linkOf[n]]
    return link !== null && !link.holds(destination) && this.address[n] === link.router
  }
}

/** The port where a station was seen last: by the forwarding table, else where it answered. */
function behind(macs: MacTable, high: number, low: number, port: number, now: number): number {
  const entry = macs.find(high, low)
  return entry >= 0 && macs.fresh(entry, now) ? macs.port(entry) : port
}
