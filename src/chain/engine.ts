/** The engine runs chains: it makes functions of a plan, piece by piece between two bursts, and swaps them in at once. */
import type { Tally } from '../table/tally.ts'
import type { Footing } from './matcher.ts'
import type { Names, Plan } from './plan.ts'
import { ACCEPT, LOG_LENGTH, MET } from './registers.ts'

/** Who is told of rules that a packet meets behind TRACE: `kind` 0 is a rule, 1 a policy. */
export interface Traced {
  tell(counter: number, kind: number): void
}

export class Engine {
  readonly x: Int32Array
  readonly log = new Int32Array(LOG_LENGTH)
  /** rules are in force */
  active = false
  asksEgress = false
  decidesTracking = false
  /** changes with every swap */
  generation = 0
  names: Names | null = null
  /** a plan is being prepared */
  pending = false
  traced: Traced | null = null
  private readonly tally: Tally

  constructor(footing: Footing, tally: Tally) {
    this.x = footing.x
    this.tally = tally
  }

  /** Takes a plan; step() makes it ready. One that came before and is not ready yet is forgotten. */
  prepare(_plan: Plan): void {
    this.pending = true
  }

  /** Goes on for about `budgetMs`; true if the new rules are in force now. */
  step(_budgetMs: number): boolean {
    this.pending = false
    return true
  }

  /** Runs the base chain of `table` at `hook` (numbers of rule.ts) for the packet in the registers; a verdict other than CONTINUE. */
  run(_table: number, _hook: number): number {
    return ACCEPT
  }

  /** Counts a packet of so many bytes at all that it met, and forgets that. */
  settle(bytes: number): void {
    this.tally.count(this.log, this.x[MET], bytes)
    this.x[MET] = 0
  }

  /** The number (2 or more) of the trail of all that was met, which is then forgotten; 0 if none is free: settle it then. */
  trail(): number {
    return 0
  }
}
