// Hot: what the gateway hears by ARP. RFC 826, RFC 5227. Cost: 93 ns a request that is answered (npm run bench).
/**
 * A request for one of the gateway's addresses is answered once, on the port that asked. A neighbour is learned when it speaks to the
 * gateway, and what is known follows what the station itself announces. Nobody takes a neighbour's address by merely
 * claiming it: the one that had it is asked first (as RFC 5227 lets a host defend its address), and only if it is silent the
 * other gets it. Claims of the gateway's own addresses do not pass the switch.
 */
import * as reason from '../pipeline/reason.ts'
import type { Port } from '../port/port.ts'
import { INCOMPLETE, type Neighbours, PERMANENT, REACHABLE, STALE } from '../table/neighbour.ts'
import * as arp from '../wire/arp.ts'
import * as ethernet from '../wire/ethernet.ts'
import type { Ask } from './ask.ts'
import type { Hold } from './hold.ts'
import { martian } from './icmp.ts'
import { Limit } from './limit.ts'
import type { Link } from './link.ts'
import { TAKEN } from './packet.ts'

export { TAKEN }

/** Networks that a worker can have, by index, for the defence's allowance: one announcement a second. */
const NETWORKS = 1024
/** A claim within this time after the owner's answer is not looked into: nobody makes us ask more than once a second. */
const CLAIM_MS = 1000

export class Arp {
  private readonly view: DataView
  private readonly neighbours: Neighbours
  private readonly ask: Ask
  private readonly hold: Hold
  private readonly defence = new Limit(NETWORKS, 1, 1)
  /** addresses beside the links' own that the gateway answers for: network, address */
  private claims: Int32Array = new Int32Array(0)

  constructor(view: DataView, neighbours: Neighbours, ask: Ask, hold: Hold) {
    this.view = view
    this.neighbours = neighbours
    this.ask = ask
    this.hold = hold
  }

  /** The addresses beside the links' own that the gateway answers for: pairs of a network's index and an address. Cold. */
  claim(pairs: Int32Array): void {
    this.claims = pairs
  }

  private owns(link: Link, address: number): boolean {
    if (address === link.address) return true
    for (let i = 0; i < this.claims.length; i += 2)
      if (this.claims[i] === link.network.index && this.claims[i + 1] === address) return true
    return false
  }

  /** An untagged ARP frame of `length` bytes at `at`, from `port`: -1 to go on as the bridge decided, TAKEN, or a reason to drop it. */
  hear(at: number, length: number, port: Port, link: Link, now: number): number {
    const { view } = this
    // Not any station's: a question to one that the bridge has forgotten is flooded.
    const isForUs =
      ethernet.destinationHigh(view, at) === link.high && ethernet.destinationLow(view, at) === link.low
    const body = at + ethernet.HEADER_LENGTH
    if (length < ethernet.HEADER_LENGTH + arp.LENGTH || !arp.valid(view, body)) {
      return isForUs ? reason.ARP_INVALID : -1
    }
    if (link.intercept || link.address === 0) return -1
    const high = arp.senderHigh(view, body)
    const low = arp.senderLow(view, body)
    const sender = arp.sender(view, body)
    const target = arp.target(view, body)
    const isReply = arp.operation(view, body) === arp.REPLY
    // The answer to a probe of the control thread's, which asks as nobody
    if (isReply && isForUs && target === 0) return -1
    if (this.owns(link, sender)) return this.defend(link, sender, now)
    if ((high & ethernet.GROUP) !== 0 || (high | low) === 0) return reason.ARP_INVALID
    const isOurs = this.owns(link, target)
    const isTrue = this.isNeighbour(link, sender)
    // A sender that hides behind another frame's address is looked up where its MAC was learned.
    const isPlain = ethernet.sourceHigh(view, at) === high && ethernet.sourceLow(view, at) === low
    const from = isPlain ? port.index : -1
    const isRequest = arp.operation(view, body) === arp.REQUEST
    if (isTrue) this.learn(link, sender, high, low, from, isReply && isForUs, isOurs && isRequest, now)
    if (isRequest && isOurs) {
      this.ask.answer(link, target, port.index, high, low, sender)
      return TAKEN
    }
    if (!isForUs) return -1
    return isReply ? TAKEN : reason.NO_SERVICE
  }

  private isNeighbour(link: Link, address: number): boolean {
    return (link.holds(address) && !martian(address, link)) || (address === link.router && address !== 0)
  }

  /** Somebody claims an address of the gateway's: everybody is told whose it is, at most once a second. */
  private defend(link: Link, address: number, now: number): number {
    if (this.defence.take(link.network.index & (NETWORKS - 1), now)) this.ask.announce(link, address)
    return reason.ARP_INVALID
  }

  /** `asked`: this is an answer to us. `asks`: it asks for us, and will be spoken to. */
  private learn(
    link: Link,
    address: number,
    high: number,
    low: number,
    port: number,
    asked: boolean,
    asks: boolean,
    now: number,
  ): void {
    const { neighbours } = this
    let n = neighbours.find(link.network.index, address)
    if (n === 0) {
      if (!asks) return
      n = this.hold.admit(link.network.index, address, false, now)
      if (n === 0) return // it is asked when a packet is for it
    }
    const state = neighbours.state(n)
    if (state === INCOMPLETE) {
      neighbours.settle(n, high, low, port, asked ? REACHABLE : STALE, now)
      this.hold.release(n, link)
    } else if (neighbours.high(n) !== high || neighbours.low(n) !== low) {
      if (state !== PERMANENT) this.challenge(n, link, address, high, low, port, now)
    } else {
      if (asked && state !== PERMANENT) neighbours.settle(n, high, low, port, REACHABLE, now)
      else if (port >= 0) neighbours.setPort(n, port)
    }
  }

  /** Another MAC claims a neighbour's address: the one that has it is asked, unless it is gone from the network. */
  private challenge(
    n: number,
    link: Link,
    address: number,
    high: number,
    low: number,
    port: number,
    now: number,
  ): void {
    const { neighbours } = this
    const oldHigh = neighbours.high(n)
    const oldLow = neighbours.low(n)
    if (link.network.macs.find(oldHigh, oldLow) < 0) {
      neighbours.settle(n, high, low, port, STALE, now)
      return
    }
    if (neighbours.challenged(n) || ((now - neighbours.confirmed(n)) | 0) < CLAIM_MS) return
    neighbours.challenge(n, high, low, port)
    neighbours.ask(n, (now + CLAIM_MS) | 0)
    this.ask.one(link, address, oldHigh, oldLow, neighbours.port(n))
  }
}
