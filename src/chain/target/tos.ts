/** -j TOS: bits of the type of service are cleared, then turned over. */
import { SLOW, type TargetKind, Wrong } from '../extension.ts'
import { hex, integer } from '../number.ts'
import { service } from '../service.ts'

interface Tos {
  value: number
  /** -1: nothing said yet */
  mask: number
}

const options = {
  '--set-tos': { words: 1 },
  '--and-tos': { words: 1 },
  '--or-tos': { words: 1 },
  '--xor-tos': { words: 1 },
}

export const tos: TargetKind<Tos> = {
  name: 'TOS',
  tables: ['mangle'],
  options,
  begin: () => ({ value: 0, mask: -1 }),
  take(data, option, [word]) {
    if (data.mask >= 0) throw new Wrong('stands beside another option that says what becomes of it', 0)
    Object.assign(data, option === '--set-tos' ? service(word) : bits(option, integer(word, 0, 255)))
  },
  end({ mask }) {
    if (mask < 0) throw new Wrong(`needs one of ${Object.keys(options).join(', ')}`, 0)
  },
  print: ({ value, mask }) => ['--set-tos', `${hex(value, 2)}/${hex(mask, 2)}`],
  code({ value, mask }, emit) {
    return { text: `M[${emit.matcher({ type: 'service', mask, value })}].ask(x);`, nature: SLOW, ends: false }
  },
}

function bits(option: string, value: number): Tos {
  if (option === '--and-tos') return { value: 0, mask: ~value & 255 }
  return { value, mask: option === '--or-tos' ? value : 0 }
}
