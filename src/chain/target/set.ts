/** -j SET: what the packet has goes into a set, or out of one. */
import { TIMEOUT_MAX } from '../creation.ts'
import { type Emit, SLOW, type TargetKind, Wrong } from '../extension.ts'
import { how, type Membership, parse, print } from '../membership.ts'
import { integer } from '../number.ts'

interface Set {
  add: Membership | null
  del: Membership | null
  exist: boolean
  /** seconds, -1: the set's own */
  timeout: number
}

const absent = ['--map-mark', '--map-prio', '--map-queue']

export const set: TargetKind<Set> = {
  name: 'SET',
  options: {
    '--add-set': { words: 2 },
    '--del-set': { words: 2 },
    '--exist': { words: 0 },
    '--timeout': { words: 1 },
    '--map-set': { words: 2 },
    ...Object.fromEntries(absent.map((name) => [name, { words: 0 }])),
  },
  begin: () => ({ add: null, del: null, exist: false, timeout: -1 }),
  take(data, option, words) {
    const twice = new Wrong(`stands beside another ${option}`, 0)
    if (option === '--add-set') {
      if (data.add) throw twice
      data.add = parse(words[0], words[1])
    } else if (option === '--del-set') {
      if (data.del) throw twice
      data.del = parse(words[0], words[1])
    } else if (option === '--exist') data.exist = true
    else if (option === '--timeout') data.timeout = integer(words[0], 0, TIMEOUT_MAX)
    else throw new Wrong('is not available: sets hold no marks', 0)
  },
  end({ add, del, exist, timeout }) {
    if (!add && !del) throw new Wrong('needs --add-set or --del-set', 0)
    if (!add && exist) throw new Wrong('has --exist, which needs --add-set', 0)
    if (!add && timeout >= 0) throw new Wrong('has --timeout, which needs --add-set', 0)
  },
  print({ add, del, exist, timeout }) {
    const words: string[] = []
    if (add) words.push('--add-set', ...print(add))
    if (exist) words.push('--exist')
    if (timeout >= 0) words.push('--timeout', `${timeout}`)
    if (del) words.push('--del-set', ...print(del))
    return words
  },
  code({ add, del, exist, timeout }, emit) {
    const timeoutMs = timeout < 0 ? -1 : timeout * 1000
    const parts: string[] = []
    if (add) parts.push(ask(add, { adds: true, timeoutMs, renew: exist }, emit))
    if (del) parts.push(ask(del, { adds: false, timeoutMs: 0, renew: false }, emit))
    return { text: parts.join(''), nature: SLOW, ends: false }
  },
  sets: ({ add, del }) => [add, del].flatMap((each) => (each ? [each.name] : [])),
}

function ask(
  membership: Membership,
  change: { adds: boolean; timeoutMs: number; renew: boolean },
  emit: Emit,
): string {
  const { at } = emit.set(membership.name)
  return `M[${emit.matcher({ type: 'change', at, how: how(membership), ...change })}].ask(x);`
}
