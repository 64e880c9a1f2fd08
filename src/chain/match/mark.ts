/** -m mark: the packet's own mark. */
import { type MatchKind, STATIC, Wrong } from '../extension.ts'
import { hex, marking } from '../number.ts'
import { MARK } from '../registers.ts'
import { negation } from './ip.ts'

export interface Marked {
  /** null: not said yet; unsigned */
  mark: { value: number; mask: number } | null
  not: boolean
}

/** What mark and connmark have in common. */
export const marked = {
  options: { '--mark': { words: 1, negatable: true } },
  begin: (): Marked => ({ mark: null, not: false }),
  take(data: Marked, _option: string, [word]: string[], not: boolean): void {
    data.mark = marking(word)
    data.not = not
  },
  end(data: Marked): void {
    if (data.mark === null) throw new Wrong('lacks --mark', 0)
  },
  print(data: Marked): string[] {
    const { value, mask } = data.mark ?? { value: 0, mask: 0 }
    return [...negation(data.not), '--mark', mask === 0xffffffff ? hex(value) : `${hex(value)}/${hex(mask)}`]
  },
}

/** An expression over the mark that another one reads. */
export function masked(data: Marked, read: string): string {
  const { value, mask } = data.mark ?? { value: 0, mask: 0 }
  const held = mask === 0xffffffff ? read : `(${read}&${mask | 0})`
  return `${held}${data.not ? '!==' : '==='}${value | 0}`
}

export const mark: MatchKind<Marked> = {
  name: 'mark',
  ...marked,
  code: (data) => ({ text: masked(data, `x[${MARK}]`), nature: STATIC }),
  shows: (_data, x) => `mark ${hex(x[MARK])}`,
}
