/** -m tcp: ports, flags, one option. */
import type { MatchKind } from '../extension.ts'
import { PURE, STATIC, Wrong } from '../extension.ts'
import { integer } from '../number.ts'
import { parsePorts, TCP } from '../protocol.ts'
import { END, PORTS, TRANSPORT } from '../registers.ts'
import { negation, Parts } from './ip.ts'
import { addPort, type Ports, portOptions, printPort, showPorts } from './udp.ts'

interface Tcp extends Ports {
  mask: number
  flags: number
  notFlags: boolean
  /** 0: not asked for */
  option: number
  notOption: boolean
}

const FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG']
const ALL = 0x3f
const FIN_SYN_RST_ACK = 0x17
const SYN = 0x02

export const tcp: MatchKind<Tcp> = {
  name: 'tcp',
  protocols: [TCP],
  options: {
    ...portOptions,
    '--tcp-flags': { words: 2, negatable: true },
    '--syn': { words: 0, negatable: true },
    '--tcp-option': { words: 1, negatable: true },
  },
  begin: () => ({
    source: null,
    destination: null,
    mask: 0,
    flags: 0,
    notFlags: false,
    option: 0,
    notOption: false,
  }),
  take(data, option, words, not) {
    if (option === '--sport') data.source = { ports: parsePorts(words[0]), not }
    else if (option === '--dport') data.destination = { ports: parsePorts(words[0]), not }
    else if (option === '--tcp-option') {
      data.option = integer(words[0], 1, 255)
      data.notOption = not
    } else {
      if (data.mask !== 0) throw new Wrong('stands beside another of --syn and --tcp-flags', 0)
      data.mask = option === '--syn' ? FIN_SYN_RST_ACK : flags(words[0], 1)
      data.flags = option === '--syn' ? SYN : flags(words[1], 2)
      data.notFlags = not
    }
  },
  print(data) {
    const words = [...printPort('--sport', data.source), ...printPort('--dport', data.destination)]
    if (data.option !== 0) words.push(...negation(data.notOption), '--tcp-option', String(data.option))
    if (data.mask !== 0)
      words.push(...negation(data.notFlags), '--tcp-flags', names(data.mask), names(data.flags))
    return words
  },
  code(data, emit) {
    const parts = new Parts()
    addPort(parts, data.source, 16)
    addPort(parts, data.destination, 0)
    if (data.mask !== 0) {
      const nature = (data.mask & ~FIN_SYN_RST_ACK) === 0 ? STATIC : PURE
      const text = `(v.getUint8(x[${TRANSPORT}]+13)&${data.mask})${data.notFlags ? '!==' : '==='}${data.flags}`
      parts.ask(text, nature)
    }
    if (data.option !== 0) {
      const k = emit.matcher({ type: 'option', option: data.option, not: data.notOption })
      parts.ask(`M[${k}].ask(x)`, PURE)
    }
    const condition = parts.condition()
    return data.option === 0 ? condition : { ...condition, drops: true }
  },
  shows(data, x, view) {
    const ports = showPorts(data, x[PORTS])
    const held = x[TRANSPORT] + 14 <= x[END] ? view.getUint8(x[TRANSPORT] + 13) & ALL : 0
    return data.mask === 0 ? ports : `${ports}, flags ${names(held)}`
  },
}

function flags(text: string, word: number): number {
  if (text === 'ALL') return ALL
  if (text === 'NONE') return 0
  let bits = 0
  for (const name of text.split(',')) {
    if (name === 'ALL') bits |= ALL
    else if (name !== 'NONE') {
      const index = FLAGS.indexOf(name.toUpperCase())
      if (index < 0) throw new Wrong(`is no list of ${FLAGS.join(', ')}, ALL, NONE`, word)
      bits |= 1 << index
    }
  }
  return bits
}

function names(bits: number): string {
  return bits === 0 ? 'NONE' : FLAGS.filter((_, index) => bits & (1 << index)).join(',')
}
