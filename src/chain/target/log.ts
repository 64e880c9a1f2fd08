/** -j LOG: a record in the journal, which the control thread prints with the rule's prefix. */
import { LOG } from '../../table/journal.ts'
import { type Emit, SLOW, type TargetKind, Wrong } from '../extension.ts'
import { cut } from '../match/comment.ts'
import { integer } from '../number.ts'
import { RULE } from '../registers.ts'
import { quote } from '../words.ts'

export interface Log {
  prefix: string
  level: number
  /** positions in FLAGS */
  flags: Set<string>
}

/** Bytes of the prefix that the kernel keeps. */
const PREFIX_LENGTH = 29
const WARNING = 4

/** Levels by number, and another name for one of them. */
const LEVELS = ['emerg', 'alert', 'crit', 'error', 'warning', 'notice', 'info', 'debug']
const PANIC = 'panic'

/** In the order in which they are printed. */
const FLAGS = ['--log-tcp-sequence', '--log-tcp-options', '--log-ip-options', '--log-uid', '--log-macdecode']

export const log: TargetKind<Log> = {
  name: 'LOG',
  options: {
    '--log-prefix': { words: 1 },
    '--log-level': { words: 1 },
    ...Object.fromEntries(FLAGS.map((flag) => [flag, { words: 0 }])),
  },
  begin: () => ({ prefix: '', level: WARNING, flags: new Set() }),
  take(data, option, [word]) {
    if (option === '--log-prefix') data.prefix = parsePrefix(word, PREFIX_LENGTH)
    else if (option === '--log-level') data.level = parseLevel(word)
    else data.flags.add(option)
  },
  print(data) {
    const words = data.prefix === '' ? [] : ['--log-prefix', quote(data.prefix)]
    if (data.level !== WARNING) words.push('--log-level', String(data.level))
    return [...words, ...FLAGS.filter((flag) => data.flags.has(flag))]
  },
  code: (_data, emit) => tell(emit, LOG),
}

/** A rule that tells and goes on: what it says is looked up by its number. */
export function tell(emit: Emit, kind: number) {
  const k = emit.matcher({ type: 'journal', kind })
  return { text: `x[${RULE}]=${emit.rule};M[${k}].ask(x)`, nature: SLOW, ends: false } as const
}

/** As many bytes as the kernel keeps: iptables leaves the rest out. */
export function parsePrefix(word: string, length: number): string {
  if (word === '') throw new Wrong('is an empty prefix')
  return cut(word, length)
}

function parseLevel(word: string): number {
  if (/^\d/.test(word)) return integer(word, 0, 7)
  const level = word === PANIC ? 0 : LEVELS.indexOf(word)
  if (level < 0) throw new Wrong(`is neither a number from 0 to 7 nor one of ${LEVELS.join(', ')}`)
  return level
}
