/** The same rules and the same packets on two sides, and what differs: between the kernel and ours first of all. */
import type { Parcel } from './kernel.ts'
import { services } from './matches.ts'
import { textOf, type Written } from './ruleset.ts'
import type { Traffic } from './traffic.ts'

/** Who has rules and forwards packets by them. */
export interface Side {
  load(rules: string, sets: string): void
  give(parcel: Parcel): Parcel[]
  /** as iptables-save -c and ipset save print them */
  save(): { rules: string; sets: string }
  /** as /proc/net/nf_conntrack or conntrack -L has them */
  flows(): string[]
}

/** All that a side did, as text to compare. */
export interface Run {
  /** by packet: what left because of it, a line each */
  answers: string[][]
  /** rules and policies with their counters */
  counters: string[]
  /** the same without */
  text: string[]
  sets: string[]
  flows: string[]
}

export interface Trial {
  written: Written
  parcels: Parcel[]
}

export interface Difference {
  what: 'answer' | 'counters' | 'text' | 'sets' | 'flows' | 'refused'
  /** position of the packet, -1 if it shows at the end */
  at: number
  kernel: string[]
  ours: string[]
}

/** A packet that left, as text. The identification of what a gateway writes itself is its own affair. */
function answer(asked: Uint8Array, { station, packet }: Parcel): string {
  const shown = packet.slice()
  // Ours answers an echo in the frame that it came in.
  if (asked[4] !== packet[4] || asked[5] !== packet[5] || packet[9] === 1) {
    shown.set([0, 0], 4)
    shown.set([0, 0], 10)
  }
  return `${station} ${Buffer.from(shown).toString('hex')}`
}

/** A connection without what time does to it. */
function flow(text: string): string {
  const line = process.env.NOACCT ? text.replace(/ (packets|bytes)=\d+/g, '') : text
  const words = line.replace(/^ipv4 +2 +/, '').split(/ +/)
  const [name, number, , ...rest] = words
  const isKept = (word: string) => !/^(use|timeout)=/.test(word) && word !== 'mark=0' && word !== 'zone=0'
  return [name, number, ...rest.filter(isKept)].join(' ')
}

/** Members of sets in an order of their own, without the seconds that they have left. */
function members(text: string): string[] {
  const lines = text.split('\n').filter((line) => line.startsWith('add '))
  return lines.map((line) => line.replace(/ timeout \d+/, '')).sort()
}

function rows(text: string): { counters: string[]; text: string[] } {
  const counters: string[] = []
  let table = ''
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1)
    else if (/^[:[]/.test(line)) counters.push(`${table} ${line}`)
  }
  // The tables' order is that in which they were first used.
  const order = ['raw', 'mangle', 'nat', 'filter']
  const rank = (row: string) => order.indexOf(row.split(' ')[0])
  counters.sort((a, b) => rank(a) - rank(b))
  return { counters, text: counters.map((row) => row.replace(/\[\d+:\d+\] ?/, '')) }
}

function finish(side: Side, answers: string[][]): Run {
  const saved = side.save()
  return { answers, ...rows(saved.rules), sets: members(saved.sets), flows: side.flows().map(flow).sort() }
}

/** What a side makes of packets that are given. */
export function run(side: Side, written: Written, parcels: Parcel[]): Run {
  side.load(textOf(written), written.sets)
  const answers = parcels.map((parcel) =>
    side
      .give(parcel)
      .map((each) => answer(parcel.packet, each))
      .sort(),
  )
  return finish(side, answers)
}

/** A packet that a gateway may forward: no station's from itself to itself. */
function proper(traffic: Traffic): Parcel {
  for (;;) {
    const parcel = traffic.next()
    const { packet } = parcel
    if (packet.subarray(12, 16).join() !== packet.subarray(16, 20).join()) return parcel
  }
}

/** True if a packet that left has a port that nobody wrote: the kernel had to draw one, since the tuple was taken. */
function isDrawn({ packet }: Parcel, known: Set<number>): boolean {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length)
  const at = (packet[0] & 15) * 4
  if ((packet[9] !== 6 && packet[9] !== 17) || (view.getUint16(6) & 0x1fff) !== 0) return false
  return !known.has(view.getUint16(at)) || !known.has(view.getUint16(at + 2))
}

/** Notes the ports of a packet that is sent. */
function know({ packet }: Parcel, known: Set<number>): void {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length)
  const at = (packet[0] & 15) * 4
  if (packet.length < at + 4) return
  known.add(view.getUint16(at)).add(view.getUint16(at + 2))
}

