/**
 * The addresses of a range, and which one is next: first those that nobody ever had, in order, then the one that is free for the
 * longest time. RFC 2131 2.2 wants an address probed before it is handed out; an offer does not wait for that: some addresses are
 * probed ahead, and when there is none of these, or its probe was long ago, the offer goes out together with the probe and an answer
 * withdraws it before the client can accept.
 */
import type { Claim, Station } from '../station.ts'
import { type Book, dotted, now } from './lease.ts'
import type { Log } from './store.ts'

/** Probed ahead. Forty addresses a second are more than guests on a switch start. */
const AHEAD = 64
/** How many probes begin together, and how long they wait for answers: RFC 5227's PROBE_WAIT is a second for a whole LAN. */
const BATCH = 16
const ANSWER_MS = 400
/** A probe this old says little about now. */
const FRESH_MS = 30_000
/** Broadcasts a second that probes may cost the network: a burst of clients is offered addresses without, the clients' own probe is left. */
const RATE = 1000
/** How long an address that somebody uses is left alone; RFC 2131 leaves it open, a lease's usual length is too long for a passing guest. */
const QUARANTINE_MS = 600_000
/** An offer this old may be given to another client when there is nothing else; who means it answers within milliseconds. */
const OFFER_MIN_MS = 2000

/** The range and what of it is not to be handed out; addresses are int32. */
export interface Range {
  first: number
  last: number
  excluded: ReadonlySet<number>
}

export class Pool {
  /** addresses that may be handed out */
  capacity: number
  private range: Range
  private readonly book: Book
  private readonly station: Station
  private readonly log: Log
  /** probed without an answer: address → when */
  readonly ready = new Map<number, number>()
  private readonly probing = new Set<number>()
  /** the next address that nobody ever had, as uint32 */
  private cursor = 0
  private tokens = RATE
  private tokensAt = 0
  private timer: NodeJS.Timeout | null = null
  private closed = false

  constructor(book: Book, station: Station, range: Range, log: Log) {
    this.book = book
    this.station = station
    this.log = log
    this.range = range
    this.cursor = range.first >>> 0
    this.capacity = this.size()
    this.prepare()
  }

  /** Another range: what was excluded may be free now, so the search begins anew. */
  update(range: Range): void {
    const { first, last, excluded } = this.range
    const isSame = range.first === first && range.last === last && range.excluded.size === excluded.size
    if (isSame && [...excluded].every((address) => range.excluded.has(address))) return
    this.range = range
    this.cursor = range.first >>> 0
    this.capacity = this.size()
    this.prepare()
  }

  close(): void {
    this.closed = true
    if (this.timer) clearTimeout(this.timer)
  }

  /** True if an address may be handed out to anybody. */
  permits(address: number): boolean {
    return this.spans(address) && !this.range.excluded.has(address)
  }

  private size(): number {
    const { first, last, excluded } = this.range
    const inside = [...excluded].filter((address) => this.spans(address))
    return (last >>> 0) - (first >>> 0) + 1 - inside.length
  }

  private spans(address: number): boolean {
    return address >>> 0 >= this.range.first >>> 0 && address >>> 0 <= this.range.last >>> 0
  }

  /** The next address, or null if none is left. */
  take(): number | null {
    for (const [address, at] of this.ready) {
      this.ready.delete(address)
      if (!this.permits(address) || !this.book.free(address)) continue
      this.prepare()
      if (now() - at > FRESH_MS) this.verify(address)
      return address
    }
    const address = this.fresh() ?? this.pending() ?? this.former() ?? this.unused()
    if (address !== null) this.verify(address)
    this.prepare()
    return address
  }

  /** Asks once more whether somebody has an address that is about to be handed out. */
  verify(address: number): void {
    const time = now()
    this.tokens = Math.min(RATE, this.tokens + ((time - this.tokensAt) * RATE) / 1000)
    this.tokensAt = time
    if (this.tokens < 1) return
    this.tokens--
    this.station.probe(address)
  }

  /** An answer to a probe. */
  hear(claim: Claim, mac: string): void {
    const { sender, ingress } = claim
    if (!this.permits(sender)) return
    const lease = this.book.at(sender)
    // A guest that had the address answers for itself, and who is bound to it asked us for it.
    if (lease !== undefined && (lease.mac === mac || lease.state === 'bound')) return
    if (!this.book.affords(ingress, this.capacity)) return
    this.quarantine(sender, ingress, mac)
  }

  /** Nobody gets the address for some time. */
  quarantine(address: number, ingress: number, mac: string): void {
    this.ready.delete(address)
    this.probing.delete(address)
    if (this.book.at(address)?.state !== 'conflict')
      this.log.warn(
        { network: this.book.network, mac },
        `${dotted(address)} is in use by a guest: not leased`,
      )
    this.book.dispute(address, ingress, now() + QUARANTINE_MS)
  }

  /** An address that nobody ever had and nobody was asked about. */
  private fresh(): number | null {
    const last = this.range.last >>> 0
    while (this.cursor <= last) {
      const address = this.cursor++ | 0
      if (this.range.excluded.has(address) || this.book.at(address)) continue
      if (!this.probing.has(address) && !this.ready.has(address)) return address
    }
    return null
  }

  /** One whose probe is under way. */
  private pending(): number | null {
    for (const address of this.probing) {
      this.probing.delete(address)
      if (this.permits(address) && this.book.free(address)) return address
    }
    return null
  }

  /** The one that is free for the longest time. */
  private former(): number | null {
    for (const address of this.book.ended.keys()) if (this.permits(address)) return address
    return null
  }

  /** The address of the oldest offer that nobody took. */
  private unused(): number | null {
    const [oldest] = this.book.offered.values()
    if (oldest === undefined || oldest.until - now() > Pool.offerMs - OFFER_MIN_MS) return null
    return this.permits(oldest.address) ? oldest.address : null
  }

  /** How long an offer stands: a client that heard several servers takes seconds to choose (RFC 2131 4.4.1). */
  static readonly offerMs = 30_000

  /** Sends the next probes ahead, if there are too few addresses ready. */
  private prepare(): void {
    if (this.timer || this.closed || this.ready.size + this.probing.size >= AHEAD) return
    for (let i = 0; i < BATCH; i++) {
      const address = this.fresh()
      if (address === null) break
      this.probing.add(address)
      this.station.probe(address)
    }
    if (this.probing.size === 0) return
    this.timer = setTimeout(() => {
      this.timer = null
      const time = now()
      for (const address of this.probing) if (this.book.free(address)) this.ready.set(address, time)
      this.probing.clear()
      this.prepare()
    }, ANSWER_MS)
    this.timer.unref()
  }
}
