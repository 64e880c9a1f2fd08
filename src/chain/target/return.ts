/** -j RETURN: back to the chain that jumped here; at the end of a base chain its policy speaks. */
import { STATIC, type TargetKind } from '../extension.ts'
import { CONTINUE } from '../registers.ts'
import { plain } from './accept.ts'

export const back: TargetKind<null> = {
  ...plain('RETURN'),
  code: () => ({ text: `return ${CONTINUE}`, nature: STATIC, ends: true }),
}
