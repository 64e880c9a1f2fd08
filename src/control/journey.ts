/**
 * The way of one packet through the gateway, told hook by hook in the order of gateway/ruled.ts, which takes real packets the same way. Routes,
 * redirects, ranges and conditions are asked of the very code that real packets meet.
 */
import * as r from '../chain/registers.ts'
import * as check from '../gateway/check.ts'
import type { Link } from '../gateway/link.ts'
import { Range } from '../gateway/range.ts'
import { FOUND, hop, LOCAL, Route } from '../gateway/route.ts'
import { offered } from '../gateway/service.ts'
import { DHCP, DNS, GUESTS, SERVICES } from '../pipeline/program.ts'
import * as reason from '../pipeline/reason.ts'
import * as flow from '../table/flow.ts'
import { ipv4Text } from './address.ts'
import { Crossing } from './crossing.ts'
import { ICMP, UDP, type Verdict } from './traveller.ts'

const HERE = { verdict: 'passes', reason: null } as const
const ANSWERED: Verdict = { ...HERE, text: 'the name server of the gateway answers' }

export class Journey extends Crossing {
  private readonly route = new Route(this.terrain.links, this.terrain.packet.ingress)
  // Whether a port is free only a real packet finds out.
  private readonly range = new Range({ find: () => -1 } as unknown as flow.FlowTable, this.x)
  private redirect = -1
  private hairpin: Link | null = null

  run(): Verdict {
    const { entry, parcel } = this
    this.enter()
    if (entry.isOwn) return this.output()
    const { link } = entry
    if (this.isBridged()) return this.bridge()
    if (link === null || link.intercept) return this.foreign()
    const raw = this.permits('raw', 'PREROUTING')
    if (raw !== null) return raw
    this.track()
    const mangled = this.permits('mangle', 'PREROUTING')
    if (mangled !== null) return mangled
    if (this.known === null) return this.open(link)
    const { words, direction } = this.known
    const networks = words[flow.NETWORKS]
    const [from, to] =
      direction === 0 ? [networks >>> 16, networks & 0xffff] : [networks & 0xffff, networks >>> 16]
    if (from !== link.port.index)
      return this.drop(reason.MARTIAN, 'its connection came in by another network')
    const egress = this.terrain.links.at[to]
    if (egress?.role === SERVICES) return this.serve()
    const other = direction === 0 ? flow.REPLY : 0
    const address = words[other + flow.SOURCE]
    const port = words[other + flow.PORTS] >>> 16
    this.destination = this.end(address, port)
    this.source = this.end(words[other + flow.DESTINATION], words[other + flow.PORTS] & 0xffff)
    this.tell(
      'nat',
      this.isTranslated()
        ? `as its connection: ${this.tuple()}`
        : 'its connection is not translated; the nat table is not asked',
    )
    if (egress === null) return this.input(link, address, port)
    this.move(address, port)
    return this.forward(link, egress, address, parcel.destination, -1)
  }

  /** A packet without a connection: where it goes. */
  private open(link: Link): Verdict {
    const { terrain, parcel } = this
    const { packet, links } = terrain
    const written = parcel.destinationPort
    if ((this.service(link, parcel.destination, written) & DHCP) !== 0)
      return this.input(link, parcel.destination, written)
    if (link.address === 0)
      return this.drop(reason.NO_ROUTE, `the gateway has no address in ${terrain.nameOf(link)}`)
    let byRule = false
    if (this.state === 'NEW') {
      const verdict = this.ask('nat', 'PREROUTING')
      if (verdict === r.TRANSLATE) {
        this.range.destination(packet, link.address)
        byRule = true
        this.tell('DNAT', `the destination becomes ${this.end(packet.replySource, packet.replyPorts >>> 16)}`)
        this.onward(link)
      } else if (verdict !== r.ACCEPT) return this.ended(reason.RULE_DROPPED)
      else if (this.x[r.EXPLICIT] === 0) this.publish(link)
    } else this.tell('nat', `not asked: the packet is ${this.state}`)
    const martian = check.addresses(parcel.source, parcel.destination, link, links)
    if (martian >= 0) return this.drop(martian, 'no such address can be behind that network')
    const { replySource } = packet
    const port = packet.replyPorts >>> 16
    const found = this.route.find(packet, replySource, byRule)
    const { egress } = this.route
    if (found === FOUND && egress.role === SERVICES) return this.serve()
    if (this.state === 'NEW') this.destination = this.end(replySource, port)
    if (found === LOCAL) return this.input(link, replySource, port)
    if (found !== FOUND && !this.route.isClosed)
      return this.drop(found, `there is no way to ${ipv4Text(replySource)}`)
    this.move(replySource, port)
    return this.forward(link, egress, replySource, parcel.destination, found === FOUND ? -1 : found)
  }

