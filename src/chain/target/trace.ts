/** -j TRACE: from here on every rule that the packet meets is told of. */
import { SLOW, type TargetKind } from '../extension.ts'
import { TRACED } from '../registers.ts'
import { plain } from './accept.ts'

export const trace: TargetKind<null> = {
  ...plain('TRACE'),
  tables: ['raw'],
  code: () => ({ text: `x[${TRACED}]=1`, nature: SLOW, ends: false }),
}
