// Hot: -m set and -j SET.
import { SetTable } from '../../table/set.ts'
import type { MatcherSpec } from '../extension.ts'
import type { Footing, Matcher } from '../matcher.ts'

/** Description: { type: 'set', at: of the set's slot, how: see DIMENSION of table/set.ts }. */
export class SetMatcher implements Matcher {
  private readonly set: SetTable
  private readonly how: number

  constructor(footing: Footing, spec: MatcherSpec) {
    this.set = new SetTable(footing.arena, Number(spec.at))
    this.how = Number(spec.how)
  }

  ask(x: Int32Array): boolean {
    return this.set.meets(x, this.how)
  }
}

/** Description: { type: 'change', at, how, adds, timeoutMs: -1 the set's own, renew: --exist }. Its answer says nothing. */
export class SetChanger implements Matcher {
  private readonly set: SetTable
  private readonly how: number
  private readonly adds: boolean
  private readonly timeoutMs: number
  private readonly renew: boolean

  constructor(footing: Footing, spec: MatcherSpec) {
    this.set = new SetTable(footing.arena, Number(spec.at))
    this.how = Number(spec.how)
    this.adds = spec.adds === true
    this.timeoutMs = Number(spec.timeoutMs)
    this.renew = spec.renew === true
  }

  ask(x: Int32Array): boolean {
    if (this.adds) this.set.admit(x, this.how, this.timeoutMs, this.renew)
    else this.set.expel(x, this.how)
    return true
  }
}
