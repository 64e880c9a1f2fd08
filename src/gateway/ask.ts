// Hot: ARP packets that the gateway sends (RFC 826, announcements as in RFC 5227 2.3).
import type { Pool } from '../memory/pool.ts'
import { FLOOD } from '../pipeline/burst.ts'
import * as arp from '../wire/arp.ts'
import * as ethernet from '../wire/ethernet.ts'
import type { Link } from './link.ts'
import type { Outbox } from './outbox.ts'

const LENGTH = ethernet.HEADER_LENGTH + arp.LENGTH
const BROADCAST_HIGH = 0xffff
const BROADCAST_LOW = -1

export class Ask {
  /** by the index of its network; null where there is none */
  readonly links: (Link | null)[] = []
  private readonly view: DataView
  private readonly pool: Pool
  private readonly outbox: Outbox

  constructor(view: DataView, pool: Pool, outbox: Outbox) {
    this.view = view
    this.pool = pool
    this.outbox = outbox
  }

  /** The link on the network of that index, or null. */
  link(network: number): Link | null {
    return network < this.links.length ? this.links[network] : null
  }

  /** Asks everybody on the link who has `address`. */
  everybody(link: Link, address: number): void {
    if (link.network.members.length === 0) return
    this.send(arp.REQUEST, link, link.address, BROADCAST_HIGH, BROADCAST_LOW, FLOOD, 0, 0, address)
  }

  /** Asks the station with that MAC behind `port` (-1: not known) whether it still has `address`. */
  one(link: Link, address: number, high: number, low: number, port: number): void {
    this.send(arp.REQUEST, link, link.address, high, low, port, high, low, address)
  }

  /** Answers `target` at a MAC behind `port`: `address` is the gateway's. */
  answer(link: Link, address: number, port: number, high: number, low: number, target: number): void {
    this.send(arp.REPLY, link, address, high, low, port, high, low, target)
  }

  /** Tells everybody on the link that `address` is the gateway's. */
  announce(link: Link, address: number): void {
    if (link.network.members.length === 0) return
    this.send(arp.REQUEST, link, address, BROADCAST_HIGH, BROADCAST_LOW, FLOOD, 0, 0, address)
  }

  private send(
    operation: number,
    link: Link,
    sender: number,
    high: number,
    low: number,
    egress: number,
    targetHigh: number,
    targetLow: number,
    target: number,
  ): void {
    const frame = this.outbox.take()
    if (frame < 0) return // who waits for an answer asks again
    const at = this.pool.frameAt(frame)
    const { view } = this
    view.setUint16(at, high)
    view.setInt32(at + 2, low)
    view.setUint16(at + 6, link.high)
    view.setInt32(at + 8, link.low)
    view.setUint16(at + 12, ethernet.TYPE_ARP)
    const body = at + ethernet.HEADER_LENGTH
    arp.write(view, body, operation, link.high, link.low, sender, targetHigh, targetLow, target)
    this.outbox.add(frame, LENGTH, link.port.index, egress)
  }
}
