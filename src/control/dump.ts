/** A packet as the kernel's log has it (netfilter's LOG): the words that people's scripts look for. */
import * as ipv4 from '../wire/ipv4.ts'
import { ipv4Text } from './address.ts'
import type { Entry } from './journal.ts'

/** What LOG may add: --log-tcp-sequence, --log-tcp-options, --log-ip-options, --log-macdecode. */
export interface Detail {
  sequence?: boolean
  tcpOptions?: boolean
  ipOptions?: boolean
  macDecode?: boolean
}

/** Names of what a packet came and left by: the interface that the gateway sees, and the port behind it. */
export interface Sides {
  ingress: string
  egress: string
  ingressPort: string
  egressPort: string
}

const TCP = 6
const UDP = 17
const UDP_LITE = 136
const ICMP = 1
const AH = 51
const ESP = 50
/** by bit of TCP's flags, in the order in which the kernel writes them */
const FLAGS: readonly [number, string][] = [
  [0x80, 'CWR'],
  [0x40, 'ECE'],
  [0x20, 'URG'],
  [0x10, 'ACK'],
  [0x08, 'PSH'],
  [0x04, 'RST'],
  [0x02, 'SYN'],
  [0x01, 'FIN'],
]
/** ICMP errors that quote a packet, and types with an identifier */
const QUOTING = [3, 4, 11]
const QUERIES = [0, 8]

function hex(value: number, digits = 2): string {
  return value.toString(16).toUpperCase().padStart(digits, '0')
}

function bytes(view: DataView, from: number, to: number): string {
  let text = ''
  for (let at = from; at < Math.min(to, view.byteLength); at++) text += hex(view.getUint8(at))
  return text
}

function incomplete(view: DataView, at: number): string {
  return `INCOMPLETE [${Math.max(0, view.byteLength - at)} bytes]`
}

function tcp(view: DataView, at: number, detail: Detail): string[] {
  if (at + 20 > view.byteLength) return [incomplete(view, at)]
  const flags = view.getUint8(at + 13)
  const offset = view.getUint8(at + 12)
  const words = [`SPT=${view.getUint16(at)}`, `DPT=${view.getUint16(at + 2)}`]
  if (detail.sequence) words.push(`SEQ=${view.getUint32(at + 4)}`, `ACK=${view.getUint32(at + 8)}`)
  words.push(`WINDOW=${view.getUint16(at + 14)}`, `RES=0x${hex(((offset & 0x0f) << 2) & 0x3c)}`)
  for (const [bit, name] of FLAGS) if (flags & bit) words.push(name)
  words.push(`URGP=${view.getUint16(at + 18)}`)
  const end = at + (offset >> 4) * 4
  if (detail.tcpOptions && end > at + 20) words.push(`OPT (${bytes(view, at + 20, end)})`)
  return words
}

function udp(view: DataView, at: number): string[] {
  if (at + 8 > view.byteLength) return [incomplete(view, at)]
  return [`SPT=${view.getUint16(at)}`, `DPT=${view.getUint16(at + 2)}`, `LEN=${view.getUint16(at + 4)}`]
}

function icmp(view: DataView, at: number, detail: Detail): string[] {
  if (at + 8 > view.byteLength) return [incomplete(view, at)]
  const type = view.getUint8(at)
  const code = view.getUint8(at + 1)
  const words = [`TYPE=${type}`, `CODE=${code}`]
  if (QUERIES.includes(type)) words.push(`ID=${view.getUint16(at + 4)}`, `SEQ=${view.getUint16(at + 6)}`)
  if (type === 12) words.push(`PARAMETER=${view.getUint32(at + 4) >>> 24}`)
  if (type === 5) words.push(`GATEWAY=${ipv4Text(view.getInt32(at + 4))}`)
  if (QUOTING.includes(type) && at + 8 < view.byteLength) {
    const quoted = new DataView(view.buffer, view.byteOffset + at + 8, view.byteLength - at - 8)
    words.push(`[${packet(quoted, detail).join(' ')} ]`)
    if (type === 3 && code === 4) words.push(`MTU=${view.getUint16(at + 6)}`)
  }
  return words
}

