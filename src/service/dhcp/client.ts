/**
 * A DHCP client over a station: the state machine of RFC 2131 figure 5, for a gateway that is a host on somebody's LAN.
 *
 *    INIT ─ discover ─> SELECTING ─ request ─> REQUESTING ─ ack ─> CHECKING ─ nobody has it ─> BOUND
 *    BOUND ─ T1 ─> RENEWING (asks its server) ─ T2 ─> REBINDING (asks everybody) ─ end ─> INIT
 *
 * A refusal leads to INIT from everywhere; an address that somebody answers for is declined (RFC 2131 4.4.1).
 */
import { randomInt } from 'node:crypto'
import * as dhcp from '../../wire/dhcp.ts'
import { BROADCAST, type Claim, EVERYBODY, type Received, type Station } from '../station.ts'
import { type Grant, grant, options, same } from './grant.ts'
import { dotted, now } from './lease.ts'
import * as message from './message.ts'
import type { Log } from './store.ts'

export type ClientState =
  | 'init'
  | 'selecting'
  | 'requesting'
  | 'checking'
  | 'bound'
  | 'renewing'
  | 'rebinding'

/** RFC 2131 4.1: the first wait doubles up to the last one, give or take a second. */
const FIRST_MS = 4000
const LAST_MS = 64_000
/** RFC 2131 4.4.5: between two attempts to renew lies half of what is left, at least a minute. */
const RENEW_MIN_MS = 60_000
/** Requests for an offer before another one is looked for: RFC 2131 3.1.5 suggests four. */
const REQUESTS = 4
/** RFC 2131 3.1.5: after a declined address. */
const DECLINED_MS = 10_000
/** How long an answer to each of two ARP probes may take; RFC 5227's three probes would hold the uplink up for seconds. */
const PROBE_MS = 500
const PROBES = 2
const TIMER_MAX = 2 ** 31 - 1

/** What becomes of the lease. `lost` says why in a few words. */
export interface Fate {
  bound: (grant: Grant) => void
  lost: (why: string) => void
}

export class Client {
  state: ClientState = 'init'
  /** what is leased, null before and after */
  lease: Grant | null = null
  private readonly station: Station
  private readonly hostname: string
  private readonly fate: Fate
  private readonly log: Log
  private offer: Grant | null = null
  private xid = 0
  private attempt = 0
  private began = 0
  /** when the last request went out: RFC 2131 4.4.1 counts the lease from there */
  private asked = 0
  private since = 0
  private timer: NodeJS.Timeout | null = null
  private closed = false

  /** Starts to look for an address at once. */
  constructor(station: Station, hostname: string, fate: Fate, log: Log) {
    this.station = station
    this.hostname = hostname
    this.fate = fate
    this.log = log
    station.serve(dhcp.CLIENT_PORT, (datagram) => this.receive(datagram))
    station.onarp = (claim) => this.hear(claim)
    this.discover()
  }

  /** Gives the address back and stops; `fate` hears nothing of it. */
  close(): void {
    if (this.lease !== null) this.tell(dhcp.RELEASE, this.lease)
    this.closed = true
    this.rest()
    this.station.serve(dhcp.CLIENT_PORT, null)
    this.station.onarp = null
  }

  /** Begins anew: the card was away, the LAN may be another. */
  restart(): void {
    this.lose('the link came back')
    this.discover()
  }

  private after(ms: number, act: () => void): void {
    this.rest()
    if (this.closed) return
    this.timer = setTimeout(act, Math.min(ms, TIMER_MAX))
    this.timer.unref()
  }

  private rest(): void {
    if (this.timer) clearTimeout(this.timer)
    this.timer = null
  }

  private enter(state: ClientState): void {
    this.state = state
    this.attempt = 0
    this.xid = randomInt(2 ** 32)
    this.began = now()
  }

  /** The wait before attempt `attempt` is repeated. */
  private patience(): number {
    return Math.min(FIRST_MS * 2 ** this.attempt++, LAST_MS) + randomInt(-1000, 1001)
  }

  private discover(): void {
    this.enter('selecting')
    this.offer = null
    const repeat = () => {
      this.send(dhcp.DISCOVER, [])
      this.after(this.patience(), repeat)
    }
    repeat()
  }

  private request(offer: Grant): void {
    this.offer = offer
    const { xid, began } = this
    this.enter('requesting')
    // RFC 2131 4.4.1: the request goes on under the discovery's number.
    this.xid = xid
    this.began = began
    const repeat = () => {
      if (this.attempt === REQUESTS) return this.discover()
      this.send(dhcp.REQUEST, [
        [dhcp.ADDRESS, message.int32(offer.address)],
        [dhcp.SERVER, message.int32(offer.server)],
      ])
      this.after(this.patience(), repeat)
    }
    repeat()
  }

  private check(found: Grant): void {
    this.state = 'checking'
    this.offer = found
    let left = PROBES
    const step = () => {
      if (left-- === 0) return this.settle(found)
      this.station.probe(found.address)
      this.after(PROBE_MS, step)
    }
    step()
  }

  private hear(claim: Claim): void {
    const { offer, state } = this
    if (state !== 'checking' || offer === null || claim.sender !== offer.address) return
    const { high, low } = this.station.seat
    if (claim.high === high && claim.low === low) return
    this.log.warn(
      { address: dotted(offer.address) },
      'somebody has the address that the DHCP server gave; declined',
    )
    this.tell(dhcp.DECLINE, offer)
    this.state = 'init'
    this.after(DECLINED_MS, () => this.discover())
  }

