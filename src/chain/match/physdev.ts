/**
 * -m physdev: the ports of a network that a packet came by and leaves by, as bridge-nf-call-iptables shows them: of a bridged frame both, of
 * a packet that is routed from a network that filters bridged frames only the first, else none.
 */
import { type Emit, type MatchKind, PURE, Wrong } from '../extension.ts'
import { BRIDGED, IN_PORT, OUT_PORT } from '../registers.ts'
import { negation } from './ip.ts'

interface Asked {
  not: boolean
}

interface Physdev {
  isIn: Asked | null
  input: (Asked & { name: string }) | null
  isOut: Asked | null
  output: (Asked & { name: string }) | null
  isBridged: Asked | null
}

/** As long as an interface's name may be in the kernel. */
const NAME_LENGTH = 15

export const physdev: MatchKind<Physdev> = {
  name: 'physdev',
  options: {
    '--physdev-in': { words: 1, negatable: true },
    '--physdev-out': { words: 1, negatable: true },
    '--physdev-is-in': { words: 0, negatable: true },
    '--physdev-is-out': { words: 0, negatable: true },
    '--physdev-is-bridged': { words: 0, negatable: true },
  },
  begin: () => ({ isIn: null, input: null, isOut: null, output: null, isBridged: null }),
  take(data, option, [word], not) {
    if (option === '--physdev-in') data.input = { name: checked(word), not }
    else if (option === '--physdev-out') data.output = { name: checked(word), not }
    else if (option === '--physdev-is-in') data.isIn = { not }
    else if (option === '--physdev-is-out') data.isOut = { not }
    else data.isBridged = { not }
  },
  end({ isIn, input, isOut, output, isBridged }) {
    if (isIn || input || isOut || output || isBridged) return
    throw new Wrong('needs one of --physdev-in, -out, -is-in, -is-out, -is-bridged', 0)
  },
  fits({ output, isOut, isBridged }, { hooks }) {
    if (!hooks.includes('OUTPUT') || !(output || isOut) || (isBridged && !isBridged.not)) return
    throw new Wrong('asks for the port that a packet leaves by, which OUTPUT does not know', 0)
  },
  print({ isIn, input, isOut, output, isBridged }) {
    const words: string[] = []
    if (isIn) words.push(...negation(isIn.not), '--physdev-is-in')
    if (input) words.push(...negation(input.not), '--physdev-in', input.name)
    if (isOut) words.push(...negation(isOut.not), '--physdev-is-out')
    if (output) words.push(...negation(output.not), '--physdev-out', output.name)
    if (isBridged) words.push(...negation(isBridged.not), '--physdev-is-bridged')
    return words
  },
  code(data, emit) {
    const { isIn, input, isOut, output, isBridged } = data
    const knowsIn = `x[${BRIDGED}]!==0`
    const knowsOut = `x[${BRIDGED}]===1`
    const parts: string[] = []
    const flag = (asked: Asked | null, text: string) => {
      if (asked) parts.push(asked.not ? `!(${text})` : text)
    }
    flag(isBridged, knowsOut)
    flag(isIn, knowsIn)
    flag(isOut, knowsOut)
    // Without a bridge's knowledge a name matches only behind `!`; of a frame that the bridge has but sends nowhere, `-out` matches never.
    if (input) {
      const same = named(input.name, IN_PORT, emit)
      parts.push(input.not ? `(x[${BRIDGED}]===0||!${same})` : `(${knowsIn}&&${same})`)
    }
    if (output) {
      const same = named(output.name, OUT_PORT, emit)
      const without = `x[${BRIDGED}]===0`
      parts.push(output.not ? `(${without}||${knowsOut}&&!${same})` : `(${knowsOut}&&${same})`)
    }
    return { text: `(${parts.join('&&')})`, nature: PURE }
  },
  shows(_data, x) {
    if (x[BRIDGED] === 1) return 'bridged'
    return x[BRIDGED] === 0 ? 'not bridged' : 'routed, came by a port of a network'
  },
}

function checked(name: string): string {
  if (name !== '' && name.length <= NAME_LENGTH && !/[\s\p{C}/"\\]/u.test(name)) return name
  throw new Wrong(`is no name of 1 to ${NAME_LENGTH} characters that interfaces have`)
}

function named(name: string, register: number, emit: Emit): string {
  if (name === '+') return 'true'
  if (name.endsWith('+')) return `(${emit.wildcard(name.slice(0, -1), register)})`
  return `(x[${register}]===${emit.name(name).id})`
}
