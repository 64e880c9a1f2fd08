// Hot: what is for the gateway itself while rules are in force, and what it says: the hooks INPUT and OUTPUT.
import * as r from '../chain/registers.ts'
import { FILTER, INPUT, MANGLE, NAT, OUTPUT, POSTROUTING, RAW } from '../chain/rule.ts'
import { DROPS } from '../memory/counters.ts'
import { type Burst, DROPPED } from '../pipeline/burst.ts'
import { DHCP } from '../pipeline/program.ts'
import * as reason from '../pipeline/reason.ts'
import type { Port } from '../port/port.ts'
import { MARK, NETWORKS, WORDS } from '../table/flow.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as check from './check.ts'
import type { Link } from './link.ts'
import { INVALID, NEW, OWN, type Packet, RELATED, UNTRACKED } from './packet.ts'
import type { Parts } from './parts.ts'

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
    const answered = this.parts.opening.input(burst, i)
    if (answered >= 0) return answered
    chains.settle(packet.end - packet.network)
    return this.say(packet.at, packet.length, packet.work, packet.ingress, packet.port, now)
      ? answered
      : reason.RULE_DROPPED
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
    return -1
  }

  /** Leaves a packet to the service that it asks for. */
  private hand(burst: Burst, i: number): number {
    const { packet, nat, pool } = this.parts
    if (packet.flow >= 0) nat.apply(packet, packet.flow >> 1, packet.flow & 1)
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
      if (this.say(at, burst.length(i), burst.work[i], link, port, now)) continue
      counters[port.row + DROPS + reason.RULE_DROPPED]++
      burst.verdict[i] = DROPPED
    }
  }

  /** Asks about a packet that the gateway sends by `link` to the port `egress`; false if it must not leave. */
  say(at: number, length: number, work: number, link: Link, egress: Port, now: number): boolean {
    const { chains, conntrack } = this.parts
    const { own, view } = this
    const network = at + ethernet.HEADER_LENGTH
    if (check.header(view, network, at + length - network) >= 0) return true
    own.ingress = link
    own.port = egress
    own.place(-1, -1, at, length, work)
    own.read(view)
    own.entry = OWN
    chains.enter(own, now)
    chains.leave(link, egress)
    const isOut = this.output(own, now)
    const bytes = own.end - own.network
    chains.settle(bytes)
    if (own.flow >= 0 && own.state !== RELATED) conntrack.account(own.flow, bytes)
    return isOut
  }

  private output(own: Packet, now: number): boolean {
    const { chains, conntrack, nat } = this.parts
    const { x } = chains
    if (chains.permits(RAW, OUTPUT) >= 0) return false
    if (x[r.NOTRACK] !== 0) own.state = UNTRACKED
    else {
      if (x[r.ZONE] !== 0) own.zone = x[r.ZONE]
      if (conntrack.look(own, now) >= 0) own.state = INVALID
    }
    if (own.flow < 0) nat.plain(own)
    chains.tracked(own)
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
