// Hot: the way of a packet that is not ordinary while rules are in force.
/**
 * The same way as in gateway.ts, with netfilter's tables at their hooks:
 *
 *   raw PREROUTING → conntrack → mangle, nat PREROUTING → route ─> mangle, filter, nat INPUT → the gateway itself
 *        └> one hop less → mangle, filter FORWARD → mangle, nat POSTROUTING → confirm → next hop
 *
 * As in the kernel a packet that fits no connection passes the chains too, INVALID; but no translation of a mode's own leaks it.
 * Nothing in the packet is translated before everything has let it pass, and only then its flow is made.
 */
import * as r from '../chain/registers.ts'
import { FILTER, FORWARD, MANGLE, NAT, POSTROUTING, PREROUTING, RAW } from '../chain/rule.ts'
import { LENGTHS } from '../memory/block.ts'
import { reaches } from '../pipeline/bridge.ts'
import type { Burst } from '../pipeline/burst.ts'
import { DHCP, SERVICES } from '../pipeline/program.ts'
import * as reason from '../pipeline/reason.ts'
import { DNAT, MARK, NEIGHBOURS, NETWORKS, WORDS } from '../table/flow.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as check from './check.ts'
import type { Link } from './link.ts'
import { INVALID, NEW, UNTRACKED } from './packet.ts'
import type { Parts } from './parts.ts'
import { unresolved } from './passage.ts'
import { FOUND, LOCAL } from './route.ts'

/** Where a packet goes, beside the reason to drop it: to the gateway itself, or on. */
const HERE = -2
const ON = -1
/** a rule said where */
const RULED = -3

export class Ruled {
  private readonly parts: Parts
  private readonly words: Int32Array
  /** the way of the packet at hand */
  private egress: Link
  /** networks that are closed to each other: only a rule may let it pass; the reason why it may not */
  private closed = -1
  /** the packet waits as it came: it counts when it begins anew */
  private isEarly = false
  /** length as it came, which rules may change */
  private bytes = 0

  constructor(parts: Parts, none: Link) {
    this.parts = parts
    this.words = parts.flows.words
    this.egress = none
  }

  /** The whole, read packet at position `i`: -1 when its verdict stands, TAKEN, or a reason. */
  run(burst: Burst, i: number, now: number): number {
    const { packet, chains, served } = this.parts
    if (packet.ingress.role === SERVICES) return served.answer(burst, i, now)
    this.bytes = packet.end - packet.network
    this.closed = -1
    this.isEarly = false
    if (chains.engine.asksEgress && !this.isKnown(now))
      return this.parts.departure.wait(burst, i, this.egress, now)
    let why = this.prerouting(now)
    if (why < 0) why = packet.flow < 0 ? this.open() : this.follow()
    if (why === HERE) why = this.here(burst, i, now)
    else if (why === ON) why = this.forward(burst, i, now)
    if (!this.isEarly) chains.settle(chains.x[r.LENGTH])
    // Who is told of the packet sees what rules added to it.
    if (why >= 0 && why !== reason.CONNTRACK_INVALID) packet.end = chains.x[r.END]
    return why
  }

  /**
   * False if rules want to know the port that the packet leaves by, and its next hop has not answered yet: it waits as it came, and begins
   * anew. Where a rule or a published port will lead it is not looked into here.
   */
  private isKnown(now: number): boolean {
    const { packet, flows, departure, nat, route } = this.parts
    const { source, destination, ports, protocol, zone } = packet
    const id = flows.find(source, destination, ports, protocol | (zone << 8))
    if (id >= 0) {
      const egress = departure.egress(id)
      if (egress === null) return true
      this.egress = egress
      departure.look(egress, departure.destination(id), now)
    } else {
      nat.plain(packet)
      if (packet.ingress.address === 0) return true
      if (route.find(packet, destination) !== FOUND && !route.isClosed) return true
      this.egress = route.egress
      departure.look(route.egress, destination, now)
    }
    return departure.isReady
  }

  /** For the gateway itself, as it is behind the translation. */
  private here(burst: Burst, i: number, now: number): number {
    const { packet, chains, local } = this.parts
    chains.redirect(packet, this.target(), this.port(), this.moved())
    return local.input(burst, i, now)
  }

