/**
 * A network's DHCP server, RFC 2131 with the options of RFC 2132, 3046, 3396, 3397 and 3442. It is the network's only one and says
 * so: a client that asks for an address which cannot be its own hears NAK at once, and one whose lease was lost with a
 * killed daemon keeps its address as long as nobody else has it.
 */
import * as dhcp from '../../wire/dhcp.ts'
import { print } from '../../wire/mac.ts'
import { BROADCAST, EVERYBODY, type Received, type Station } from '../station.ts'
import { Allotment, type Asker, asker } from './allotment.ts'
import { type Book, dotted, type Lease, now } from './lease.ts'
import * as message from './message.ts'
import { Menu, type Settings } from './option.ts'
import type { Leases, Log } from './store.ts'

/** What a server did, by kind of message; `full`: clients that got no offer; `ignored`: what was not for it. */
export type Counts = Record<
  'discover' | 'offer' | 'request' | 'ack' | 'nak' | 'decline' | 'release' | 'inform' | 'full' | 'ignored',
  number
>

/** A pool with less than a tenth of its addresses free is full, or will be. */
const ROOM = 0.9

export class Server {
  readonly counts: Counts = {
    discover: 0,
    offer: 0,
    request: 0,
    ack: 0,
    nak: 0,
    decline: 0,
    release: 0,
    inform: 0,
    full: 0,
    ignored: 0,
  }
  private settings: Settings
  private menu: Menu
  private readonly station: Station
  private readonly book: Book
  private readonly allotment: Allotment
  private readonly log: Log
  private isFull = false

  /** Begins to answer on the station. */
  constructor(station: Station, settings: Settings, leases: Leases, log: Log) {
    this.station = station
    this.settings = settings
    this.menu = new Menu(settings)
    this.book = leases.book(settings.network)
    this.log = log
    this.allotment = new Allotment(this.book, station, settings, log)
    station.onarp = (claim) => this.allotment.pool.hear(claim, print(claim.high, claim.low))
    station.serve(dhcp.SERVER_PORT, (datagram) => this.receive(datagram))
  }

  /** Other settings for the same network: leases go on where the new range allows it. */
  update(settings: Settings): void {
    const before = this.capacity
    this.settings = settings
    this.menu = new Menu(settings)
    this.allotment.update(settings)
    if (this.capacity > before) this.isFull = false
  }

  /** Stops to answer; leases stay on record. */
  close(): void {
    this.allotment.pool.close()
    this.station.onarp = null
    this.station.serve(dhcp.SERVER_PORT, null)
  }

  /** `Allotment.reserve` */
  reserve(mac: string, hostname: string): number | null {
    return this.allotment.reserve(mac, hostname)
  }

  /** `Allotment.release` */
  release(mac: string): void {
    this.allotment.release(mac)
  }

  /** Addresses that can be leased at once: the range and the static ones outside of it. */
  get capacity(): number {
    return this.allotment.pool.capacity + this.settings.statics.size
  }

  /** Addresses that were probed ahead. */
  get ready(): number {
    return this.allotment.pool.ready.size
  }

  /** Bound leases. */
  get count(): number {
    return this.book.bound.size
  }

  private receive(datagram: Received): void {
    const asked = message.parse(datagram.payload)
    const isOurs = asked !== null && asked.op === dhcp.REQUEST_OP && (asked.high & 0x0100) === 0
    // A relay agent that stands in another subnet asks for addresses that this network does not have.
    if (!isOurs || (asked.giaddr !== 0 && !this.holds(asked.giaddr))) {
      this.counts.ignored++
      return
    }
    const client = asker(asked)
    if (asked.type === dhcp.DISCOVER) this.discover(asked, client, datagram)
    else if (asked.type === dhcp.REQUEST) this.request(asked, client, datagram)
    else if (asked.type === dhcp.DECLINE) this.decline(asked, client, datagram)
    else if (asked.type === dhcp.RELEASE) this.end(asked, client, datagram)
    else if (asked.type === dhcp.INFORM) this.inform(asked, datagram)
    else this.counts.ignored++
  }

  private discover(asked: message.Message, client: Asker, datagram: Received): void {
    this.counts.discover++
    const address = this.allotment.choose(client, message.address(asked, dhcp.ADDRESS), datagram.ingress)
    if (address === null) {
      this.full(client.mac)
      return
    }
    const known = this.book.of(client.key)
    if (known?.address === address && known.state === 'bound') this.offer(asked, known, datagram)
    else this.offer(asked, this.allotment.promise(client, address, datagram.ingress), datagram)
  }

  private offer(asked: message.Message, lease: Lease, datagram: Received): void {
    // Said again only after there was room: clients that have an address go on asking for it while the pool is full.
    if (this.book.held < this.allotment.pool.capacity * ROOM) this.isFull = false
    this.counts.offer++
    this.reply(
      asked,
      dhcp.OFFER,
      lease.address,
      this.menu.lease(asked, this.leaseMs(asked), lease.hostname),
      datagram,
    )
  }

