/** Which address a client gets: RFC 2131 4.3.1's order of preference, over the book of leases and the pool of free addresses. */
import * as dhcp from '../../wire/dhcp.ts'
import { print } from '../../wire/mac.ts'
import type { Station } from '../station.ts'
import { type Book, type Lease, now } from './lease.ts'
import type { Message } from './message.ts'
import type { Settings } from './option.ts'
import { Pool } from './pool.ts'
import type { Log } from './store.ts'

/** A client: its key in the book, and its MAC. */
export interface Asker {
  key: string
  mac: string
}

/**
 * RFC 2131 4.2 knows a client by its identifier alone. Cloned guests have the same one, and any guest can write another's: here
 * its MAC is part of the name, so that neither of the two takes an address away. One that repeats the MAC says nothing new.
 */
export function asker(asked: Message): Asker {
  const mac = print(asked.high, asked.low)
  const identifier = Buffer.from(asked.options.get(dhcp.CLIENT) ?? []).toString('hex')
  const isPlain = identifier === '' || identifier === `01${mac.replaceAll(':', '')}`
  return { mac, key: isPlain ? mac : `${mac}/${identifier}` }
}

export class Allotment {
  readonly pool: Pool
  private settings: Settings
  private readonly book: Book

  constructor(book: Book, station: Station, settings: Settings, log: Log) {
    this.book = book
    this.settings = settings
    this.pool = new Pool(book, station, range(settings), log)
  }

  update(settings: Settings): void {
    this.settings = settings
    this.pool.update(range(settings))
  }

  /** The pinned address, the client's own, its former one, the one it asks for, or the next; null if there is none. */
  choose({ key, mac }: Asker, wanted: number | null, ingress: number): number | null {
    const pinned = this.settings.statics.get(mac)
    if (pinned !== undefined) {
      const holder = this.book.at(pinned)
      return holder === undefined || holder.mac === mac || this.book.free(pinned) ? pinned : null
    }
    const known = this.book.of(key)
    const isOwn = known !== undefined && this.pool.permits(known.address)
    if (isOwn && known.state !== 'ended') return known.address
    if (!this.affords(ingress)) return null
    const former = isOwn ? known.address : wanted
    if (former === null || !this.pool.permits(former) || !this.book.free(former)) return this.pool.take()
    this.pool.verify(former)
    return former
  }

  /** True if the address may be this client's: pinned to it, or of the range. */
  suits(address: number, mac: string): boolean {
    const pinned = this.settings.statics.get(mac)
    return pinned === undefined ? this.pool.permits(address) : pinned === address
  }

  /** True if nobody has the address and the client's port may have another one. */
  grants(address: number, ingress: number): boolean {
    return this.book.free(address) && this.affords(ingress)
  }

  private affords(ingress: number): boolean {
    return this.book.affords(ingress, this.pool.capacity)
  }

  /** Notes an offer. */
  promise(client: Asker, address: number, ingress: number): Lease {
    const { network, statics } = this.settings
    const kind = statics.get(client.mac) === address ? 'static' : 'dynamic'
    const before = this.book.of(client.key)
    const hostname = before?.address === address ? before.hostname : ''
    const { key, mac } = client
    const until = now() + Pool.offerMs
    const lease: Lease = {
      network,
      address,
      client: key,
      mac,
      hostname,
      state: 'offered',
      kind,
      until,
      ingress,
    }
    this.book.assign(lease)
    return lease
  }

  /** An address for a port whose interface the switch configures itself, the same one every time; null if none is left. */
  reserve(mac: string, hostname: string): number | null {
    const known = this.book.of(mac)
    const isKept = known?.state === 'bound' && this.suits(known.address, mac)
    const address = isKept ? known.address : this.choose({ key: mac, mac }, null, -1)
    if (address === null) return null
    const { network } = this.settings
    const until = Number.POSITIVE_INFINITY
    this.book.assign({
      network,
      address,
      client: mac,
      mac,
      hostname,
      state: 'bound',
      kind: 'port',
      until,
      ingress: -1,
    })
    return address
  }

  /** Ends what `reserve` gave; the address is kept for the port as long as there are others. */
  release(mac: string): void {
    const lease = this.book.of(mac)
    if (lease?.kind === 'port' && lease.state === 'bound') this.book.move(lease, 'ended', now())
  }
}

function range({ first, last, excluded, statics, address }: Settings) {
  return { first, last, excluded: new Set([...excluded, ...statics.values(), address]) }
}
