/**
 * The leases of all networks, and their file: <state>/leases.json, written whole under another name and renamed, at most a second
 * after a change. It is written in slices, so that the control thread answers between them however many leases there are.
 */
import { mkdirSync, readFileSync, renameSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import * as z from 'zod'
import { Book, type Change, dotted, type Lease, now, type What } from './lease.ts'

/** Changes are gathered this long before they are written: half of what a killed daemon may lose. */
const DELAY_MS = 500
/** A disk that takes nothing is tried again this much later. */
const RETRY_MS = 10_000
const SLICE = 500
/** What has ended is looked for at most this often. */
const SWEEP_MS = 500

export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

const Entry = z.object({
  network: z.string(),
  address: z.ipv4(),
  client: z.string(),
  mac: z.string(),
  hostname: z.string(),
  kind: z.enum(['dynamic', 'static', 'port']),
  expires: z.iso.datetime().nullable(),
})
const File = z.object({ version: z.literal(1), leases: z.array(Entry) })

function line(lease: Lease): string {
  const { network, client, mac, hostname, kind, until } = lease
  const expires = until === Number.POSITIVE_INFINITY ? null : new Date(until).toISOString()
  return JSON.stringify({ network, address: dotted(lease.address), client, mac, hostname, kind, expires })
}

export class Leases {
  /** called when a bound lease begins, ends or changes its name */
  onchange: Change = () => {}
  private readonly books = new Map<string, Book>()
  private readonly path: string | null
  private readonly log: Log
  private isDirty = false
  private writer: NodeJS.Timeout | null = null
  private sweeper: NodeJS.Timeout | null = null
  private sweepAt = Number.POSITIVE_INFINITY
  private writing: Promise<void> = Promise.resolve()
  private isFailing = false
  private closed = false

  /** Reads the file; one that cannot be read is put aside and said. `path` null: nothing is kept. */
  constructor(path: string | null, log: Log) {
    this.path = path
    this.log = log
    if (path === null) return
    try {
      this.load(readFileSync(path, 'utf8'))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      log.warn({ path, aside: `${path}.bad` }, `leases could not be read, starting without: ${first(error)}`)
      renameSync(path, `${path}.bad`)
    }
    this.isDirty = false
  }

  /** The book of a network, made when there is none. */
  book(network: string): Book {
    let book = this.books.get(network)
    if (book === undefined) {
      book = new Book(network, (lease, what) => this.changed(lease, what))
      this.books.set(network, book)
    }
    return book
  }

  /** Every bound lease. */
  list(): Lease[] {
    return [...this.books.values()].flatMap((book) => [...book.bound.values()])
  }

  /** Ends a lease now; false if there is none. The client learns of it when it renews. */
  remove(network: string, address: number): boolean {
    const lease = this.books.get(network)?.bound.get(address)
    if (lease === undefined) return false
    this.book(network).move(lease, 'ended', now())
    return true
  }

  /** Forgets a network that is gone. */
  drop(network: string): void {
    for (const lease of [...(this.books.get(network)?.bound.values() ?? [])]) this.book(network).forget(lease)
    this.books.delete(network)
    this.touch()
  }

  /** Writes what is not written yet and stops. */
  async close(): Promise<void> {
    this.closed = true
    if (this.writer) clearTimeout(this.writer)
    if (this.sweeper) clearTimeout(this.sweeper)
    await this.writing
    if (this.isDirty) await this.write()
  }

  private load(content: string): void {
    const time = now()
    for (const { expires, address, ...entry } of File.parse(JSON.parse(content)).leases) {
      const until = expires === null ? Number.POSITIVE_INFINITY : Date.parse(expires)
      const value = address.split('.').reduce((sum, part) => (sum << 8) | Number(part), 0)
      const state = until > time ? 'bound' : 'ended'
      this.book(entry.network).assign({ ...entry, address: value, until, state, ingress: -1 })
    }
  }

  private changed(lease: Lease, what: What): void {
    if (lease.state !== 'ended' && lease.until < this.sweepAt) this.sweepIn(lease.until)
    if (lease.state !== 'offered' && lease.state !== 'conflict') this.touch()
    if (what !== 'moved') this.onchange(lease, what)
  }

  private sweepIn(until: number): void {
    if (this.closed || until === Number.POSITIVE_INFINITY) return
    if (this.sweeper) clearTimeout(this.sweeper)
    this.sweepAt = until
    // A timer takes at most an int32 of milliseconds; one that comes too early looks again.
    const delay = Math.min(Math.max(until - now(), SWEEP_MS), 2 ** 31 - 1)
    this.sweeper = setTimeout(() => this.sweep(), delay)
    this.sweeper.unref()
  }

  private sweep(): void {
    this.sweepAt = Number.POSITIVE_INFINITY
    const time = now()
    const next = [...this.books.values()].map((book) => book.expire(time))
    this.sweepIn(Math.min(...next, Number.POSITIVE_INFINITY))
  }

  private touch(): void {
    this.isDirty = true
    if (this.path === null || this.closed || this.writer) return
    this.writer = setTimeout(
      () => {
        this.writing = this.write().finally(() => {
          this.writer = null
          if (this.isDirty) this.touch()
        })
      },
      this.isFailing ? RETRY_MS : DELAY_MS,
    )
    this.writer.unref()
  }

  /** What a restart shall know: who has an address, and who had one. */
  private kept(): Lease[] {
    const all = [...this.books.values()].flatMap((book) => [...book.ended.values(), ...book.bound.values()])
    return all.filter((lease) => lease.client !== '')
  }

  /** One line a lease, so that a person can read and compare it. */
  private async write(): Promise<void> {
    const { path } = this
    if (path === null) return
    this.isDirty = false
    try {
      mkdirSync(dirname(path), { recursive: true })
      const file = await open(`${path}.new`, 'w', 0o600)
      try {
        await file.write('{"version":1,"leases":[')
        let separator = '\n'
        const kept = this.kept()
        for (let from = 0; from < kept.length; from += SLICE) {
          const slice = kept.slice(from, from + SLICE)
          await file.write(separator + slice.map(line).join(',\n'))
          separator = ',\n'
          await turn()
        }
        await file.write('\n]}\n')
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(`${path}.new`, path)
      this.isFailing = false
    } catch (error) {
      this.isDirty = true
      if (!this.isFailing) this.log.warn({ path }, `leases cannot be written: ${first(error)}`)
      this.isFailing = true
    }
  }
}

function first(error: unknown): string {
  return String((error as Error).message ?? error).split('\n')[0]
}