/** Makes packets as the side answers them. Where one makes the kernel draw a number, all begins again without it. */
export function explore(
  side: Side,
  written: Written,
  traffic: Traffic,
  count: number,
): { parcels: Parcel[]; run: Run } {
  side.load(textOf(written), written.sets)
  const parcels: Parcel[] = []
  const known = new Set(services)
  let isWhole = true
  const answers: string[][] = []
  for (let i = 0; i < count; i++) {
    const parcel = proper(traffic)
    know(parcel, known)
    const got = side.give(parcel)
    if (got.some((each) => isDrawn(each, known))) {
      isWhole = false
      continue
    }
    traffic.saw(got)
    parcels.push(parcel)
    answers.push(got.map((each) => answer(parcel.packet, each)).sort())
  }
  return { parcels, run: isWhole ? finish(side, answers) : run(side, written, parcels) }
}

/** Lines that only one of both has. */
function apart(kernel: string[], ours: string[]): { kernel: string[]; ours: string[] } {
  const only = (these: string[], those: string[]) => {
    const left = new Map<string, number>()
    for (const line of those) left.set(line, (left.get(line) ?? 0) + 1)
    return these.filter((line) => {
      const count = left.get(line) ?? 0
      left.set(line, count - 1)
      return count <= 0
    })
  }
  return { kernel: only(kernel, ours), ours: only(ours, kernel) }
}

/** The first difference, packets before counters; null if there is none. */
export function compare(kernel: Run, ours: Run): Difference | null {
  for (let at = 0; at < kernel.answers.length; at++) {
    const both = apart(kernel.answers[at], ours.answers[at])
    if (both.kernel.length + both.ours.length > 0) return { what: 'answer', at, ...both }
  }
  for (const what of ['text', 'counters', 'flows', 'sets'] as const) {
    const both = apart(kernel[what], ours[what])
    if (both.kernel.length + both.ours.length > 0) return { what, at: -1, ...both }
  }
  return null
}

/** A packet in a line, for who reads what differed. */
export function told({ station, packet }: Parcel): string {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length)
  const at = (packet[0] & 15) * 4
  const address = (from: number) => packet.subarray(from, from + 4).join('.')
  const [a, b] = packet.length >= at + 4 ? [view.getUint16(at), view.getUint16(at + 2)] : [0, 0]
  const protocol = packet[9]
  const name = { 1: 'icmp', 6: 'tcp', 17: 'udp' }[protocol] ?? `protocol ${protocol}`
  const fragment = view.getUint16(6) & 0x3fff
  const piece =
    fragment === 0 ? '' : ` piece ${(fragment & 0x1fff) * 8}${(fragment & 0x2000) !== 0 ? '+' : ''}`
  const flags =
    protocol === 6 && packet.length >= at + 14 ? ` flags ${packet[at + 13].toString(2).padStart(8, '0')}` : ''
  const ends =
    protocol === 1
      ? `${address(12)} > ${address(16)} type ${a >> 8} code ${a & 255} id ${packet.length >= at + 6 ? view.getUint16(at + 4) : ''}`
      : `${address(12)}:${a} > ${address(16)}:${b}`
  return `${station === 4 ? 'router' : `guest ${station}`}: ${name} ${ends}${flags}${piece} ttl ${packet[8]} tos ${packet[1]} length ${packet.length}`
}

/** What differs, to be read: the rules, the packets, and what only one side has. */
export function report({ written, parcels }: Trial, { what, at, kernel, ours }: Difference): string {
  const policies = written.chains.filter(({ policy }) => policy === 'DROP')
  const shown = (line: string) => (what === 'answer' ? `${told(read(line))}\n      ${line}` : line)
  const list = (title: string, lines: string[]) => [`${title}:`, ...lines.map((line) => `  ${line}`)]
  const rules = written.lines.map(({ table, chain, text }) => `${table}: -A ${chain} ${text}`)
  return [
    ...list('rules', [...policies.map(({ table, name }) => `${table}: :${name} DROP`), ...rules]),
    ...list(
      'packets',
      parcels.map((parcel, n) => `${n === at ? '>' : ' '} ${told(parcel)}`),
    ),
    ...list(`${what}, the kernel`, kernel.map(shown)),
    ...list(`${what}, ours`, ours.map(shown)),
  ].join('\n')
}

/** The line that `answer` makes, read again. */
function read(line: string): Parcel {
  const [station, hex] = line.split(' ')
  return { station: Number(station), packet: Uint8Array.from(Buffer.from(hex, 'hex')) }
}
