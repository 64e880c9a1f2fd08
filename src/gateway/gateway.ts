// Hot: the gateway. Ordinary packets of flows pass in forward.ts; what is here is asked for first packets, errors and the like.
/**
 * The way of a packet that is not ordinary, in netfilter's order and words:
 *
 *   header checks → ARP | fragments → conntrack → prerouting (redirects) → route ─> local: echo, services
 *                                                                         └> forward → postrouting (translation) → confirm → next hop
 *
 * Whoever returns a number from 0 on gives the reason to drop the packet; some are told to the sender (RFC 1812 5.2.7), in its own
 * words: until the last check has passed nothing in the packet is rewritten.
 */
import { LENGTHS } from '../memory/block.ts'
import { DROPS, FRAGMENTED, HELD } from '../memory/counters.ts'
import { type Burst, DROPPED, dropped, FLOOD } from '../pipeline/burst.ts'
import { GUESTS } from '../pipeline/program.ts'
import * as reason from '../pipeline/reason.ts'
import type { Port } from '../port/port.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as check from './check.ts'
import type { Link } from './link.ts'
import { TAKEN } from './packet.ts'
import type { Parts } from './parts.ts'
import { serviceOf } from './service.ts'

/** How often what is due is looked for; how long a look at all flows takes, and how many are looked at without a pause (0.2 ms). */
const SWEEP_MS = 50
const ROUND_MS = 4000
const SHARE_MAX = 32_768

export class Gateway {
  private readonly parts: Parts
  private readonly view: DataView
  /** milliseconds, wrapping; set once a burst */
  now = 0
  private swept = 0

  constructor(parts: Parts) {
    this.parts = parts
    this.view = parts.arena.view
  }

  /** The time of everything that follows: milliseconds, wrapping. What is due now is done: expiry, retries, announcements. */
  tick(now: number): void {
    const { hold, fragments, flows, conntrack, counters } = this.parts
    const passed = (now - this.swept) | 0
    this.now = now
    if (passed < SWEEP_MS && passed >= 0) return
    this.swept = now
    hold.tick(now)
    fragments.tick(now)
    counters[HELD] = hold.count
    counters[FRAGMENTED] = fragments.datagrams.count
    const share = Math.ceil((flows.high * Math.min(passed, ROUND_MS)) / ROUND_MS)
    if (flows.count > 0) conntrack.expire(Math.min(share, SHARE_MAX), now)
    this.flush()
  }

  /** Gives up whatever waits. */
  close(): void {
    const { hold, fragments, counters } = this.parts
    hold.close()
    fragments.close()
    counters[HELD] = 0
    counters[FRAGMENTED] = 0
  }

  /** Looks at the packets that begin anew, and sends what the gateway itself had to say to a burst. */
  flush(): void {
    const { outbox, ports } = this.parts
    for (let i = outbox.again(ports); i >= 0; i = outbox.again(ports)) {
      const port = ports[outbox.burst.ingress[i]]
      const { link } = port.network
      if (link === null) continue
      this.examine(outbox.burst, i, port, link)
      outbox.settle(i, port)
    }
    outbox.flush()
  }

  /** Positions `from` to `to`, all of which came from `port`, whose network has a link. */
  run(burst: Burst, from: number, to: number, port: Port): void {
    const link = port.network.link
    if (link === null) return
    const { chains } = this.parts
    if (port.local) {
      if (chains.active) this.parts.local.sent(burst, from, to, port, link, this.now)
      return
    }
    if (link.filterBridged && chains.active) this.parts.bridged.run(burst, from, to, port, link, this.now)
    if (link.intercept) {
      for (let i = from; i < to; i++) this.intercept(burst, i, link)
      return
    }
    if (chains.active && chains.engine.decidesTracking) {
      for (let i = from; i < to; i++) {
        const out = burst.verdict[i]
        if (out === link.port.index || out === FLOOD) this.examine(burst, i, port, link)
      }
      return
    }
    const { forward, ahead } = this.parts
    const odds = forward.run(burst, from, to, link, this.now)
    if (odds > 0) ahead.run(burst, forward.odd, odds, link)
    for (let o = 0; o < odds; o++) this.examine(burst, forward.odd[o], port, link)
  }

  /** The kernel behind the host's port is the gateway: only what is for our services is taken from the burst. */
  private intercept(burst: Burst, i: number, link: Link): void {
    const { view } = this
    const verdict = burst.verdict[i]
    if (verdict < 0 && verdict !== FLOOD) return
    const at = burst.at[i]
    const type = ethernet.type(view, at)
    if (type === ethernet.TYPE_ARP && verdict === link.port.index) {
      this.place(burst, i, link)
      const { arp, packet } = this.parts
      if (arp.hear(at, burst.length(i), packet.port, link, this.now) === TAKEN) burst.verdict[i] = DROPPED
    } else if (type === ethernet.TYPE_IPV4) {
      const room = burst.length(i) - ethernet.HEADER_LENGTH
      if (serviceOf(view, at + ethernet.HEADER_LENGTH, room, link) !== 0) this.listen(burst, i, link)
    }
  }

