// Hot: what services of ours that need TCP answer while rules are in force.
/**
 * DNS over TCP ends in a room of the daemon's own, behind a link of its own (pipeline/program.ts, SERVICES). To rules it is the gateway itself:
 * what goes there passes INPUT (ruled.ts), and what comes from there is said by the gateway's address and passes OUTPUT and POSTROUTING.
 */
import * as r from '../chain/registers.ts'
import { FILTER, MANGLE, OUTPUT, POSTROUTING, RAW } from '../chain/rule.ts'
import type { Burst } from '../pipeline/burst.ts'
import * as reason from '../pipeline/reason.ts'
import { DESTINATION, PORTS, REPLY, WORDS } from '../table/flow.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { Parts } from './parts.ts'

export class Served {
  private readonly parts: Parts
  private readonly words: Int32Array

  constructor(parts: Parts) {
    this.parts = parts
    this.words = parts.flows.words
  }

  /** The packet at position `i`, from the room: -1 when its verdict stands, TAKEN, or a reason. Nobody there begins a connection. */
  answer(burst: Burst, i: number, now: number): number {
    const { packet, chains, conntrack, departure } = this.parts
    const why = conntrack.look(packet, now)
    if (why >= 0) return why
    if (packet.flow < 0) return reason.NO_ROUTE
    if (packet.counts) conntrack.account(packet.flow, packet.end - packet.network)
    const egress = departure.egress(packet.flow)
    if (egress === null) return reason.NO_ROUTE
    departure.look(egress, departure.destination(packet.flow), now)
    const wide = departure.fits(departure.mtu)
    if (wide >= 0) return wide
    chains.enter(packet, now)
    chains.tracked(packet)
    this.speak()
    chains.leave(egress, departure.out)
    const refused = this.permits()
    chains.settle(packet.end - packet.network)
    if (refused >= 0) return refused
    departure.age(packet.network)
    departure.translate(packet.flow)
    return departure.leave(burst, i, egress, packet.flow, now)
  }

  /** Rules see the addresses that the guest will. */
  private speak(): void {
    const { packet, chains, departure } = this.parts
    const { x } = chains
    const f = (packet.flow >> 1) * WORDS
    const other = f + REPLY - (packet.flow & 1) * REPLY
    x[r.SOURCE] = this.words[other + DESTINATION]
    x[r.DESTINATION] = departure.destination(packet.flow)
    if (packet.protocol === ipv4.PROTOCOL_ICMP) return
    const ports = this.words[other + PORTS]
    x[r.PORTS] = (ports << 16) | (ports >>> 16)
  }

  private permits(): number {
    const { chains } = this.parts
    const raw = chains.permits(RAW, OUTPUT)
    if (raw >= 0) return raw
    const mangled = chains.permits(MANGLE, OUTPUT)
    if (mangled >= 0) return mangled
    const filtered = chains.permits(FILTER, OUTPUT)
    return filtered >= 0 ? filtered : chains.permits(MANGLE, POSTROUTING)
  }
}
