// Hot: hashlimit, a token bucket for each source, destination or port.
/**
 * Rules that use one name share its table, and what the first of them said of the table holds for all. Packets are paid in microseconds of
 * the rate's period; bytes in chunks of 16, of which a second earns SECOND, and a bucket that runs dry is filled up again as often as the
 * burst allows. With a rate match nothing is paid: an address is above while its last full interval was.
 *
 * An address that is idle for `expire` is forgotten when the kernel's collector comes by, every `gcinterval`. Nothing comes by here: an entry
 * counts as gone once a collection would have met it, and the oldest ones are removed as new ones come. A packet that finds the table
 * full is dropped, as in the kernel.
 */
import type { MatcherSpec } from '../extension.ts'
import type { Footing, Matcher } from '../matcher.ts'
import { DESTINATION, END, HOTDROP, LENGTH, NOW, PORTS, PROTOCOL, SOURCE, TRANSPORT } from '../registers.ts'
import { Buckets, ENTRY_WORDS } from './bucket.ts'
import { Clock } from './clock.ts'
import { hasPorts } from './head.ts'

export const BY_SOURCE = 1
export const BY_DESTINATION = 2
export const BY_SOURCE_PORT = 4
export const BY_DESTINATION_PORT = 8

/** The most addresses of one table, whatever the rule asks for: 2^20, as many as the kernel has buckets at most. */
export const CAPACITY_MAX = 0x10_0000

/** credits that a second earns in byte mode: 2^22 a millisecond, the power of two that fits 1,000 times into 32 bits */
export const SECOND = 4_194_304_000
const CHUNK_SHIFT = 4

export interface HashlimitSpec extends MatcherSpec {
  type: 'hashlimit'
  name: string
  settings: {
    /** BY_… bits */
    mode: number
    sourceMask: number
    destinationMask: number
    bytes: boolean
    rateMatch: boolean
    /** packets: microseconds a packet and how many; bytes: credits a chunk and how many fillings */
    average: number
    burst: number
    /** of a rate match: how many, or bytes, a second; how many at once; milliseconds */
    rate: number
    peak: number
    interval: number
    capacity: number
    expire: number
    gcinterval: number
  }
  above: boolean
}

/** Bytes that a table takes. */
export function lengthOf(spec: HashlimitSpec): number {
  return spec.settings.capacity * (4 * ENTRY_WORDS + 8 * COLUMNS)
}

/** float64 an entry: when it was seen, what it has, how many fillings are left, or what an interval saw and whether the last was above */
const COLUMNS = 4
const SEEN = 0
const CREDIT = 1
const FILLINGS = 2
const ABOVE = 3

export class Table {
  readonly settings: HashlimitSpec['settings']
  private readonly buckets: Buckets
  private readonly columns: Float64Array
  private readonly clock = new Clock()
  private readonly view: DataView

  constructor(footing: Footing, spec: HashlimitSpec) {
    this.settings = spec.settings
    this.buckets = new Buckets(footing.arena, spec.settings.capacity)
    this.columns = new Float64Array(COLUMNS * (spec.settings.capacity + 1))
    this.view = footing.arena.view
  }

  get count(): number {
    return this.buckets.count
  }

  /** 1 within the limit, 0 above it, -1 where the packet has to be dropped. */
  take(x: Int32Array): number {
    const { mode, sourceMask, destinationMask } = this.settings
    const source = (mode & BY_SOURCE) === 0 ? 0 : x[SOURCE] & sourceMask
    const destination = (mode & BY_DESTINATION) === 0 ? 0 : x[DESTINATION] & destinationMask
    let ports = 0
    if ((mode & (BY_SOURCE_PORT | BY_DESTINATION_PORT)) !== 0) {
      const offset = portsOffset(x[PROTOCOL])
      if (offset >= 0) {
        if (x[TRANSPORT] + offset + 4 > x[END]) return -1
        ports = hasPorts(x[PROTOCOL]) ? x[PORTS] : this.view.getInt32(x[TRANSPORT] + offset)
        if ((mode & BY_SOURCE_PORT) === 0) ports &= 0xffff
        if ((mode & BY_DESTINATION_PORT) === 0) ports &= ~0xffff
      }
    }
    const now = this.clock.at(x[NOW])
    const entry = this.entry(source, destination, ports, now)
    if (entry === 0) return -1
    return this.settings.rateMatch
      ? this.compare(entry * COLUMNS, x[LENGTH])
      : this.pay(entry * COLUMNS, x[LENGTH])
  }