  /** A frame for a service, unless rules are in force and keep it away: a frame for everybody goes on then, another one is dropped. */
  private listen(burst: Burst, i: number, link: Link): void {
    const { packet, chains, ruled, counters } = this.parts
    if (!chains.active) {
      this.punt(burst, i, link)
      return
    }
    this.place(burst, i, link)
    let why = check.header(this.view, packet.network, packet.at + packet.length - packet.network)
    if (why < 0) {
      packet.read(this.view)
      why = ruled.listen(this.now)
    }
    if (why < 0) this.punt(burst, i, link)
    else if (burst.verdict[i] !== FLOOD) {
      burst.verdict[i] = dropped(why)
      burst.rule[i] = chains.decided
      counters[packet.port.row + DROPS + why]++
    }
  }

  /** Leaves a frame to the control thread, and tells it where the frame came from. */
  private punt(burst: Burst, i: number, link: Link): void {
    burst.verdict[i] = link.port.index
    this.parts.pool.noteIngress(burst.frame(i), burst.ingress[i])
  }

  private place(burst: Burst, i: number, link: Link): void {
    const { packet, ports } = this.parts
    packet.place(i, burst.frame(i), burst.at[i], burst.length(i), burst.work[i])
    packet.port = ports[burst.ingress[i]]
    packet.ingress = link
    packet.largest = 0
  }

  private examine(burst: Burst, i: number, port: Port, link: Link): void {
    const { view } = this
    const at = burst.at[i]
    const type = ethernet.type(view, at)
    this.place(burst, i, link)
    let why = reason.NOT_IP
    if (type === ethernet.TYPE_ARP) {
      why = this.parts.arp.hear(at, burst.length(i), port, link, this.now)
      if (why === -1) {
        if (burst.verdict[i] === link.port.index) this.punt(burst, i, link)
        return
      }
    } else if (burst.verdict[i] === FLOOD) {
      if (type !== ethernet.TYPE_IPV4) return
      if (serviceOf(view, at + ethernet.HEADER_LENGTH, burst.length(i) - ethernet.HEADER_LENGTH, link) !== 0)
        this.listen(burst, i, link)
      return
    } else if (type === ethernet.TYPE_IPV4) why = this.receive(burst, i)
    if (why === -1) return
    burst.verdict[i] = why < 0 ? DROPPED : dropped(why)
    if (why < 0) return
    burst.rule[i] = this.parts.chains.decided
    this.parts.counters[port.row + DROPS + why]++
    this.explain(why)
  }

  /** Whatever is no ordinary packet, from its header on: -1 when its verdict stands, TAKEN, or a reason. */
  private receive(burst: Burst, i: number): number {
    const { view } = this
    const { packet, fragments, conntrack } = this.parts
    const { ingress, network } = packet
    const malformed = check.header(view, network, packet.at + packet.length - network)
    if (malformed >= 0) return malformed
    const isRuled = this.parts.chains.active
    if (!isRuled && serviceOf(view, network, packet.at + packet.length - network, ingress) !== 0) {
      this.punt(burst, i, ingress)
      return -1
    }
    if (ipv4.fragment(view, network) !== 0) {
      const why = fragments.add(packet, this.now)
      if (why !== -1) return why
      this.replace(burst, i)
    }
    packet.read(view)
    if (isRuled) return this.parts.ruled.run(burst, i, this.now)
    if (ingress.address === 0) return reason.NO_ROUTE
    const why = conntrack.look(packet, this.now)
    if (why >= 0) return why
    const { opening, departure } = this.parts
    return packet.flow < 0 ? opening.run(burst, i, this.now) : departure.run(burst, i, packet.flow, this.now)
  }

  /** Puts a reassembled packet into the place of its last fragment. */
  private replace(burst: Burst, i: number): void {
    const { packet, outbox } = this.parts
    outbox.give(burst.frame(i))
    burst.i32[burst.block + i] = packet.frame
    burst.i32[burst.block + LENGTHS + i] = packet.length
    burst.at[i] = packet.at
    burst.work[i] = packet.work
    burst.plain = false
    packet.position = i
  }

  /** Tells the sender why its packet was dropped, where the RFCs want that. */
  private explain(why: number): void {
    const { packet, icmp: errors } = this.parts
    const { now } = this
    const isInside = packet.ingress.role === GUESTS
    if (why === reason.RULE_REJECTED) this.parts.reject.answer(packet, now)
    else if (why === reason.TTL_EXCEEDED) errors.error(packet, icmp.TIME_EXCEEDED, icmp.TTL, 0, now)
    else if (why === reason.FRAGMENT_NEEDED)
      errors.error(packet, icmp.UNREACHABLE, icmp.FRAGMENTATION_NEEDED, this.parts.departure.narrow, now)
    else if (!isInside) return
    else if (why === reason.NO_ROUTE) errors.error(packet, icmp.UNREACHABLE, icmp.NETWORK, 0, now)
    else if (why === reason.PROHIBITED || why === reason.ISOLATED || isSpent(why))
      errors.error(packet, icmp.UNREACHABLE, icmp.PROHIBITED, 0, now)
    else if (why === reason.NO_SERVICE) {
      const isPort = packet.protocol === ipv4.PROTOCOL_UDP || packet.protocol === ipv4.PROTOCOL_TCP
      errors.error(packet, icmp.UNREACHABLE, isPort ? icmp.PORT : icmp.PROTOCOL, 0, now)
    }
  }
}

/** RFC 5508, REQ-8: who gets no session because there is no room for one is told so as who may not have one. */
function isSpent(why: number): boolean {
  return why === reason.NAT_EXHAUSTED || why === reason.FLOWS_FULL
}
