/** The packet that somebody asks about: `tcp 10.0.2.15:40000 > 198.51.100.1:443`, read and laid down as bytes. */
import { Wrong } from '../chain/extension.ts'
import { parseProtocol, printProtocol } from '../chain/protocol.ts'
import { headerSum } from '../gateway/check.ts'
import { ipv4, ipv4Text } from './address.ts'
import { Refusal } from './refusal.ts'

const ICMP = 1
const TCP = 6
const UDP = 17
/** protocols with ports: TCP, UDP, DCCP, SCTP, UDP-Lite */
const PORTED = [TCP, UDP, 33, 132, 136]
const FLAGS = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg']
const SYN = 0x02
const ACK = 0x10
const QUERIES: Record<string, readonly [number, number]> = {
  echo: [8, 0],
  'echo-request': [8, 0],
  'echo-reply': [0, 0],
  'timestamp-request': [13, 0],
  'timestamp-reply': [14, 0],
}
/** What a source port is that nobody named: the first of those that Linux gives to nobody in particular. */
const EPHEMERAL = 32_768
const LENGTH_MAX = 1500
const TTL = 64
/** IPv4 header without options, and headers behind it: TCP's with the option MSS in a SYN. */
const IPV4 = 20
const MSS = 1460

const FORM =
  'write tcp A:PORT > B:PORT [syn,ack], udp A:PORT > B:PORT, icmp A > B [echo | TYPE/CODE] [id N], or PROTOCOL A > B'

export interface Parcel {
  protocol: number
  source: number
  destination: number
  sourcePort: number
  destinationPort: number
  /** of TCP; null: the first segment, or one with ACK where the connection exists */
  flags: number | null
  type: number
  code: number
  /** of an ICMP query; null: any */
  id: number | null
  /** of the whole packet, bytes; 0: as long as its headers */
  length: number
  ttl: number
}

function wrong(text: string, why: string): Refusal {
  return new Refusal(`flow ${text.length > 80 ? `${text.slice(0, 77)}...` : text}`, why, FORM)
}

/** Reads the text; throws a Refusal. */
export function read(text: string): Parcel {
  const plain = text.replace(/[\p{C}]/gu, ' ').trim()
  const parts = /^(\S+)\s+(\S+?)(?:\s*(?:->|>)\s*)(\S+)(?:\s+(.*))?$/.exec(plain)
  if (parts === null) throw wrong(plain, 'is no flow')
  const [, name = '', from = '', to = '', rest = ''] = parts
  const protocol = protocolOf(plain, name)
  const [source, sourcePort] = endpoint(plain, from)
  const [destination, destinationPort] = endpoint(plain, to)
  const hasPorts = PORTED.includes(protocol)
  if (!hasPorts && (sourcePort ?? destinationPort) !== null) throw wrong(plain, `${name} has no ports`)
  if (hasPorts && destinationPort === null) throw wrong(plain, `${to} has no port`)
  const parcel: Parcel = {
    ...{ protocol, source, destination, flags: null, type: 8, code: 0, id: null, length: 0, ttl: TTL },
    sourcePort: sourcePort ?? (hasPorts ? EPHEMERAL : 0),
    destinationPort: destinationPort ?? 0,
  }
  const words = rest
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
  while (words.length > 0) detail(parcel, words, plain)
  return parcel
}

function protocolOf(text: string, name: string): number {
  try {
    const protocol = parseProtocol(name)
    if (protocol !== 0) return protocol
  } catch (error) {
    if (!(error instanceof Wrong)) throw error
  }
  throw wrong(text, `${name} is no protocol`)
}

function endpoint(text: string, word: string): [number, number | null] {
  const [host = '', port, rest] = word.split(':')
  const address = ipv4(host)
  if (address === null || rest !== undefined) throw wrong(text, `${word} is no IPv4 address`)
  if (port === undefined) return [address, null]
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535) throw wrong(text, `${port} is no port`)
  return [address, Number(port)]
}

