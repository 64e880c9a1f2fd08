/** -j DROP: the packet ends here, nobody is told. */
import { STATIC, type TargetKind } from '../extension.ts'
import { DROP } from '../registers.ts'
import { plain } from './accept.ts'

export const drop: TargetKind<null> = {
  ...plain('DROP'),
  code: () => ({ text: `return ${DROP}`, nature: STATIC, ends: true }),
}
