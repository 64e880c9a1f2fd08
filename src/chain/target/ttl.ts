/** -j TTL: the time to live is set, or moved within 0 to 255. */
import { SLOW, type TargetKind, Wrong } from '../extension.ts'
import { integer } from '../number.ts'

interface Ttl {
  option: string
  value: number
}

const options = { '--ttl-set': { words: 1 }, '--ttl-dec': { words: 1 }, '--ttl-inc': { words: 1 } }

export const ttl: TargetKind<Ttl> = {
  name: 'TTL',
  tables: ['mangle'],
  options,
  begin: () => ({ option: '', value: 0 }),
  take(data, option, [word]) {
    if (data.option !== '') throw new Wrong(`stands beside ${data.option}`, 0)
    data.value = integer(word, option === '--ttl-set' ? 0 : 1, 255)
    data.option = option
  },
  end({ option }) {
    if (option === '') throw new Wrong(`needs one of ${Object.keys(options).join(', ')}`, 0)
  },
  print: ({ option, value }) => [option, `${value}`],
  code({ option, value }, emit) {
    const added = option === '--ttl-dec' ? -value : value
    const k = emit.matcher({ type: 'ttl', kept: option === '--ttl-set' ? 0 : 1, added })
    return { text: `M[${k}].ask(x);`, nature: SLOW, ends: false }
  },
}
