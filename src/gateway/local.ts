// Hot: what is for the gateway itself while rules are in force, and what it says: the hooks INPUT and OUTPUT.
import * as r from '../chain/registers.ts'
import { FILTER, INPUT, MANGLE, NAT, OUTPUT, POSTROUTING, RAW } from '../chain/rule.ts'
import { checksum } from '../memory/checksum.ts'
import { DROPS } from '../memory/counters.ts'
import { type Burst, dropped } from '../pipeline/burst.ts'
import { DHCP } from '../pipeline/program.ts'
import * as reason from '../pipeline/reason.ts'
import type { Port } from '../port/port.ts'
import { DNAT, MARK, NETWORKS, SNAT, STATUS, WORDS } from '../table/flow.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as check from './check.ts'
import type { Link } from './link.ts'
import { ESTABLISHED, INVALID, NEW, OWN, type Packet, RELATED, UNTRACKED } from './packet.ts'
import type { Parts } from './parts.ts'
import { DHCP_SERVER } from './service.ts'

export class Local {
  private readonly parts: Parts
  private readonly view: DataView
  /** what the gateway says is looked at as a packet of its own, while the one that it is about is still at hand */
  private readonly own: Packet

  constructor(parts: Parts, none: Packet) {
    this.parts = parts
    this.view = parts.arena.view
    this.own = none
  }

  /** A packet for the gateway, behind PREROUTING: -1 when its verdict stands, TAKEN, or a reason. */
  input(burst: Burst, i: number, now: number): number {
    const { packet, chains } = this.parts
    const why = this.permits()
    if (why >= 0) return why
    const { view } = this
    const isEcho =
      packet.protocol === ipv4.PROTOCOL_ICMP &&
      packet.transport < packet.end &&
      icmp.type(view, packet.transport) === icmp.ECHO
    const service = this.parts.service()
    if (!isEcho && service === 0) return this.parts.opening.input(burst, i)
    const begun = (service & DHCP) === 0 ? this.begin(now) : -1
    if (begun >= 0) return begun
    if (service !== 0) return this.hand(burst, i)
    this.arrive()
    const mute = this.parts.icmp.echo(packet)
    if (mute >= 0) return mute
    chains.settle(chains.x[r.LENGTH])
    const isOut = this.say(packet.at, packet.length, packet.work, packet.ingress, packet.port, null, now)
    return isOut ? this.parts.opening.reply(burst, i) : reason.RULE_DROPPED
  }

  /** The chains at INPUT: -1, or a reason. */
  permits(): number {
    const { packet, chains } = this.parts
    const mangled = chains.permits(MANGLE, INPUT)
    if (mangled >= 0) return mangled
    const filtered = chains.permits(FILTER, INPUT)
    if (filtered >= 0) return filtered
    return packet.state === NEW && packet.flow < 0 ? chains.permits(NAT, INPUT) : -1
  }

  /** Makes the flow of a first packet for the gateway. */
  private begin(now: number): number {
    const { packet, chains, conntrack, flows } = this.parts
    if (packet.flow >= 0 || packet.state !== NEW) return -1
    const flow = conntrack.confirm(packet, now)
    if (flow < 0) return -1 - flow
    flows.words[flow * WORDS + MARK] = chains.mark
    flows.words[flow * WORDS + NETWORKS] = (packet.ingress.port.index << 16) | OWN
    flows.chronicle?.begin(flow)
    conntrack.account(flow << 1, packet.end - packet.network)
    return -1
  }

  /** Translates a packet that is for the gateway as its flow says. */
  private arrive(): void {
    const { packet, nat } = this.parts
    if (packet.flow < 0) return
    nat.apply(packet, packet.flow >> 1, packet.flow & 1)
    packet.source = ipv4.source(this.view, packet.network)
    packet.destination = ipv4.destination(this.view, packet.network)
  }

  /** Leaves a packet to the service that it asks for. */
  private hand(burst: Burst, i: number): number {
    const { packet, pool } = this.parts
    this.arrive()
    burst.verdict[i] = packet.ingress.port.index
    pool.noteIngress(packet.frame, burst.ingress[i])
    return -1
  }

  /** What the control thread sends by a link: frames that no rule lets out are dropped. */
  sent(burst: Burst, from: number, to: number, port: Port, link: Link, now: number): void {
    const { counters } = this.parts
    for (let i = from; i < to; i++) {
      const at = burst.at[i]
      if (ethernet.type(this.view, at) !== ethernet.TYPE_IPV4) continue
      if (this.say(at, burst.length(i), burst.work[i], link, port, null, now)) continue
      counters[port.row + DROPS + reason.RULE_DROPPED]++
      burst.verdict[i] = dropped(reason.RULE_DROPPED)
      burst.rule[i] = this.parts.chains.decided
    }
  }