/** Takes what stands behind the addresses, one thing at a time. */
function detail(parcel: Parcel, words: string[], text: string): void {
  const word = words.shift() ?? ''
  const number = (name: string, most: number): number => {
    const value = words.shift() ?? ''
    if (!/^\d{1,5}$/.test(value) || Number(value) > most)
      throw wrong(text, `${name} needs a number up to ${most}`)
    return Number(value)
  }
  const query = QUERIES[word]
  const type = /^(\d{1,3})(?:\/(\d{1,3}))?$/.exec(word)
  const flag = FLAGS.indexOf(word)
  if (word === 'length') parcel.length = number(word, LENGTH_MAX)
  else if (word === 'ttl') parcel.ttl = number(word, 255)
  else if (parcel.protocol === TCP && flag >= 0) parcel.flags = (parcel.flags ?? 0) | (1 << flag)
  else if (parcel.protocol === TCP && word === 'synack') parcel.flags = SYN | ACK
  else if (parcel.protocol === ICMP && word === 'id') parcel.id = number(word, 65535)
  else if (parcel.protocol === ICMP && query !== undefined) [parcel.type, parcel.code] = query
  else if (parcel.protocol === ICMP && type !== null && Number(type[1]) < 256 && Number(type[2] ?? 0) < 256) {
    parcel.type = Number(type[1])
    parcel.code = Number(type[2] ?? 0)
  } else throw wrong(text, `${word} means nothing here`)
}

/** The parcel as it is understood. */
export function print(parcel: Parcel): string {
  const { protocol, source, destination, sourcePort, destinationPort, type, code, id } = parcel
  const hasPorts = PORTED.includes(protocol)
  const end = (address: number, port: number) => `${ipv4Text(address)}${hasPorts ? `:${port}` : ''}`
  const words = [printProtocol(protocol), end(source, sourcePort), '>', end(destination, destinationPort)]
  if (protocol === TCP) words.push(FLAGS.filter((_, bit) => (parcel.flags ?? SYN) & (1 << bit)).join(','))
  if (protocol === ICMP) words.push(`${type}/${code}`, ...(id === null ? [] : [`id ${id}`]))
  return words.filter(Boolean).join(' ')
}

/** The parcel's ports as a flow's key has them: see gateway/packet.ts. */
export function portsOf({ protocol, sourcePort, destinationPort, type, code, id }: Parcel): number {
  if (protocol === ICMP) return ((id ?? 0) << 16) | (type << 8) | code
  return protocol === TCP || protocol === UDP ? (sourcePort << 16) | destinationPort : 0
}

/** Lays the packet down from its IPv4 header on; its length in bytes. */
export function lay(parcel: Parcel, view: DataView, at: number): number {
  const { protocol, source, destination, ttl } = parcel
  const transport = at + IPV4
  const header = layTransport(parcel, view, transport)
  const length = Math.max(parcel.length, IPV4 + header)
  for (let i = transport + header; i < at + length; i++) view.setUint8(i, 0)
  view.setUint16(at, 0x4500)
  view.setUint16(at + 2, length)
  view.setUint32(at + 4, 0x4000)
  view.setUint8(at + 8, ttl)
  view.setUint8(at + 9, protocol)
  view.setUint16(at + 10, 0)
  view.setInt32(at + 12, source)
  view.setInt32(at + 16, destination)
  view.setUint16(at + 10, ~headerSum(view, at, IPV4))
  return length
}

/** The transport header; its length. Its checksum is nobody's concern. */
function layTransport(parcel: Parcel, view: DataView, at: number): number {
  const { protocol, sourcePort, destinationPort, type, code, id } = parcel
  for (let i = 0; i < 24; i++) view.setUint8(at + i, 0)
  if (protocol === ICMP) {
    view.setUint16(at, (type << 8) | code)
    view.setUint16(at + 4, id ?? 0)
    return 8
  }
  if (!PORTED.includes(protocol)) return 0
  view.setUint16(at, sourcePort)
  view.setUint16(at + 2, destinationPort)
  if (protocol !== TCP) {
    const length = protocol === UDP || protocol === 136 ? 8 : 12
    view.setUint16(at + 4, Math.max(length, parcel.length - IPV4))
    return length
  }
  const flags = parcel.flags ?? SYN
  const isFirst = (flags & SYN) !== 0
  view.setUint16(at + 12, ((isFirst ? 6 : 5) << 12) | flags)
  view.setUint16(at + 14, 64_240)
  if (!isFirst) return 20
  view.setUint32(at + 20, (2 << 24) | (4 << 16) | MSS)
  return 24
}
