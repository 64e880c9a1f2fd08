// Hot: frames that are bridged inside a network which says filterBridged, while rules are in force.
/**
 * As bridge-nf-call-iptables does: they pass PREROUTING, FORWARD and POSTROUTING of raw, mangle and filter with the network as both interfaces,
 * and are tracked; the nat table is not asked. Fragments pass as they are, each for itself, untracked. What is no IPv4 passes.
 */
import { LENGTH } from '../chain/registers.ts'
import { FILTER, FORWARD, MANGLE, POSTROUTING } from '../chain/rule.ts'
import { DROPS } from '../memory/counters.ts'
import { type Burst, dropped, FLOOD } from '../pipeline/burst.ts'
import * as reason from '../pipeline/reason.ts'
import type { Port } from '../port/port.ts'
import { MARK, NETWORKS, WORDS } from '../table/flow.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as check from './check.ts'
import type { Link } from './link.ts'
import { NEW } from './packet.ts'
import type { Parts } from './parts.ts'

export class Bridged {
  private readonly parts: Parts
  private readonly view: DataView

  constructor(parts: Parts) {
    this.parts = parts
    this.view = parts.arena.view
  }

  /** Positions `from` to `to`, all of which came from `port`; what is for the gateway is not looked at here. */
  run(burst: Burst, from: number, to: number, port: Port, link: Link, now: number): void {
    const { counters, reject, packet } = this.parts
    for (let i = from; i < to; i++) {
      const out = burst.verdict[i]
      if (out === link.port.index || (out < 0 && out !== FLOOD)) continue
      if (ethernet.type(this.view, burst.at[i]) !== ethernet.TYPE_IPV4) continue
      const why = this.judge(burst, i, port, link, out, now)
      if (why < 0) continue
      burst.verdict[i] = dropped(why)
      burst.rule[i] = this.parts.chains.decided
      counters[port.row + DROPS + why]++
      if (why === reason.RULE_REJECTED) reject.answer(packet, now)
    }
  }

  private judge(burst: Burst, i: number, port: Port, link: Link, out: number, now: number): number {
    const { packet, chains, ruled } = this.parts
    packet.place(i, burst.frame(i), burst.at[i], burst.length(i), burst.work[i])
    packet.port = port
    packet.ingress = link
    const malformed = check.header(this.view, packet.network, packet.at + packet.length - packet.network)
    if (malformed >= 0) return malformed
    packet.read(this.view)
    const isFragment = ipv4.fragment(this.view, packet.network) !== 0
    let why = ruled.prerouting(now, true, isFragment)
    if (why < 0) {
      chains.out(link, out)
      why = this.pass(isFragment, link, now)
    }
    chains.settle(chains.x[LENGTH])
    return why
  }

  private pass(isFragment: boolean, link: Link, now: number): number {
    const { packet, chains, conntrack, flows } = this.parts
    const marked = chains.permits(MANGLE, FORWARD)
    if (marked >= 0) return marked
    const filtered = chains.permits(FILTER, FORWARD)
    if (filtered >= 0) return filtered
    const posted = chains.permits(MANGLE, POSTROUTING)
    if (posted >= 0 || isFragment || packet.flow >= 0 || packet.state !== NEW) return posted
    const flow = conntrack.confirm(packet, now)
    if (flow < 0) return -1 - flow
    flows.words[flow * WORDS + MARK] = chains.mark
    flows.words[flow * WORDS + NETWORKS] = (link.port.index << 16) | link.port.index
    flows.chronicle?.begin(flow)
    conntrack.account(flow << 1, packet.end - packet.network)
    return -1
  }
}
