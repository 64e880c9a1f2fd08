/** -j NFLOG: a record in the journal for those who listen to a group. */
import { NFLOG } from '../../table/journal.ts'
import { type TargetKind, Wrong } from '../extension.ts'
import { integer } from '../number.ts'
import { quote } from '../words.ts'
import { parsePrefix, tell } from './log.ts'

export interface Nflog {
  prefix: string
  group: number
  /** bytes of the packet to tell, -1: not said, all of it; `range` is the older word, that never had an effect */
  size: number
  range: number
  threshold: number
}

/** Bytes of the prefix that the kernel keeps. */
const PREFIX_LENGTH = 63
const MOST = 0xffff_ffff

export const nflog: TargetKind<Nflog> = {
  name: 'NFLOG',
  options: {
    '--nflog-prefix': { words: 1 },
    '--nflog-group': { words: 1 },
    '--nflog-range': { words: 1 },
    '--nflog-size': { words: 1 },
    '--nflog-threshold': { words: 1 },
  },
  begin: () => ({ prefix: '', group: 0, size: -1, range: -1, threshold: 0 }),
  take(data, option, [word]) {
    if (option === '--nflog-prefix') data.prefix = parsePrefix(word, PREFIX_LENGTH)
    else if (option === '--nflog-group') data.group = integer(word, 0, 0xffff)
    else if (option === '--nflog-threshold') data.threshold = integer(word, 0, 0xffff)
    else if (option === '--nflog-range') data.range = integer(word, 0, MOST)
    else data.size = integer(word, 0, MOST)
  },
  end(data) {
    if (data.size >= 0 && data.range >= 0) throw new Wrong('has both --nflog-size and --nflog-range', 0)
  },
  print(data) {
    const words = data.prefix === '' ? [] : ['--nflog-prefix', quote(data.prefix)]
    if (data.group !== 0) words.push('--nflog-group', String(data.group))
    if (data.size >= 0) words.push('--nflog-size', String(data.size))
    else if (data.range > 0) words.push('--nflog-range', String(data.range))
    if (data.threshold !== 0) words.push('--nflog-threshold', String(data.threshold))
    return words
  },
  code: (_data, emit) => tell(emit, NFLOG),
}
