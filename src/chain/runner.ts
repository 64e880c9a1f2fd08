// Hot: runs base chains and counts what packets met. Cost: see npm run bench.
import { Journal, TRACE } from '../table/journal.ts'
import type { Tally } from '../table/tally.ts'
import { LOG_ROOM } from './code.ts'
import type { Footing } from './matcher.ts'
import { ACCEPT, EXPLICIT, FAST, HOOK, HOTDROP, LENGTH, MET, TABLE, TRACED } from './registers.ts'
import { HOOKS, TABLES } from './rule.ts'

export type Chain = () => number

/** Who is told of what a packet meets behind TRACE: `kind` 0 is a rule, 1 a policy. */
export interface Traced {
  tell(counter: number, kind: number): void
}

const BASES = TABLES.length * HOOKS.length
/** Places that a trail may be found at: four for each trail. */
const PLACES = 65_536
const PLACES_SHIFT = 16
/** How many places are looked at. */
const PROBES = 16
/** 2^32 / golden ratio, odd: spreads neighbouring numbers. */
const SPREAD = 0x9e3779b1 | 0

/** The chain of a table that is not there. */
function nothing(): number {
  return 0
}

export class Runner {
  readonly x: Int32Array
  /** counters of what was met, x[MET] of them, in order */
  readonly log = new Int32Array(LOG_ROOM)
  traced: Traced | null = null
  /** counter of what was met last when something was counted, -1 before */
  last = -1
  protected readonly bases: Chain[] = []
  protected readonly policies = new Int32Array(BASES).fill(-1)
  protected readonly verdicts = new Int32Array(BASES).fill(ACCEPT)
  protected readonly journal: Journal
  protected readonly tally: Tally
  /** numbers below this are rules, others policies */
  protected rules = 0
  private readonly places = new Int32Array(PLACES)
  /** what stands in the log below this is not to be told of, or was */
  private told = 0

  constructor({ arena, journalAt, x }: Footing, tally: Tally) {
    this.x = x
    this.tally = tally
    this.journal = new Journal(arena, journalAt)
    for (let base = 0; base < BASES; base++) this.bases.push(nothing)
  }

  /** Runs the base chain of `table` at `hook` (numbers of rule.ts) for the packet in the registers; a verdict other than CONTINUE. */
  run(table: number, hook: number): number {
    const { x } = this
    const base = table * 5 + hook
    x[HOOK] = hook
    x[TABLE] = table
    x[HOTDROP] = 0
    if (x[TRACED] !== 0) {
      this.told = x[MET]
      x[TRACED] = -1
    }
    let verdict = this.bases[base]()
    if (verdict > 0) x[EXPLICIT] = 1
    else {
      x[EXPLICIT] = 0
      verdict = this.verdicts[base]
      const policy = this.policies[base]
      if (policy >= 0) this.log[x[MET]++] = policy
    }
    if (x[TRACED] !== 0) this.tell()
    return verdict
  }

  /** which ruleset the numbers of counters belong to, as the journal's records have it */
  get edition(): number {
    return this.journal.generation
  }

  /** Counts a packet of so many bytes at all that it met, and forgets that. */
  settle(bytes: number): void {
    const { x } = this
    if (x[MET] > 0) this.last = this.log[x[MET] - 1]
    this.tally.count(this.log, x[MET], bytes)
    x[MET] = 0
  }

  /** The number (2 or more) of the trail of all that was met, which is then forgotten; 0 if none is free: settle it then. */
  trail(): number {
    const { x, log, places, tally } = this
    const count = x[MET]
    let hash = count
    for (let i = 0; i < count; i++) hash = Math.imul(hash ^ log[i], SPREAD) ^ (hash >>> 15)
    let place = Math.imul(hash, SPREAD) >>> PLACES_SHIFT
    for (let i = 0; i < PROBES; i++, place = (place + 1) & (PLACES - 1)) {
      const trail = places[place]
      if (trail !== 0 && !tally.is(trail, log, count)) continue
      const found = trail !== 0 ? trail : tally.create(log, count)
      places[place] = found
      if (found !== 0) x[MET] = 0
      return found
    }
    return 0
  }

  /** What generated code calls when the log is full: true if the packet is to come again outside of the straight loop. */
  protected full(): boolean {
    const { x } = this
    if (x[FAST] !== 0) return true
    if (x[TRACED] !== 0) {
      this.tell()
      this.told = 0
      x[TRACED] = -1
    }
    this.settle(x[LENGTH])
    return false
  }

  protected forgetTrails(): void {
    this.places.fill(0)
  }

  private tell(): void {
    const { x, log, traced, journal, rules } = this
    for (let i = Math.max(this.told, x[TRACED]); i < x[MET]; i++) {
      if (traced !== null) traced.tell(log[i], log[i] < rules ? 0 : 1)
      else journal.write(x, TRACE, log[i])
    }
    this.told = 0
  }
}
