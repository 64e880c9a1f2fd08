/** What every rule may ask without -m: addresses, interfaces, protocol, fragments. */
import { type Net, parseNet, printAddress, printMask } from '../address.ts'
import type { Condition, Emit, KeyPart, MatchKind, Nature } from '../extension.ts'
import { PURE, STATIC, Wrong } from '../extension.ts'
import * as key from '../lookup.ts'
import { parseProtocol, printProtocol } from '../protocol.ts'
import { DESTINATION, IN_NETWORK, IN_PORT, OUT_NETWORK, OUT_PORT, PROTOCOL, SOURCE } from '../registers.ts'

interface Address extends Net {
  not: boolean
}

interface Interface {
  /** with its `+`, '' if there is none */
  name: string
  not: boolean
}

export interface Ip {
  source: Address | null
  destination: Address | null
  input: Interface | null
  output: Interface | null
  protocol: number
  notProtocol: boolean
  /** 1: -f, -1: ! -f */
  fragment: -1 | 0 | 1
}

/** As long as an interface's name may be in the kernel. */
const NAME_LENGTH = 15

export const ip: MatchKind<Ip> = {
  name: 'ip',
  options: {
    '-s': { words: 1, negatable: true },
    '-d': { words: 1, negatable: true },
    '-i': { words: 1, negatable: true },
    '-o': { words: 1, negatable: true },
    '-p': { words: 1, negatable: true },
    '-f': { words: 0, negatable: true },
    '--source': '-s',
    '--src': '-s',
    '--destination': '-d',
    '--dst': '-d',
    '--in-interface': '-i',
    '--out-interface': '-o',
    '--protocol': '-p',
    '--fragments': '-f',
  },
  begin: () => ({
    source: null,
    destination: null,
    input: null,
    output: null,
    protocol: 0,
    notProtocol: false,
    fragment: 0,
  }),
  take(data, option, [word], not) {
    if (option === '-s') data.source = address(word, not)
    else if (option === '-d') data.destination = address(word, not)
    else if (option === '-i') data.input = interfaceOf(word, not)
    else if (option === '-o') data.output = interfaceOf(word, not)
    else if (option === '-f') data.fragment = not ? -1 : 1
    else {
      data.protocol = parseProtocol(word)
      data.notProtocol = not
      if (not && data.protocol === 0) throw new Wrong('would never match with `!`')
    }
  },
  print(data) {
    const words: string[] = []
    if (data.source) words.push(...negation(data.source.not), '-s', printNet(data.source))
    if (data.destination) words.push(...negation(data.destination.not), '-d', printNet(data.destination))
    if (data.input) words.push(...negation(data.input.not), '-i', data.input.name)
    if (data.output) words.push(...negation(data.output.not), '-o', data.output.name)
    if (data.protocol !== 0) words.push(...negation(data.notProtocol), '-p', printProtocol(data.protocol))
    if (data.fragment !== 0) words.push(...negation(data.fragment < 0), '-f')
    return words
  },
  code(data, emit) {
    const parts = new Parts()
    addAddress(parts, data.source, SOURCE, key.KEY_SOURCE)
    addAddress(parts, data.destination, DESTINATION, key.KEY_DESTINATION)
    addInterface(parts, data.input, IN_NETWORK, IN_PORT, emit)
    addInterface(parts, data.output, OUT_NETWORK, OUT_PORT, emit)
    if (data.protocol !== 0) {
      const text = `x[${PROTOCOL}]${data.notProtocol ? '!==' : '==='}${data.protocol}`
      if (data.notProtocol) parts.ask(text)
      else parts.fix(text, { word: key.KEY_PROTOCOL, value: data.protocol, mask: 0xff })
    }
    // Fragments are put together before the first hook.
    if (data.fragment > 0) parts.ask('false')
    return parts.condition()
  },
  shows(_data, x) {
    const at = (register: number) => printAddress(x[register])
    return `${at(SOURCE)} to ${at(DESTINATION)}, protocol ${printProtocol(x[PROTOCOL])}`
  },
}

/** False if every packet matches. */
export function asksAnything({ source, destination, input, output, protocol, fragment }: Ip): boolean {
  return (source ?? destination ?? input ?? output) !== null || protocol !== 0 || fragment !== 0
}

/** Conditions that all must hold, being collected. */
export class Parts {
  private nature: Nature = STATIC
  private readonly texts: string[] = []
  private readonly rests: string[] = []
  private readonly keys: KeyPart[] = []
  private readonly covers: KeyPart[][][] = []

  /** An equality under masks, and the same as an expression. */
  fix(text: string, part: KeyPart, nature: Nature = STATIC): void {
    this.texts.push(text)
    this.keys.push(part)
    this.depend(nature)
  }

  /** Any other expression; who meets it has all parts of one list of `cover`, unless that is empty. */
  ask(text: string, nature: Nature = STATIC, cover: KeyPart[][] = []): void {
    this.texts.push(text)
    if (cover.length > 0) this.covers.push(cover)
    this.rests.push(text)
    this.depend(nature)
  }

  condition(): Condition {
    const condition: Condition = { text: all(this.texts), nature: this.nature }
    if (this.keys.length > 0) {
      condition.key = this.keys
      if (this.rests.length > 0) condition.rest = all(this.rests)
    }
    if (this.covers.length > 0) condition.covers = this.covers
    return condition
  }

  private depend(nature: Nature): void {
    if (nature > this.nature) this.nature = nature
  }
}

function all(texts: string[]): string {
  return texts.length === 0 ? 'true' : texts.join('&&')
}

/** null: any, which is not printed either. */
function address(word: string, not: boolean): Address | null {
  const net = parseNet(word)
  return net.mask === 0 && !not ? null : { ...net, not }
}

function interfaceOf(word: string, not: boolean): Interface | null {
  if (word === '') throw new Wrong('is an empty name')
  if (word.length > NAME_LENGTH) throw new Wrong(`is longer than ${NAME_LENGTH} characters`)
  if (/[\s\p{C}"\\]/u.test(word)) throw new Wrong('has a character that no interface has in its name')
  return word === '+' && !not ? null : { name: word, not }
}

export function negation(not: boolean): string[] {
  return not ? ['!'] : []
}

function printNet(net: Net): string {
  return printAddress(net.address) + printMask(net.mask)
}

function addAddress(parts: Parts, net: Address | null, register: number, word: number): void {
  if (net === null) return
  const masked = net.mask === -1 ? `x[${register}]` : `(x[${register}]&${net.mask})`
  if (net.not) parts.ask(`${masked}!==${net.address}`)
  else parts.fix(`${masked}===${net.address}`, { word, value: net.address, mask: net.mask })
}

function addInterface(parts: Parts, link: Interface | null, network: number, port: number, emit: Emit): void {
  if (link === null) return
  if (link.name.endsWith('+')) {
    const prefix = link.name.slice(0, -1)
    const found =
      prefix === '' ? 'true' : `(${emit.wildcard(prefix, network)}||${emit.wildcard(prefix, port)})`
    parts.ask(link.not ? `!${found}` : found, PURE)
    return
  }
  const { id, isPort } = emit.name(link.name)
  const nature = isPort ? PURE : STATIC
  const text = `x[${isPort ? port : network}]${link.not ? '!==' : '==='}${id}`
  if (link.not) parts.ask(text, nature)
  else parts.fix(text, key.namePart(id, isPort, network === IN_NETWORK), nature)
}