  /** Published ports and services behind the gateway's address. */
  private publish(link: Link): void {
    const { terrain, parcel } = this
    const { redirects } = terrain
    // Services of the gateway come before what is led elsewhere.
    if (this.service(link, parcel.destination, parcel.destinationPort) !== 0) return
    const port = parcel.protocol === ICMP ? 0 : parcel.destinationPort
    this.redirect = redirects.find(link.network.index, parcel.protocol, parcel.destination, port)
    if (this.redirect < 0 && link.role === GUESTS && link.uplink !== null && link.hairpin) {
      this.redirect = redirects.find(link.uplink.network.index, parcel.protocol, parcel.destination, port)
      if (this.redirect >= 0) this.hairpin = link.uplink
    }
    this.lead(port)
  }

  /** A rule has led the packet elsewhere: what stands behind an address of the gateway is found there as ever. */
  private onward(link: Link): void {
    const { terrain, parcel } = this
    const { redirects, packet } = terrain
    const port = parcel.protocol === ICMP ? 0 : packet.replyPorts >>> 16
    if (this.service(link, packet.replySource, port) !== 0) return
    this.redirect = redirects.find(link.network.index, parcel.protocol, packet.replySource, port)
    this.lead(port)
  }

  /** Where the redirect that was found leads what is for `port`. */
  private lead(port: number): void {
    const { redirects, packet, links } = this.terrain
    if (this.redirect < 0) return
    packet.replySource = redirects.to(this.redirect)
    if (this.parcel.protocol !== ICMP)
      packet.replyPorts = (redirects.port(this.redirect, port) << 16) | (packet.replyPorts & 0xffff)
    // Where a service of ours listens is nobody's business.
    if (links.list.some((link) => link.role === SERVICES && link.holds(packet.replySource))) return
    this.tell(
      'published',
      `the destination becomes ${this.end(packet.replySource, packet.replyPorts >>> 16)}`,
    )
  }

  private forward(link: Link, egress: Link, destination: number, written: number, closed: number): Verdict {
    const { terrain, entry, x } = this
    const name = terrain.nameOf(egress)
    this.egress = egress
    this.nextHop = hop(egress, destination)
    const station = terrain.station(name, this.nextHop)
    this.out(name, egress, station.member)
    this.tell(
      'route',
      `to ${ipv4Text(this.nextHop)} in ${name}${destination === written ? '' : ', the new destination'}`,
    )
    const { view } = this.scene
    const ttl = view.getUint8(x[r.NETWORK] + 8)
    if (ttl <= 1) return this.drop(reason.TTL_EXCEEDED, 'no hop is left')
    const isolated =
      link.isolated || entry.member?.spec.isolated === true || station.member?.spec.isolated === true
    if (egress === link && isolated)
      return this.drop(reason.ISOLATED, `ports of ${name} reach the gateway only`)
    view.setUint8(x[r.NETWORK] + 8, ttl - 1)
    x[r.MTU] = Math.min(link.mtu, egress.mtu)
    for (const table of ['mangle', 'filter'] as const) {
      const verdict = this.permits(table, 'FORWARD')
      if (verdict !== null) return verdict
    }
    if (closed >= 0) {
      const opened = x[r.EXPLICIT] !== 0 && this.ruleset.tables.has('filter')
      this.tell(
        'between networks',
        opened
          ? 'opened by the rule that accepts'
          : 'closed: only a rule that accepts opens the way, a policy does not',
      )
      if (!opened) return this.drop(closed, `from ${terrain.nameOf(link)} to ${name}`)
    }
    const posted = this.permits('mangle', 'POSTROUTING')
    if (posted !== null) return posted
    if (this.known !== null) return this.leaves()
    if (this.state === 'NEW') return this.name(link, egress)
    const isLeak = this.state === 'INVALID' && link.translated && egress === link.uplink
    return isLeak
      ? this.drop(reason.CONNTRACK_INVALID, 'what fits no connection cannot be translated')
      : this.leaves()
  }