  /**
   * Asks about a packet that the gateway sends by `link` to the port `egress`; false if it must not leave. An error or a reset because of
   * the packet `about` is RELATED to its flow, also if that is not made yet, and bears the address that the packet was for.
   */
  say(
    at: number,
    length: number,
    work: number,
    link: Link,
    egress: Port,
    about: Packet | null,
    now: number,
  ): boolean {
    const { chains } = this.parts
    const { own, view } = this
    const network = at + ethernet.HEADER_LENGTH
    if (check.header(view, network, at + length - network) >= 0) return true
    own.ingress = link
    own.port = egress
    own.place(-1, -1, at, length, work)
    own.read(view)
    own.entry = OWN
    chains.enter(own, now)
    chains.leave(link, egress.index)
    const isRelated = about !== null && this.belongs(about)
    const isOut = isRelated ? this.relate(own, about, now) : this.output(own, now)
    chains.settle(chains.x[r.LENGTH])
    return isOut
  }

  /** True if conntrack knows what the packet belongs to, or will. */
  private belongs(about: Packet): boolean {
    return about.state === ESTABLISHED || about.state === NEW
  }

  /** The chains for what is RELATED to the packet `about`: conntrack does not look at it, and it is translated as that packet's flow is. */
  private relate(own: Packet, about: Packet, now: number): boolean {
    const { chains, conntrack, links } = this.parts
    const { x } = chains
    own.state = RELATED
    own.flow = about.flow < 0 ? -1 : about.flow ^ 1
    chains.tracked(own)
    if (own.flow < 0) x[r.DIRECTION] = 1
    const isReset = own.protocol === ipv4.PROTOCOL_TCP
    // The connection is over for both sides, as nf_ct_set_closing has it.
    if (isReset && own.flow >= 0) conntrack.tcp.close(own.flow >> 1, now)
    if (isReset) this.turn(about)
    else if (this.isTranslated(about)) {
      const meant = this.target(about)
      x[r.SOURCE] = links.owns(meant) ? meant : own.ingress.address
    }
    // It has its connection already: CT and NOTRACK leave it (xt_CT).
    x[r.SPOKEN] = 1
    if (chains.permits(RAW, OUTPUT) >= 0 || chains.permits(MANGLE, OUTPUT) >= 0) return false
    if (chains.permits(FILTER, OUTPUT) >= 0 || chains.permits(MANGLE, POSTROUTING) >= 0) return false
    // As in the kernel: a reset is the first packet of its flow that comes by here.
    if (isReset && own.flow < 0 && chains.permits(NAT, POSTROUTING) >= 0) return false
    if (!isReset && this.isTranslated(about)) this.bear(own, about.destination)
    return true
  }

  /** Where a packet goes at last. */
  private target(about: Packet): number {
    return about.flow < 0 ? about.replySource : this.parts.departure.destination(about.flow)
  }

  /** Rules see a reset as it is before it is translated back. */
  private turn(about: Packet): void {
    const { chains, departure } = this.parts
    const { x } = chains
    const id = about.flow
    x[r.SOURCE] = this.target(about)
    x[r.PORTS] = (x[r.PORTS] & 0xffff) | ((id < 0 ? about.replyPorts : departure.ports(id)) & ~0xffff)
  }

  /** True if the destination of the packet `about` is translated. */
  private isTranslated(about: Packet): boolean {
    const { words } = this.parts.flows
    if (about.flow >= 0) {
      const status = words[(about.flow >> 1) * WORDS + STATUS]
      return (status & ((about.flow & 1) === 0 ? DNAT : SNAT)) !== 0
    }
    return about.replySource !== about.destination || (words[STATUS] & DNAT) !== 0
  }

  /** Makes `source` the source of an IPv4 packet. */
  private bear(own: Packet, source: number): void {
    const { view } = this
    const { network } = own
    ipv4.setSource(view, network, source)
    ipv4.setChecksum(view, network, 0)
    ipv4.setChecksum(view, network, ~checksum(network, own.transport - network, 0) & 0xffff)
  }

  private output(own: Packet, now: number): boolean {
    const { chains, conntrack, nat } = this.parts
    const { x } = chains
    if (chains.permits(RAW, OUTPUT) >= 0) return false
    if (x[r.NOTRACK] !== 0) own.state = UNTRACKED
    else {
      if (x[r.ZONE] !== 0) own.zone = x[r.ZONE]
      if (conntrack.look(own, now) >= 0) own.state = INVALID
      else if (own.flow >= 0 && own.counts) conntrack.account(own.flow, own.end - own.network)
    }
    if (own.flow < 0) nat.plain(own)
    chains.tracked(own)
    // DHCP has no connections, but what its server says is an answer: rules that let answers out mean it too.
    if (own.state === NEW && own.ports >>> 16 === DHCP_SERVER && (own.ingress.services & DHCP) !== 0) {
      own.state = ESTABLISHED
      x[r.STATE] = r.STATE_ESTABLISHED
      x[r.DIRECTION] = 1
    }
    const isFirst = own.state === NEW && own.flow < 0
    if (chains.permits(MANGLE, OUTPUT) >= 0) return false
    if (isFirst && chains.permits(NAT, OUTPUT) >= 0) return false
    if (chains.permits(FILTER, OUTPUT) >= 0) return false
    if (chains.permits(MANGLE, POSTROUTING) >= 0) return false
    if (isFirst && chains.permits(NAT, POSTROUTING) >= 0) return false
    if (own.flow >= 0 && own.state !== RELATED) nat.apply(own, own.flow >> 1, own.flow & 1)
    return true
  }
}
