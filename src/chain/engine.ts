/**
 * The engine runs chains. It makes functions of a plan, piece by piece between two bursts, runs them with made-up packets until V8 has
 * optimised them, and swaps them in at once.
 */
import type { FlowTable } from '../table/flow.ts'
import type { Tally } from '../table/tally.ts'
import type { Footing, Matcher } from './matcher.ts'
import { makeMatcher, settleMemories } from './matchers.ts'
import type { Names, Plan } from './plan.ts'
import { Probe } from './probe.ts'
import * as r from './registers.ts'
import { type Chain, Runner, type Traced } from './runner.ts'
import { Warming } from './warm.ts'

export type { Traced }

/** Bytes of source that are compiled at once: 0.2 ms. */
const SOURCE = 8192

/** Functions that are run beforehand. */
const WARM_MAX = 1024

/** What generated code sees, by the names that it has there. */
interface Scope {
  x: Int32Array
  v: DataView
  w: Int32Array
  L: Int32Array
  M: Matcher[]
  T: Int32Array[]
  C: Chain[]
  G: Probe[]
  N: { wild: Uint8Array; count: number }
  count: () => boolean
}

interface Made {
  plan: Plan
  scope: Scope
  /** functions compiled so far */
  at: number
  /** by rule and description */
  matchers: Map<string, Matcher[]>
  warming: Warming | null
}

/** Nothing is named. */
const NOBODY: Names = {
  ports: new Int32Array(0),
  networks: new Int32Array(0),
  wild: new Uint8Array(0),
  count: 0,
}

/** What is of no more use once the functions are made, and takes much of a small heap. */
const SPENT = { sources: [], lookups: [], tables: [], matchers: [] }

export class Engine extends Runner {
  /** rules are in force */
  active = false
  asksEgress = false
  decidesTracking = false
  /** changes with every swap */
  generation = 0
  private readonly footing: Footing
  private readonly flows: FlowTable
  private made: Made | null = null
  private next: Made | null = null
  private bearers: Names | null = null

  constructor(footing: Footing, tally: Tally) {
    super(footing, tally)
    this.footing = footing
    this.flows = footing.flows
  }

  /** a plan is being prepared */
  get pending(): boolean {
    return this.next !== null
  }

  /** What bears the names that the rules in force mention, null without rules. */
  get names(): Names | null {
    return this.bearers
  }

  set names(names: Names | null) {
    this.bearers = names
    if (this.made !== null) bear(this.made.scope, names ?? NOBODY)
  }

  /** Takes a plan; step() makes it ready. One that came before and is not ready yet is forgotten. */
  prepare(plan: Plan): void {
    const { arena } = this.footing
    const scope: Scope = {
      x: this.x,
      v: arena.view,
      w: this.flows.words,
      L: this.log,
      M: [],
      T: plan.tables,
      C: [],
      G: [],
      N: { wild: NOBODY.wild, count: 0 },
      count: () => this.full(),
    }
    bear(scope, plan.names)
    this.next = { plan, scope, at: 0, matchers: new Map(), warming: null }
  }

  /** Forgets a plan that cannot be made ready. */
  abandon(): void {
    this.next = null
  }

  /** Goes on for about `budgetMs`; true if the new rules are in force now. */
  step(budgetMs: number): boolean {
    const { next } = this
    if (next === null) return false
    const end = performance.now() + budgetMs
    do {
      if (next.scope.M.length < next.plan.matchers.length) this.equip(next)
      else if (next.scope.G.length < next.plan.lookups.length) {
        next.scope.G.push(new Probe(next.plan.lookups[next.scope.G.length], this.x))
      } else if (next.at < next.plan.sources.length) build(next)
      else if (next.warming === null) next.warming = this.warm(next)
      else if (next.warming.step()) {
        this.swap(next)
        return true
      }
    } while (performance.now() < end)
    return false
  }

  /** The next matcher: one that is at work already if it is described alike, and where it is a rule's own, for the same rule. */
  private equip({ plan, scope, matchers }: Made): void {
    const k = scope.M.length
    const spec = plan.matchers[k]
    const owner = plan.owners[k]
    const before = owner < 0 ? -1 : plan.carried[owner]
    const key = `${owner} ${spec}`
    const alike = matchers.get(key) ?? []
    const isNew = owner >= 0 && before < 0
    const kept = isNew ? undefined : this.made?.matchers.get(`${before} ${spec}`)?.[alike.length]
    const matcher = kept ?? makeMatcher(JSON.parse(spec), this.footing)
    scope.M.push(matcher)
    alike.push(matcher)
    matchers.set(key, alike)
  }

  /** Of very many functions those of base chains alone: what a function learns of its packets takes memory. */
  private warm({ plan, scope }: Made): Warming {
    const isMany = scope.C.length > WARM_MAX
    const bases = [...plan.bases].flatMap((place) => scope.C[place] ?? [])
    return new Warming(isMany ? bases : scope.C, scope.G, this.x)
  }

  private swap(made: Made): void {
    const { plan, scope } = made
    for (let base = 0; base < plan.bases.length; base++) {
      const place = plan.bases[base]
      this.bases[base] = place < 0 ? () => r.CONTINUE : scope.C[place]
    }
    this.policies.set(plan.policies)
    this.verdicts.set(plan.verdicts)
    this.rules = plan.rules
    this.tally.turn(plan.carried, plan.initial)
    this.journal.turn()
    this.forgetTrails()
    settleMemories(this.footing, scope.M)
    this.next = null
    this.made = { ...made, plan: { ...plan, ...SPENT }, warming: null }
    this.names = plan.names
    this.active = !plan.empty
    this.asksEgress = plan.asksEgress
    this.decidesTracking = plan.decidesTracking
    this.generation++
  }
}

function bear({ N }: Scope, { wild, count }: Names): void {
  N.wild = wild
  N.count = count
}

/**
 * Compiles the next functions. Each is a closure that is made once, over constants: so V8 writes the arrays' addresses into the code. The
 * parentheses have it compiled at once and not when it is first called.
 */
function build(made: Made): void {
  const { plan, scope } = made
  let text = ''
  while (made.at < plan.sources.length && text.length < SOURCE) {
    text += `C[${made.at}]=(${plan.sources[made.at]});`
    made.at++
  }
  new Function('scope', `const{x,v,w,L,M,T,C,G,N,count}=scope;${text}`)(scope)
}