function transport(view: DataView, at: number, protocol: number, detail: Detail): string[] {
  if (protocol === TCP) return ['PROTO=TCP', ...tcp(view, at, detail)]
  if (protocol === UDP) return ['PROTO=UDP', ...udp(view, at)]
  if (protocol === UDP_LITE) return ['PROTO=UDPLITE', ...udp(view, at)]
  if (protocol === ICMP) return ['PROTO=ICMP', ...icmp(view, at, detail)]
  if (protocol === AH || protocol === ESP) {
    const spi = at + (protocol === AH ? 4 : 0)
    const known =
      spi + 4 <= view.byteLength ? `SPI=0x${view.getUint32(spi).toString(16)}` : incomplete(view, at)
    return [protocol === AH ? 'PROTO=AH' : 'PROTO=ESP', known]
  }
  return [`PROTO=${protocol}`]
}

/** The words of a packet that begins with its IPv4 header. */
function packet(view: DataView, detail: Detail): string[] {
  if (view.byteLength < ipv4.HEADER_LENGTH) return [incomplete(view, 0)]
  const tos = view.getUint8(1)
  const length = ipv4.headerLength(view, 0)
  const cut = view.getUint16(6)
  const words = [
    `SRC=${ipv4Text(ipv4.source(view, 0))}`,
    `DST=${ipv4Text(ipv4.destination(view, 0))}`,
    `LEN=${ipv4.totalLength(view, 0)}`,
    `TOS=0x${hex(tos & 0x1e)}`,
    `PREC=0x${hex(tos & 0xe0)}`,
    `TTL=${ipv4.ttl(view, 0)}`,
    `ID=${view.getUint16(4)}`,
  ]
  if (cut & 0x8000) words.push('CE')
  if (cut & 0x4000) words.push('DF')
  if (cut & 0x2000) words.push('MF')
  const offset = cut & 0x1fff
  if (offset !== 0) words.push(`FRAG:${offset}`)
  if (detail.ipOptions && length > ipv4.HEADER_LENGTH)
    words.push(`OPT (${bytes(view, ipv4.HEADER_LENGTH, length)})`)
  const protocol = ipv4.protocol(view, 0)
  return [...words, ...(offset === 0 ? transport(view, length, protocol, detail) : [`PROTO=${protocol}`])]
}

/** The packet as the rule met it: with the addresses, ports and hops that its bytes may not say yet. */
function met({ packet, source, destination, ports, aged }: Entry): DataView {
  const view = new DataView(packet.slice().buffer)
  if (view.byteLength < ipv4.HEADER_LENGTH) return view
  ipv4.setSource(view, 0, source)
  ipv4.setDestination(view, 0, destination)
  ipv4.setTtl(view, 0, Math.max(0, ipv4.ttl(view, 0) - aged))
  const at = ipv4.headerLength(view, 0)
  const hasPorts = [TCP, UDP, UDP_LITE].includes(ipv4.protocol(view, 0))
  if (hasPorts && at + 4 <= view.byteLength) view.setInt32(at, ports)
  return view
}

function mac(ethernet: Uint8Array, decode: boolean): string[] {
  const text = (from: number, to: number) => Buffer.from(ethernet.subarray(from, to)).toString('hex')
  const pairs = (from: number, to: number) => text(from, to).match(/../g)?.join(':') ?? ''
  if (decode && ethernet.length === 14)
    return [`MACSRC=${pairs(6, 12)}`, `MACDST=${pairs(0, 6)}`, `MACPROTO=${text(12, 14)}`]
  return [`MAC=${pairs(0, ethernet.length)}`]
}

/** `IN=… OUT=… MAC=… SRC=… …` of a record. */
export function dump(entry: Entry, sides: Sides, detail: Detail = {}): string {
  const words = [`IN=${sides.ingress}`, `OUT=${sides.egress}`]
  if (sides.ingressPort !== '') words.push(`PHYSIN=${sides.ingressPort}`)
  if (sides.egressPort !== '') words.push(`PHYSOUT=${sides.egressPort}`)
  if (sides.ingress !== '') words.push(...mac(entry.ethernet, detail.macDecode ?? false))
  words.push(...packet(met(entry), detail))
  if (entry.mark !== 0) words.push(`MARK=0x${entry.mark.toString(16)}`)
  return words.join(' ')
}
