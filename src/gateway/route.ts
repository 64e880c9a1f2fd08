// Hot: where a first packet goes. A handful of links are looked at one after the other; flows remember the answer.
/**
 * Inside a subnet the destination itself is the next hop. Other networks are closed unless their mode is routed or a redirect
 * leads there; everything else leaves by the uplink of the network that it came from.
 */

import { GUESTS, SERVICES } from '../pipeline/program.ts'
import * as reason from '../pipeline/reason.ts'
import type { Link } from './link.ts'
import type { Links } from './links.ts'
import type { Packet } from './packet.ts'

/** What `find` answers beside a reason: the way is in `egress`, or the packet is for the gateway itself. */
export const FOUND = -1
export const LOCAL = -2

export class Route {
  private readonly links: Links
  /** the way of the last packet, valid after FOUND and where it is closed */
  egress: Link
  /** there is a way into another network, which is closed to this one: a rule may open it */
  isClosed = false

  constructor(links: Links, none: Link) {
    this.links = links
    this.egress = none
  }

  /** The way of a first packet to `destination`, where a redirect may have changed what it says itself, or a rule (`ruled`). */
  find(packet: Packet, destination: number, ruled = false): number {
    const { ingress } = packet
    const redirected = destination !== packet.destination
    this.isClosed = false
    if (!redirected && destination === ingress.address) return LOCAL
    const inside = this.inside(destination)
    if (inside !== null) {
      this.egress = inside
      const isLed = redirected && (!ruled || inside.uplink === ingress)
      const isOpen = isLed || inside === ingress || this.isOpen(ingress, inside)
      if (destination === inside.address && (isOpen || ingress.role === GUESTS)) return LOCAL
      if (isOpen) return FOUND
      this.isClosed = true
      return ingress.role === GUESTS ? reason.PROHIBITED : reason.NO_ROUTE
    }
    return this.outside(ingress, destination, redirected)
  }

  /** The link of guests or services whose subnet holds the address. */
  private inside(address: number): Link | null {
    const { list } = this.links
    for (let i = 0; i < list.length; i++) {
      const link = list[i]
      if ((link.role === GUESTS || link.role === SERVICES) && !link.intercept && link.holds(address))
        return link
    }
    return null
  }

  /** Whether a network may be entered from another without being asked. */
  private isOpen(from: Link, to: Link): boolean {
    if (to.role !== GUESTS || !to.routed) return false
    return from.role === GUESTS ? from.uplink !== null || from.routed : to.uplink === from
  }

  private outside(ingress: Link, destination: number, redirected: boolean): number {
    const { uplink } = ingress
    if (ingress.role !== GUESTS || uplink === null) return reason.NO_ROUTE
    if (destination === uplink.address) return LOCAL
    if (!redirected) {
      const { refused } = ingress
      for (let i = 0; i < refused.length; i++) if (refused[i] === destination) return reason.PROHIBITED
    }
    if (uplink.address === 0 || (uplink.router === 0 && !uplink.holds(destination))) return reason.NO_ROUTE
    this.egress = uplink
    return FOUND
  }
}

/** The address that packets to `destination` are given to on `link`. */
export function hop(link: Link, destination: number): number {
  return link.holds(destination) ? destination : link.router
}