  /** The entry of an address, its credits as of now; 0 if there is no room. */
  private entry(source: number, destination: number, ports: number, now: number): number {
    const { buckets, columns } = this
    let entry = buckets.find(source, destination, ports, 0)
    if (entry !== 0 && this.isGone(entry, now)) {
      buckets.remove(entry)
      entry = 0
    }
    if (entry !== 0) {
      buckets.touch(entry)
      this.earn(entry * COLUMNS, now)
      return entry
    }
    // Two for one: so many as come go, and the table shrinks again behind a flood.
    for (let i = 0; i < 2; i++) {
      const oldest = buckets.oldest()
      if (oldest !== 0 && this.isGone(oldest, now)) buckets.remove(oldest)
    }
    entry = buckets.add(source, destination, ports, 0)
    if (entry !== 0) this.begin(columns, entry * COLUMNS, now)
    return entry
  }

  /** Whether a collection has come by since the entry expired; it was touched last when it was seen last. */
  private isGone(entry: number, now: number): boolean {
    const { expire, gcinterval } = this.settings
    return this.columns[entry * COLUMNS + SEEN] + expire <= now - (now % gcinterval)
  }

  private begin(columns: Float64Array, c: number, now: number): void {
    const { bytes, rateMatch, average, burst } = this.settings
    columns[c + SEEN] = now
    columns[c + CREDIT] = rateMatch ? 0 : bytes ? SECOND : average * burst
    columns[c + FILLINGS] = burst
    columns[c + ABOVE] = 0
    if (rateMatch) columns[c + FILLINGS] = now
  }

  private earn(c: number, now: number): void {
    const { bytes, rateMatch, average, burst, rate, interval } = this.settings
    const { columns } = this
    if (rateMatch) {
      // Here FILLINGS is when the interval began.
      const passed = now - columns[c + FILLINGS]
      columns[c + SEEN] = now
      if (passed < interval) return
      columns[c + FILLINGS] = now
      columns[c + ABOVE] = columns[c + CREDIT] * interval > passed * rate ? 1 : 0
      columns[c + CREDIT] = 0
      return
    }
    const passed = now - columns[c + SEEN]
    columns[c + SEEN] = now
    const most = bytes ? SECOND : average * burst
    columns[c + CREDIT] = Math.min(most, columns[c + CREDIT] + passed * (bytes ? SECOND / 1000 : 1000))
  }

  private pay(c: number, length: number): number {
    const { bytes, average } = this.settings
    const { columns } = this
    let cost = average
    if (bytes) {
      const perChunk = Math.floor((average * SECOND) / 0x1_0000_0000)
      cost = Math.min(SECOND, ((length >> CHUNK_SHIFT) + 1) * perChunk)
      if (columns[c + CREDIT] < cost && columns[c + FILLINGS] > 0) {
        columns[c + FILLINGS]--
        columns[c + CREDIT] = SECOND
      }
    }
    if (columns[c + CREDIT] < cost) return 0
    columns[c + CREDIT] -= cost
    return 1
  }

  private compare(c: number, length: number): number {
    const { bytes, peak } = this.settings
    const { columns } = this
    columns[c + CREDIT] += bytes ? length : 1
    return columns[c + ABOVE] === 0 && columns[c + CREDIT] <= peak ? 1 : 0
  }
}

/** Where the kernel's proto_ports_offset() finds four bytes to tell ports by: ESP's and AH's index too; -1 for those without. */
function portsOffset(protocol: number): number {
  if (hasPorts(protocol) || protocol === 50) return 0
  return protocol === 51 ? 4 : -1
}

export class Hashlimit implements Matcher {
  private readonly table: Table
  private readonly wanted: number

  constructor(table: Table, spec: HashlimitSpec) {
    this.table = table
    this.wanted = spec.above ? 0 : 1
  }

  ask(x: Int32Array): boolean {
    const answer = this.table.take(x)
    if (answer < 0) x[HOTDROP] = 1
    return answer === this.wanted
  }
}