  /** What a service is to hear that knows no connections (DHCP): -1, or the reason why it does not. */
  listen(now: number): number {
    const { chains, local } = this.parts
    let why = this.prerouting(now)
    if (why < 0) why = local.permits()
    chains.settle(chains.x[r.LENGTH])
    return why
  }

  /** Everything up to the routing decision but translation: -1, or a reason. */
  prerouting(now: number, isBridged = false, isFragment = false): number {
    const { packet, chains, conntrack } = this.parts
    const { x } = chains
    // What has no whole header has no ports that a rule could ask for: the kernel drops it as soon as one does.
    if (!isFragment && !check.isWhole(packet)) return reason.CONNTRACK_INVALID
    chains.enter(packet, now)
    x[r.BRIDGED] = isBridged ? 1 : packet.ingress.filterBridged ? 2 : 0
    const raw = chains.permits(RAW, PREROUTING)
    if (raw >= 0) return raw
    if (x[r.ZONE] !== 0) packet.zone = x[r.ZONE]
    if (x[r.NOTRACK] !== 0 || isFragment) {
      packet.state = UNTRACKED
      packet.flow = -1
    } else {
      const why = conntrack.look(packet, now)
      // A forged packet is dropped whatever the rules say; others that fit nothing are INVALID.
      if (why === reason.MARTIAN) return why
      if (why >= 0) packet.state = INVALID
      else if (packet.flow >= 0 && packet.counts) conntrack.account(packet.flow, packet.end - packet.network)
    }
    if (packet.flow < 0) this.parts.nat.plain(packet)
    chains.tracked(packet)
    return chains.permits(MANGLE, PREROUTING)
  }

  /** A packet of a flow: where that goes. */
  private follow(): number {
    const { packet, departure } = this.parts
    const egress = departure.egress(packet.flow)
    packet.replySource = departure.destination(packet.flow)
    if (egress === null) return HERE
    this.egress = egress
    return ON
  }

  /** A packet without a flow: where it goes, translated or not. */
  private open(): number {
    const { packet, nat, route, links } = this.parts
    const { ingress } = packet
    let byRule = false
    if ((this.parts.service() & DHCP) !== 0) return HERE
    if (ingress.address === 0) return reason.NO_ROUTE
    if (packet.state === NEW) {
      const verdict = this.redirect()
      if (verdict >= 0) return verdict
      byRule = verdict === RULED
    } else nat.plain(packet)
    const martian = check.addresses(packet.source, packet.destination, ingress, links)
    if (martian >= 0) return martian
    const found = route.find(packet, packet.replySource, byRule)
    if (found === LOCAL) return HERE
    this.egress = route.egress
    if (found === FOUND) return ON
    if (!route.isClosed) return found
    this.closed = found
    return ON
  }

  /** The nat table at PREROUTING, then published ports: RULED, -1, or a reason. */
  private redirect(): number {
    const { packet, chains, nat, range } = this.parts
    const verdict = chains.ask(NAT, PREROUTING)
    nat.plain(packet)
    if (verdict === r.TRANSLATE) {
      range.destination(packet, packet.ingress.address)
      if (this.parts.service() === 0) nat.onward(packet)
      return RULED
    }
    if (verdict !== r.ACCEPT) return reason.RULE_DROPPED
    // What we answer ourselves is not led to somebody else.
    return chains.x[r.EXPLICIT] !== 0 || this.parts.service() !== 0 ? -1 : nat.prerouting(packet)
  }

  private target(): number {
    const { packet, departure } = this.parts
    return packet.flow < 0 ? packet.replySource : departure.destination(packet.flow)
  }

  /** DNAT if that is not where the packet itself says, be it by its port alone. */
  private moved(): number {
    const { packet } = this.parts
    if (this.target() !== packet.destination) return DNAT
    return packet.protocol !== ipv4.PROTOCOL_ICMP && this.port() !== (packet.ports & 0xffff) ? DNAT : 0
  }

  private port(): number {
    const { packet, departure } = this.parts
    return (packet.flow < 0 ? packet.replyPorts : departure.ports(packet.flow)) >>> 16
  }

