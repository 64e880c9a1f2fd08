/** -j ACCEPT: ends the hook's table; the packet goes on. */
import { STATIC, type TargetKind, Wrong } from '../extension.ts'
import { ACCEPT, EXPLICIT } from '../registers.ts'

export const accept: TargetKind<null> = {
  ...plain('ACCEPT'),
  code: () => ({ text: `x[${EXPLICIT}]=1;return ${ACCEPT}`, nature: STATIC, ends: true }),
}

/** The parts of a target without options. */
export function plain(name: string): Omit<TargetKind<null>, 'code'> {
  return {
    name,
    options: {},
    begin: () => null,
    take: () => {
      throw new Wrong(`is nothing that ${name} knows`, 0)
    },
    print: () => [],
  }
}