  /** RFC 2131 4.3.2: the same message selects an offer, confirms an address after a reboot, renews and rebinds. */
  private request(asked: message.Message, client: Asker, datagram: Received): void {
    this.counts.request++
    const server = message.address(asked, dhcp.SERVER)
    const known = this.book.of(client.key)
    if (server !== null && server !== this.settings.address) {
      // It took another server's offer.
      if (known?.state === 'offered') this.book.move(known, 'ended', now())
      return
    }
    const address = asked.ciaddr !== 0 ? asked.ciaddr : message.address(asked, dhcp.ADDRESS)
    if (address === null) {
      this.counts.ignored++
      return
    }
    const isHis = known?.address === address && (known.state === 'offered' || known.state === 'bound')
    if (!this.allotment.suits(address, client.mac))
      this.refuse(asked, datagram, 'not an address for this client')
    else if (isHis) this.bind(asked, known, datagram)
    else if (this.allotment.grants(address, datagram.ingress))
      this.bind(asked, this.allotment.promise(client, address, datagram.ingress), datagram)
    else this.refuse(asked, datagram, 'the address is not free')
  }

  private bind(asked: message.Message, lease: Lease, datagram: Received): void {
    const leaseMs = this.leaseMs(asked)
    this.counts.ack++
    this.book.shift(lease, datagram.ingress)
    if (lease.kind !== 'port') {
      this.book.move(lease, 'bound', now() + leaseMs)
      this.book.name(lease, message.hostname(asked))
    }
    this.reply(asked, dhcp.ACK, lease.address, this.menu.lease(asked, leaseMs, lease.hostname), datagram)
  }

  private refuse(asked: message.Message, datagram: Received, why: string): void {
    this.counts.nak++
    this.reply(asked, dhcp.NAK, 0, this.menu.refusal(asked, why), datagram)
  }

  private decline(asked: message.Message, client: Asker, datagram: Received): void {
    this.counts.decline++
    const lease = this.own(client, message.address(asked, dhcp.ADDRESS), datagram)
    if (lease !== null) this.allotment.pool.quarantine(lease.address, lease.ingress, client.mac)
  }

  private end(asked: message.Message, client: Asker, datagram: Received): void {
    this.counts.release++
    const lease = this.own(client, asked.ciaddr, datagram)
    if (lease !== null) this.book.move(lease, 'ended', now())
  }

  /** The client's lease of that address, unless the message came by another port than the client is behind. */
  private own(client: Asker, address: number | null, { ingress }: Received): Lease | null {
    const lease = this.book.of(client.key)
    const isOwn = lease?.address === address && (lease?.state === 'bound' || lease?.state === 'offered')
    const isThere = lease?.ingress === ingress || lease?.ingress === -1
    return isOwn && isThere && lease.kind !== 'port' ? lease : null
  }

  /** RFC 2131 4.3.5: options for a client that has its address from elsewhere. */
  private inform(asked: message.Message, datagram: Received): void {
    this.counts.inform++
    this.reply(asked, dhcp.ACK, 0, this.menu.common(asked, ''), datagram)
  }

  /** The configured time, or a shorter one that the client asks for, down to a minute. */
  private leaseMs(asked: message.Message): number {
    const value = asked.options.get(dhcp.LEASE_TIME)
    const wanted = value?.length === 4 ? Buffer.from(value).readUInt32BE() * 1000 : Number.POSITIVE_INFINITY
    return Math.min(this.settings.leaseMs, Math.max(wanted, 60_000))
  }

  private full(mac: string): void {
    this.counts.full++
    if (this.isFull) return
    this.isFull = true
    const { network, first, last } = this.settings
    const range = `${dotted(first)}-${dotted(last)}`
    const why =
      this.allotment.pool.capacity > this.book.held
        ? 'its port has as many as are left for all others'
        : 'all are leased'
    this.log.warn(
      { network, mac, range, leases: this.count },
      `no address for a DHCP client: ${why}; widen dhcp.range`,
    )
  }

  private holds(address: number): boolean {
    const { prefix } = this.settings
    return (address ^ this.settings.address) >>> (32 - prefix) === 0
  }

  /** Sends an answer to where RFC 2131 4.1 wants it. */
  private reply(
    asked: message.Message,
    type: number,
    yiaddr: number,
    options: Map<number, Uint8Array>,
    datagram: Received,
  ): void {
    const isNak = type === dhcp.NAK
    const { xid, giaddr, high, low } = asked
    const ciaddr = isNak ? 0 : asked.ciaddr
    const flags = asked.flags | (isNak && giaddr !== 0 ? dhcp.BROADCAST_FLAG : 0)
    const answer = {
      op: dhcp.REPLY_OP,
      type,
      xid,
      secs: 0,
      flags,
      ciaddr,
      yiaddr,
      giaddr,
      high,
      low,
      options,
    }
    const isRelayed = giaddr !== 0
    const isBroadcast = !isRelayed && (isNak || (ciaddr === 0 && (flags & dhcp.BROADCAST_FLAG) !== 0))
    const isHere = isRelayed || (ciaddr !== 0 && !isBroadcast)
    this.station.send({
      ...(isBroadcast ? EVERYBODY : isHere ? { high: datagram.high, low: datagram.low } : { high, low }),
      source: this.settings.address,
      sourcePort: dhcp.SERVER_PORT,
      destination: isRelayed
        ? giaddr
        : isBroadcast
          ? BROADCAST
          : ciaddr !== 0
            ? ciaddr
            : yiaddr || datagram.source || BROADCAST,
      destinationPort: isRelayed ? dhcp.SERVER_PORT : dhcp.CLIENT_PORT,
      payload: message.write(answer, this.menu.room(asked)),
    })
  }
}
