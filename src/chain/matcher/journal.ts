// Hot: LOG and NFLOG: a record of the packet for the control thread, which knows the rule's prefix and options by its number.
import { Journal } from '../../table/journal.ts'
import type { MatcherSpec } from '../extension.ts'
import type { Footing, Matcher } from '../matcher.ts'
import { RULE } from '../registers.ts'

/** Description: { type: 'journal', kind: LOG or NFLOG of table/journal.ts }. */
export class JournalMatcher implements Matcher {
  private readonly journal: Journal
  private readonly kind: number

  constructor(footing: Footing, spec: MatcherSpec) {
    this.journal = new Journal(footing.arena, footing.journalAt)
    this.kind = Number(spec.kind)
  }

  ask(x: Int32Array): boolean {
    return this.journal.write(x, this.kind, x[RULE])
  }
}
