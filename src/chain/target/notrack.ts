/** -j NOTRACK: -j CT --notrack in one word. */
import type { TargetKind } from '../extension.ts'
import { plain } from './accept.ts'
import { decide, UNTRACK } from './ct.ts'

export const notrack: TargetKind<null> = {
  ...plain('NOTRACK'),
  tables: ['raw'],
  code: () => decide(UNTRACK),
}
