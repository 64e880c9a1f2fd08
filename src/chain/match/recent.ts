/** -m recent: lists of addresses with the times at which they were seen. */
import { parseAddress, printAddress } from '../address.ts'
import { type MatchKind, SLOW, Wrong } from '../extension.ts'
import * as m from '../matcher/recent.ts'
import { integer } from '../number.ts'
import * as R from '../registers.ts'
import { negation } from './ip.ts'

interface Recent {
  what: '' | 'set' | 'rcheck' | 'update' | 'remove'
  not: boolean
  /** 0: not said */
  seconds: number
  hits: number
  reap: boolean
  ttl: boolean
  name: string
  destination: boolean
  mask: number
}

const WHATS = { set: m.SET, rcheck: m.CHECK, update: m.UPDATE, remove: m.REMOVE }
/** XT_RECENT_MAX_NSTAMPS and XT_RECENT_NAME_LEN */
const HITS_MAX = 0xffff
const NAME_MAX = 199
/** More is taken by iptables, but printed as a negative number that it does not take back. */
const SECONDS_MAX = 0x7fff_ffff
/** times an address keeps if no rule says --hitcount */
const STAMPS = 32
/** Times that are looked at while a rule is asked. */
const TIMES_A_RULE = 8

/** A name under which the kernel could show a list as a file. */
export function listName(word: string, most: number): string {
  if (word === '' || word === '.' || word === '..' || word.includes('/'))
    throw new Wrong('is no name: the kernel shows it as a file, so not ., .. or with /')
  if (Buffer.byteLength(word) > most) throw new Wrong(`is longer than ${most} bytes`)
  return word
}

export const recent: MatchKind<Recent> = {
  name: 'recent',
  options: {
    '--set': { words: 0, negatable: true },
    '--rcheck': { words: 0, negatable: true },
    '--update': { words: 0, negatable: true },
    '--remove': { words: 0, negatable: true },
    '--seconds': { words: 1 },
    '--reap': { words: 0 },
    '--hitcount': { words: 1 },
    '--rttl': { words: 0 },
    '--name': { words: 1 },
    '--rsource': { words: 0 },
    '--rdest': { words: 0 },
    '--mask': { words: 1 },
  },
  begin: () => ({
    what: '',
    not: false,
    seconds: 0,
    hits: 0,
    reap: false,
    ttl: false,
    name: 'DEFAULT',
    destination: false,
    mask: -1,
  }),
  take(data, option, words, not) {
    const [word] = words
    if (option === '--seconds') data.seconds = integer(word, 1, SECONDS_MAX)
    else if (option === '--hitcount') data.hits = integer(word, 0, HITS_MAX)
    else if (option === '--name') data.name = listName(word, NAME_MAX)
    else if (option === '--mask') data.mask = parseAddress(word)
    else if (option === '--reap') data.reap = true
    else if (option === '--rttl') data.ttl = true
    else if (option === '--rsource' || option === '--rdest') data.destination = option === '--rdest'
    else {
      if (data.what !== '')
        throw new Wrong('cannot stand beside another of --set, --rcheck, --update, --remove', 0)
      data.what = option.slice(2) as Recent['what']
      data.not = not
    }
  },
  end({ what, seconds, hits, reap, ttl }) {
    if (what === '') throw new Wrong('needs one of --set, --rcheck, --update, --remove', 0)
    const asks = what === 'rcheck' || what === 'update'
    if (!asks && (seconds > 0 || hits > 0 || reap || ttl))
      throw new Wrong(
        'has --seconds, --hitcount, --reap or --rttl, which go with --rcheck and --update only',
        0,
      )
    if (reap && seconds === 0) throw new Wrong('has --reap, which needs --seconds', 0)
  },
  print(data) {
    const words = [...negation(data.not), `--${data.what}`]
    if (data.seconds > 0) words.push('--seconds', `${data.seconds}`)
    if (data.reap) words.push('--reap')
    if (data.hits > 0) words.push('--hitcount', `${data.hits}`)
    if (data.ttl) words.push('--rttl')
    words.push('--name', data.name, '--mask', printAddress(data.mask))
    return [...words, data.destination ? '--rdest' : '--rsource']
  },
  effort: ({ hits }) => Math.floor(hits / TIMES_A_RULE),
  code({ what, hits, mask, not, ...data }, emit) {
    const spec = {
      ...{ type: 'recent', own: true, settings: { mask }, hits, inverted: not },
      ...{ stamps: hits === 0 ? STAMPS : 2 ** Math.ceil(Math.log2(hits)), ...data },
      what: WHATS[what || 'set'],
    }
    return { text: `M[${emit.matcher(spec)}].ask(x)`, nature: SLOW }
  },
  shows: ({ destination, mask }, x) =>
    `${destination ? 'destination' : 'source'} ${printAddress(x[destination ? R.DESTINATION : R.SOURCE] & mask)}`,
}
