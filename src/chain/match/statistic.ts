/** -m statistic: by chance, or every nth packet. */
import { type MatchKind, SLOW, Wrong } from '../extension.ts'
import { integer } from '../number.ts'
import { negation } from './ip.ts'

interface Statistic {
  mode: '' | 'random' | 'nth'
  /** of 2^31, -1 if it is not said */
  probability: number
  /** -1 if they are not said */
  every: number
  packet: number
  not: boolean
}

const WHOLE = 2 ** 31

export const statistic: MatchKind<Statistic> = {
  name: 'statistic',
  options: {
    '--mode': { words: 1 },
    '--probability': { words: 1, negatable: true },
    '--every': { words: 1, negatable: true },
    '--packet': { words: 1 },
  },
  begin: () => ({ mode: '', probability: -1, every: -1, packet: -1, not: false }),
  take(data, option, words, not) {
    const [word] = words
    if (not) data.not = true
    if (option === '--mode') {
      if (word !== 'random' && word !== 'nth') throw new Wrong('is no mode: random or nth')
      data.mode = word
    } else if (option === '--probability') {
      const value = /^\d*\.?\d*(e[-+]?\d+)?$/i.test(word) ? Number.parseFloat(word) : Number.NaN
      if (!(value >= 0 && value <= 1)) throw new Wrong('is not a number from 0 to 1')
      data.probability = Math.round(value * WHOLE)
    } else if (option === '--every') data.every = integer(word, 1, 0xffff_ffff)
    else data.packet = integer(word, 0, 0xffff_ffff)
  },
  end({ mode, probability, every, packet }) {
    if (mode === '') throw new Wrong('needs --mode random or --mode nth', 0)
    if (probability >= 0 && (every >= 0 || packet >= 0))
      throw new Wrong('has --probability, so --every and --packet mean nothing', 0)
    if (mode === 'random' && probability < 0) throw new Wrong('needs --probability in mode random', 0)
    if (mode === 'nth' && (every < 0 || packet < 0))
      throw new Wrong('needs --every and --packet in mode nth', 0)
    if (packet >= Math.max(every, 0) && mode === 'nth')
      throw new Wrong(`has --packet ${packet}, which must be less than --every ${every}`, 0)
  },
  print({ mode, probability, every, packet, not }) {
    const words = ['--mode', mode, ...negation(not)]
    if (mode === 'random') return [...words, '--probability', (probability / WHOLE).toFixed(11)]
    return [...words, '--every', `${every}`, '--packet', `${packet}`]
  },
  code({ mode, probability, every, packet, not }, emit) {
    const k = emit.matcher({
      type: 'statistic',
      own: true,
      probability: mode === 'random' ? probability : -1,
      every: Math.max(every - 1, 0),
      // It begins so far on that the packet numbered --packet, from 0 on, is the first that matches.
      count: Math.max(every - 1, 0) - Math.max(packet, 0),
      inverted: not,
    })
    return { text: `M[${k}].ask(x)`, nature: SLOW }
  },
  shows: ({ mode, every }) => (mode === 'random' ? 'a throw of the dice' : `its turn among ${every}`),
}