  /** The nat table at POSTROUTING, then the mode's own translation. */
  private name(link: Link, egress: Link): Verdict {
    const { packet, redirects } = this.terrain
    const verdict = this.ask('nat', 'POSTROUTING')
    if (verdict === r.TRANSLATE) {
      const why = this.range.source(packet, egress.address)
      if (why >= 0) return this.drop(why, 'there is nothing to translate to')
      this.bear(packet.replyDestination, packet.replyPorts & 0xffff, 'if that port is free, else another')
      return this.leaves()
    }
    if (verdict !== r.ACCEPT) return this.ended(reason.RULE_DROPPED)
    if (this.x[r.EXPLICIT] !== 0) {
      this.tell('translation', 'a rule of the nat table accepted: nothing else is translated')
      return this.leaves()
    }
    const { parcel } = this
    const uplink = this.hairpin ?? (link.translated && egress === link.uplink ? egress : null)
    if (this.redirect >= 0 && redirects.masquerades(this.redirect))
      this.bear(egress.address, parcel.sourcePort, 'the gateway itself, so that answers come back')
    else if (uplink !== null) {
      const mutual = redirects.findMutual(
        uplink.network.index,
        parcel.protocol,
        parcel.source,
        parcel.sourcePort,
      )
      if (mutual >= 0)
        this.bear(redirects.mutualAddress(mutual), redirects.mutualPort(mutual, parcel.sourcePort), '1:1')
      else if (uplink.address === 0) return this.drop(reason.NO_ROUTE, 'the uplink has no address')
      else
        this.bear(
          uplink.address,
          parcel.sourcePort,
          'if that port is free, else another; all packets of this endpoint share it',
        )
    }
    return this.leaves()
  }

  private bear(address: number, port: number, how: string): void {
    this.source = this.end(address, port)
    this.tell('translation', `the source becomes ${this.source} (${how})`)
  }

  /** For a service of the gateway that needs TCP: rules hear of it as the guest asked for it. */
  private serve(): Verdict {
    const { view } = this.scene
    const hops = this.x[r.NETWORK] + 8
    const ttl = view.getUint8(hops)
    if (ttl <= 1) return this.drop(reason.TTL_EXCEEDED, 'no hop is left')
    view.setUint8(hops, ttl - 1)
    return this.heard() ?? ANSWERED
  }

  /** The chains at INPUT. */
  private heard(): Verdict | null {
    for (const table of ['mangle', 'filter'] as const) {
      const verdict = this.permits(table, 'INPUT')
      if (verdict !== null) return verdict
    }
    return this.known === null && this.state === 'NEW' ? this.permits('nat', 'INPUT') : null
  }

  /** For the gateway itself, as it is behind the translation. */
  private input(link: Link, address: number, port: number): Verdict {
    const { parcel } = this
    this.move(address, port)
    const refused = this.heard()
    if (refused !== null) return refused
    const service = this.service(link, address, port)
    if ((service & DNS) !== 0) return ANSWERED
    if ((service & DHCP) !== 0) return { ...HERE, text: 'the DHCP server of the gateway answers' }
    if (parcel.protocol === ICMP && parcel.type === 8)
      return { ...HERE, text: 'the gateway answers the echo' }
    if (link.role === GUESTS) return this.drop(reason.NO_SERVICE, `on ${this.destination}`)
    return this.drop(reason.NAT_FILTERED, `${this.destination} leads nobody inside`)
  }

  private service(link: Link, address: number, port: number): number {
    return this.parcel.protocol === UDP ? offered(link, address, port) : 0
  }
}
