// Hot: recent, lists of addresses with the times at which they were seen.
/**
 * Rules that use one name share its list: 100 addresses, of which the one not seen for the longest time goes for a new one, each with so
 * many times as the rules ask for (a power of two, 32 if none says --hitcount), the oldest being overwritten.
 */
import type { MatcherSpec } from '../extension.ts'
import type { Footing, Matcher } from '../matcher.ts'
import { AGED, DESTINATION, HOOK, NETWORK, NOW, SOURCE } from '../registers.ts'
import { FORWARD, POSTROUTING } from '../rule.ts'
import { Buckets } from './bucket.ts'
import { Clock } from './clock.ts'

/** ip_list_tot of xt_recent */
export const CAPACITY = 100

export const SET = 0
export const CHECK = 1
export const UPDATE = 2
export const REMOVE = 3

const AT_TTL = 8

export interface RecentSpec extends MatcherSpec {
  type: 'recent'
  name: string
  /** that of the first rule holds for the list */
  settings: { mask: number }
  /** times an address keeps, a power of two */
  stamps: number
  what: number
  /** 0: none */
  seconds: number
  hits: number
  reap: boolean
  ttl: boolean
  destination: boolean
  inverted: boolean
}

/** Bytes that a list takes. */
export function lengthOf(spec: RecentSpec): number {
  return 8 * (CAPACITY + 1) * spec.stamps
}

export class List {
  readonly mask: number
  /** a time's place is entry * room + index */
  room = 0
  stamps: Float64Array = new Float64Array(0)
  readonly buckets: Buckets
  /** by entry: the TTL it was seen with, where the next time goes, how many times there are */
  readonly ttls = new Int32Array(CAPACITY + 1)
  readonly index = new Int32Array(CAPACITY + 1)
  readonly count = new Int32Array(CAPACITY + 1)
  readonly clock = new Clock()

  constructor(footing: Footing, spec: RecentSpec) {
    this.mask = spec.settings.mask
    this.buckets = new Buckets(footing.arena, CAPACITY)
  }

  /** Takes an array with room for more times an address before another rule uses the list; what it knew is forgotten. */
  widen(stamps: Float64Array): void {
    this.stamps = stamps
    this.room = stamps.length / (CAPACITY + 1)
    this.buckets.clear()
  }

  add(address: number, ttl: number, now: number): void {
    const { buckets } = this
    if (buckets.count === CAPACITY) buckets.remove(buckets.oldest())
    const entry = buckets.add(address, 0, 0, 0)
    this.ttls[entry] = ttl
    this.stamps[entry * this.room] = now
    this.index[entry] = 1
    this.count[entry] = 1
  }

  update(entry: number, ttl: number, now: number): void {
    const { index, count } = this
    const at = index[entry] & (this.room - 1)
    this.stamps[entry * this.room + at] = now
    index[entry] = at + 1
    if (index[entry] > count[entry]) count[entry] = index[entry]
    this.ttls[entry] = ttl
    this.buckets.touch(entry)
  }

  /** Whether an address was seen `hits` times (0: once) since `since`. */
  seen(entry: number, since: number, hits: number): boolean {
    const { stamps, room } = this
    let found = 0
    for (let i = 0; i < this.count[entry]; i++) {
      if (stamps[entry * room + i] < since) continue
      found++
      if (found >= hits) return true
    }
    return false
  }

  /** Forgets the address that was not seen for the longest time if that is before `since`. */
  reap(since: number, spared: number): void {
    const oldest = this.buckets.oldest()
    if (oldest === spared) return
    if (this.stamps[oldest * this.room + this.index[oldest] - 1] < since) this.buckets.remove(oldest)
  }
}

export class Recent implements Matcher {
  private readonly list: List
  private readonly spec: RecentSpec
  private readonly view: DataView

  constructor(footing: Footing, list: List, spec: RecentSpec) {
    this.list = list
    this.spec = spec
    this.view = footing.arena.view
  }

  ask(x: Int32Array): boolean {
    const { list, spec } = this
    const now = list.clock.at(x[NOW])
    const address = (spec.destination ? x[DESTINATION] : x[SOURCE]) & list.mask
    const ttl = this.ttl(x)
    let entry = list.buckets.find(address, 0, 0, 0)
    if (spec.ttl && entry !== 0 && list.ttls[entry] !== ttl && list.ttls[entry] !== 0 && ttl !== 0) entry = 0
    const { what, inverted } = spec
    if (entry === 0) {
      if (what !== SET) return inverted
      list.add(address, ttl, now)
      return !inverted
    }
    if (what === SET) list.update(entry, ttl, now)
    else if (what === REMOVE) list.buckets.remove(entry)
    else return this.check(entry, ttl, now)
    return !inverted
  }

  private check(entry: number, ttl: number, now: number): boolean {
    const { list, spec } = this
    const { seconds, what } = spec
    // Without seconds every time counts.
    const since = seconds === 0 ? -1 : now - seconds * 1000
    const answer = list.seen(entry, since, spec.hits) !== spec.inverted
    const updates = what === UPDATE && answer
    if (spec.reap) list.reap(since, updates ? entry : -1)
    if (updates) list.update(entry, ttl, now)
    return answer
  }

  /** As it was before forwarding took one. */
  private ttl(x: Int32Array): number {
    const byte = this.view.getUint8(x[NETWORK] + AT_TTL) - x[AGED]
    return (x[HOOK] === FORWARD || x[HOOK] === POSTROUTING ? byte + 1 : byte) & 0xff
  }
}
