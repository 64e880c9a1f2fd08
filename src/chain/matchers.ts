/** All matchers there are, by the type in their descriptions, and what those of them share that go by a name. */
import type { MatcherSpec } from './extension.ts'
import { AddrtypeMatcher } from './matcher/addrtype.ts'
import { Connbytes, type ConnbytesSpec } from './matcher/connbytes.ts'
import * as connlimit from './matcher/connlimit.ts'
import * as hashlimit from './matcher/hashlimit.ts'
import { ServiceChanger, TtlChanger } from './matcher/header.ts'
import { JournalMatcher } from './matcher/journal.ts'
import { Limit, type LimitSpec } from './matcher/limit.ts'
import { MssChanger } from './matcher/mss.ts'
import { OptionMatcher } from './matcher/option.ts'
import { Quota, type QuotaSpec } from './matcher/quota.ts'
import * as recent from './matcher/recent.ts'
import { RpfilterMatcher } from './matcher/rpfilter.ts'
import { SetChanger, SetMatcher } from './matcher/set.ts'
import { Statistic, type StatisticSpec } from './matcher/statistic.ts'
import { type StringSpec, Text } from './matcher/string.ts'
import { TcpmssMatcher } from './matcher/tcpmss.ts'
import { Time, type TimeSpec } from './matcher/time.ts'
import { U32, type U32Spec } from './matcher/u32.ts'
import type { Footing, Matcher } from './matcher.ts'

type Make = (footing: Footing, spec: MatcherSpec) => Matcher

const makers: Record<string, Make> = {
  journal: (footing, spec) => new JournalMatcher(footing, spec),
  addrtype: (footing, spec) => new AddrtypeMatcher(footing, spec),
  change: (footing, spec) => new SetChanger(footing, spec),
  connbytes: (footing, spec) => new Connbytes(footing, spec as ConnbytesSpec),
  connlimit: (footing, spec) => new connlimit.Connlimit(footing, spec as connlimit.ConnlimitSpec),
  hashlimit: (footing, spec) => makeHashlimit(footing, spec as hashlimit.HashlimitSpec),
  limit: (footing, spec) => new Limit(footing, spec as LimitSpec),
  quota: (footing, spec) => new Quota(footing, spec as QuotaSpec),
  recent: (footing, spec) => makeRecent(footing, spec as recent.RecentSpec),
  mss: (footing, spec) => new MssChanger(footing, spec),
  service: (footing, spec) => new ServiceChanger(footing, spec),
  ttl: (footing, spec) => new TtlChanger(footing, spec),
  option: (footing, spec) => new OptionMatcher(footing, spec),
  rpfilter: (footing, spec) => new RpfilterMatcher(footing, spec),
  set: (footing, spec) => new SetMatcher(footing, spec),
  statistic: (footing, spec) => new Statistic(footing, spec as StatisticSpec),
  string: (footing, spec) => new Text(footing, spec as StringSpec),
  tcpmss: (footing, spec) => new TcpmssMatcher(footing, spec),
  time: (footing, spec) => new Time(footing, spec as TimeSpec),
  u32: (footing, spec) => new U32(footing, spec as U32Spec),
}

/** Makes what a description describes. */
export function makeMatcher(spec: MatcherSpec, footing: Footing): Matcher {
  const make = makers[spec.type]
  if (make === undefined) throw new Error(`no matcher is of type ${spec.type}: name it in matchers.ts`)
  return make(footing, spec)
}

/** What rules share by type and name. */
interface Shared {
  memory: object
  settings: string
  generation: number
}

/** The shared memories of those who stand on one footing; a generation is what lies between two swaps. */
interface Shelf {
  byName: Map<string, Shared>
  usedBy: WeakMap<Matcher, Shared>
  generation: number
}

const shelves = new WeakMap<Footing, Shelf>()

function shelfOf(footing: Footing): Shelf {
  const shelf = shelves.get(footing) ?? { byName: new Map(), usedBy: new WeakMap(), generation: 0 }
  shelves.set(footing, shelf)
  return shelf
}

/**
 * The memory of that name. Of rules that come together the first one's settings hold, as in the kernel; what rules before them left goes on
 * if it was set up alike.
 */
function share<T extends object>(
  footing: Footing,
  spec: MatcherSpec & { name: string; settings: object },
  make: () => T,
  use: (memory: T) => Matcher,
): Matcher {
  const shelf = shelfOf(footing)
  const key = `${spec.type} ${spec.name}`
  const settings = JSON.stringify(spec.settings)
  let shared = shelf.byName.get(key)
  if (!shared || (shared.generation !== shelf.generation && shared.settings !== settings)) {
    shared = { memory: make(), settings, generation: shelf.generation }
    shelf.byName.set(key, shared)
  }
  shared.generation = shelf.generation
  const matcher = use(shared.memory as T)
  shelf.usedBy.set(matcher, shared)
  return matcher
}

function makeHashlimit(footing: Footing, spec: hashlimit.HashlimitSpec): Matcher {
  const make = () => new hashlimit.Table(footing, spec)
  return share(footing, spec, make, (table) => new hashlimit.Hashlimit(table, spec))
}

function makeRecent(footing: Footing, spec: recent.RecentSpec): Matcher {
  const make = () => new recent.List(footing, spec)
  return share(footing, spec, make, (list) => {
    if (spec.stamps > list.room) list.widen(new Float64Array((recent.CAPACITY + 1) * spec.stamps))
    return new recent.Recent(footing, list, spec)
  })
}

/** After a swap: shared memories that none of these matchers uses are let go. */
export function settleMemories(footing: Footing, matchers: readonly Matcher[]): void {
  const shelf = shelfOf(footing)
  const isAny = shelf.byName.size > 0
  const used = new Set(isAny ? matchers.map((matcher) => shelf.usedBy.get(matcher)) : [])
  for (const [key, shared] of shelf.byName) {
    if (!used.has(shared)) shelf.byName.delete(key)
  }
  shelf.generation++
}

/** The most that the matchers of a ruleset may allocate: half a gigabyte, of which only what packets fill is ever touched. */
export const MEMORY_MAX = 2 ** 29

/** Bytes that matchers of these descriptions allocate, in a gateway with room for so many flows. */
export function memoryOf(specs: readonly MatcherSpec[], flowCapacity: number): number {
  const byName = new Map<string, number>()
  let bytes = 0
  for (const spec of specs) {
    if (spec.type === 'connlimit') bytes += connlimit.lengthOf(flowCapacity)
    const length = lengthOf(spec)
    if (length === 0) continue
    const key = `${spec.type} ${spec.name}`
    byName.set(key, Math.max(length, byName.get(key) ?? 0))
  }
  for (const length of byName.values()) bytes += length
  return bytes
}

function lengthOf(spec: MatcherSpec): number {
  if (spec.type === 'hashlimit') return hashlimit.lengthOf(spec as hashlimit.HashlimitSpec)
  return spec.type === 'recent' ? recent.lengthOf(spec as recent.RecentSpec) : 0
}