  /** The address is ours until the lease ends. */
  private settle(found: Grant): void {
    const before = this.lease
    this.state = 'bound'
    this.lease = found
    this.since = this.asked
    this.offer = null
    if (found.renewMs === Number.POSITIVE_INFINITY) this.rest()
    else this.after(found.renewMs, () => this.renew())
    if (before === null || !same(before, found)) this.fate.bound(found)
  }

  /** Asks the server to prolong the lease, now; nothing happens without one. */
  renew(): void {
    const { lease, since } = this
    if (lease === null) return
    this.enter('renewing')
    const repeat = () => {
      const left = since + lease.rebindMs - now()
      if (left <= 0) return this.rebind(lease)
      this.send(dhcp.REQUEST, [], lease)
      this.after(Math.min(left, Math.max(left / 2, RENEW_MIN_MS)), repeat)
    }
    repeat()
  }

  private rebind(lease: Grant): void {
    const { since } = this
    this.enter('rebinding')
    const repeat = () => {
      const left = since + lease.leaseMs - now()
      if (left <= 0) {
        this.lose('the lease ended and no server renewed it')
        return this.discover()
      }
      this.send(dhcp.REQUEST, [], lease)
      this.after(Math.min(left, Math.max(left / 2, RENEW_MIN_MS)), repeat)
    }
    repeat()
  }

  private lose(why: string): void {
    if (this.lease === null) return
    this.lease = null
    this.fate.lost(why)
  }

  private receive(datagram: Received): void {
    const got = message.parse(datagram.payload)
    const { high, low } = this.station.seat
    if (got === null || got.op !== dhcp.REPLY_OP || got.xid !== this.xid) return
    if (got.high !== high || got.low !== low) return
    const found = grant(got, datagram)
    const isAsked = this.state === 'requesting' || this.state === 'renewing' || this.state === 'rebinding'
    if (got.type === dhcp.OFFER && this.state === 'selecting' && found !== null) this.request(found)
    else if (got.type === dhcp.ACK && isAsked && found !== null) this.accept(found)
    else if (got.type === dhcp.NAK && isAsked && this.trusts(got)) {
      this.lose('the DHCP server took the address back')
      this.state = 'init'
      this.after(this.patience(), () => this.discover())
    }
  }

  /** While there is a server to hold to, another one's word does not count. */
  private trusts(got: message.Message): boolean {
    const mine = this.state === 'requesting' ? this.offer : this.state === 'renewing' ? this.lease : null
    return mine === null || message.address(got, dhcp.SERVER) === mine.server
  }

  private accept(found: Grant): void {
    const mine = this.state === 'requesting' ? this.offer : this.lease
    if (mine === null || found.address !== mine.address) return
    if (this.state === 'requesting') this.check(found)
    else this.settle(found)
  }

  /** Asks: everybody, or with `lease` as RFC 2131 4.3.6 has it for one that is renewed or rebound. */
  private send(type: number, more: [number, Uint8Array][], lease: Grant | null = null): void {
    const isUnicast = this.state === 'renewing' && lease !== null
    this.asked = now()
    this.station.send({
      ...(isUnicast ? { high: lease.high, low: lease.low } : EVERYBODY),
      source: lease?.address ?? 0,
      sourcePort: dhcp.CLIENT_PORT,
      destination: isUnicast ? lease.server : BROADCAST,
      destinationPort: dhcp.SERVER_PORT,
      payload: this.write(type, lease?.address ?? 0, [
        ...more,
        ...options(this.hostname, this.station.seat.mtu),
      ]),
    })
  }

  /** Says to a server that an address is no longer wanted: RELEASE from it, DECLINE to everybody. */
  private tell(type: number, lease: Grant): void {
    const isRelease = type === dhcp.RELEASE
    this.xid = randomInt(2 ** 32)
    const server: [number, Uint8Array] = [dhcp.SERVER, message.int32(lease.server)]
    const address: [number, Uint8Array] = [dhcp.ADDRESS, message.int32(lease.address)]
    this.station.send({
      ...(isRelease ? { high: lease.high, low: lease.low } : EVERYBODY),
      source: isRelease ? lease.address : 0,
      sourcePort: dhcp.CLIENT_PORT,
      destination: isRelease ? lease.server : BROADCAST,
      destinationPort: dhcp.SERVER_PORT,
      payload: this.write(type, isRelease ? lease.address : 0, isRelease ? [server] : [address, server]),
    })
  }

  private write(type: number, ciaddr: number, list: [number, Uint8Array][]): Uint8Array {
    const { high, low, mtu } = this.station.seat
    const { xid } = this
    const secs = Math.min(Math.floor((now() - this.began) / 1000), 0xffff)
    // Whoever has no address yet cannot be reached by ARP: answers may come to everybody.
    const flags = ciaddr === 0 ? dhcp.BROADCAST_FLAG : 0
    const base = { op: dhcp.REQUEST_OP, type, xid, secs, flags, ciaddr, yiaddr: 0, giaddr: 0, high, low }
    return message.write({ ...base, options: new Map(list) }, Math.min(mtu, dhcp.PACKET_MIN) - 28)
  }
}
