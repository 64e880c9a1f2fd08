/** What a capture says of frames that were dropped: why, and by which rule. */
import { REASONS } from '../../pipeline/reason.ts'
import * as pcapng from './pcapng.ts'

/** Kept: most frames are dropped for one of a few reasons. */
const COUNT_MAX = 1000

export class Comments {
  private readonly made = new Map<string, Buffer>()
  private readonly blame: (rule: number) => string

  /** `blame` names a rule by the word in a record, '' if it is not known. */
  constructor(blame: (rule: number) => string) {
    this.blame = blame
  }

  /** The option of a block for a record of that type and that word of the rule. */
  of(type: number, rule: number): Buffer {
    const key = `${type} ${rule}`
    const known = this.made.get(key)
    if (known !== undefined) return known
    const by = rule === 0 ? '' : this.blame(rule)
    const { name } = REASONS[pcapng.reasonOf(type)]
    const comment = pcapng.comment(`dropped: ${name}${by === '' ? '' : ` by ${by}`}`)
    if (this.made.size === COUNT_MAX) this.made.clear()
    this.made.set(key, comment)
    return comment
  }
}