  private forward(burst: Burst, i: number, now: number): number {
    const { packet, chains, departure } = this.parts
    const { egress } = this
    const destination = this.target()
    const isServed = egress.role === SERVICES
    // Rules hear of a service of ours as the guest asked for it.
    if (!isServed) chains.redirect(packet, destination, this.port(), this.moved())
    departure.look(egress, destination, now)
    const { out } = departure
    if (!departure.isReady && chains.engine.asksEgress) {
      // Rules want to know the port: the packet begins anew once the next hop has answered.
      chains.forget()
      this.isEarly = true
      return departure.wait(burst, i, egress, now)
    }
    const wide = departure.fits(departure.mtu)
    if (wide >= 0) return wide
    const isolated = this.isolated(egress, out)
    if (isolated >= 0) return isolated
    if (!isServed) {
      departure.age(packet.network)
      chains.out(egress, out)
    }
    chains.x[r.MTU] = Math.min(departure.mtu, packet.ingress.mtu)
    const why = isServed ? this.parts.local.permits() : this.through()
    if (why >= 0) return why
    if (isServed) departure.age(packet.network)
    this.stretch(burst, i)
    return packet.flow >= 0 ? this.send(burst, i, packet.flow, now) : this.begin(burst, i, now)
  }

  /** The chains behind the routing decision: -1, or a reason. */
  private through(): number {
    const { chains } = this.parts
    const marked = chains.permits(MANGLE, FORWARD)
    if (marked >= 0) return marked
    const filtered = chains.permits(FILTER, FORWARD)
    if (filtered >= 0) return filtered
    if (this.closed >= 0 && chains.x[r.EXPLICIT] === 0) return this.closed
    return chains.permits(MANGLE, POSTROUTING)
  }

  /** A rule may have made the packet longer. */
  private stretch(burst: Burst, i: number): void {
    const { packet, chains } = this.parts
    if (chains.x[r.END] === packet.end) return
    packet.end = chains.x[r.END]
    // The frame may have been padded: then it has room.
    packet.length = Math.max(packet.length, packet.end - packet.at)
    burst.i32[burst.block + LENGTHS + i] = packet.length
  }

  /** Two ports that must not meet do not meet by the gateway either. */
  private isolated(egress: Link, out: number): number {
    const { packet, ports } = this.parts
    const { ingress, port } = packet
    if (egress !== ingress) return -1
    if (ingress.isolated || port.isolated) return reason.ISOLATED
    return out >= 0 && !reaches(port, ports[out]) ? reason.ISOLATED : -1
  }

  /** A packet without a flow behind the last filter: translated, made a flow of, and sent. */
  private begin(burst: Burst, i: number, now: number): number {
    const { packet, departure, chains, conntrack, nat } = this.parts
    const { egress } = this
    if (packet.state !== NEW) {
      const isLeak = packet.state === INVALID && packet.ingress.translated && egress === packet.ingress.uplink
      return isLeak ? reason.CONNTRACK_INVALID : departure.leave(burst, i, egress, -1, now)
    }
    const named = egress.role === SERVICES ? nat.postrouting(packet, egress) : this.name()
    if (named >= 0) return named
    const flow = conntrack.confirm(packet, now)
    if (flow < 0) {
      nat.cancel(packet)
      return -1 - flow
    }
    const f = flow * WORDS
    this.words[f + MARK] = chains.mark
    this.words[f + NETWORKS] = (packet.ingress.port.index << 16) | egress.port.index
    this.words[f + NEIGHBOURS] = unresolved(packet.ingress.port.index, egress.port.index)
    this.parts.opening.seal(flow)
    conntrack.account(flow << 1, this.bytes)
    return this.send(burst, i, flow << 1, now)
  }

  /** The nat table at POSTROUTING, then the mode's own translation: -1, or a reason. */
  private name(): number {
    const { packet, chains, nat, range } = this.parts
    const verdict = chains.ask(NAT, POSTROUTING)
    if (verdict === r.TRANSLATE) return range.source(packet, this.egress.address)
    if (verdict !== r.ACCEPT) return reason.RULE_DROPPED
    const why = chains.x[r.EXPLICIT] !== 0 ? -1 : nat.postrouting(packet, this.egress)
    return why < 0 && packet.binding < 0 ? range.unique(packet) : why
  }

  private send(burst: Burst, i: number, id: number, now: number): number {
    const { departure } = this.parts
    departure.translate(id)
    return departure.leave(burst, i, this.egress, id, now)
  }
}
