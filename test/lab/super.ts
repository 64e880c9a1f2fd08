/** Frames that ask for offloads, as a kernel or a guest hands them over: a partial checksum, maybe a segment size. */
import { ethernet, ipv4, join, mac, sum, u16, u32, vnet } from './frame.ts'

export interface Ask {
  kind: 'tcp4' | 'tcp6' | 'udp4' | 'udp6'
  payload: Uint8Array
  /** segment size, 0 for a partial checksum alone */
  size: number
  to?: string
  from?: string
  tags?: [number, number][]
  /** IPv4 or TCP options, IPv6 extension headers: each a multiple of 4 or 8 bytes */
  options?: number[]
  tcpOptions?: number[]
  extensions?: { type: number; bytes: number[] }[]
  flags?: number
  id?: number
  sequence?: number
  ecn?: boolean
}

export interface Asking {
  frame: Uint8Array
  vnet: Uint8Array
  /** offsets from the frame's start */
  network: number
  transport: number
  headers: number
}

export const addresses = {
  4: { source: '10.7.0.1', destination: '10.7.0.2' },
  6: { source: [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], destination: mac6(2) },
}

function mac6(last: number): number[] {
  return [0xfd, ...mac('0:0:0:0:0:0'), ...mac('0:0:0:0:0:0'), 0, 0, last]
}

/** Bytes of the pseudo-header (RFC 9293 3.1, RFC 8200 8.1). */
function pseudo(ask: Ask, length: number): number {
  const protocol = ask.kind.startsWith('tcp') ? 6 : 17
  const { source, destination } = addresses[4]
  const four = [...source.split('.'), ...destination.split('.')].map(Number)
  const six = [...addresses[6].source, ...addresses[6].destination]
  return sum(ask.kind.endsWith('4') ? four : six, protocol + length)
}

function segment(ask: Ask): { bytes: Uint8Array; header: number } {
  const { payload, flags = 0x10, sequence = 0x01020304, tcpOptions = [] } = ask
  if (ask.kind.startsWith('udp')) {
    const length = 8 + payload.length
    const partial = pseudo(ask, length)
    return { bytes: join(u16(4000), u16(5000), u16(length), u16(partial), payload), header: 8 }
  }
  const header = 20 + tcpOptions.length
  const partial = pseudo(ask, header + payload.length)
  const fixed = join(u16(4000), u16(5000), u32(sequence), u32(7), [header << 2, flags], u16(512))
  return { bytes: join(fixed, u16(partial), u16(0), tcpOptions, payload), header }
}

function packet(ask: Ask, body: Uint8Array): { bytes: Uint8Array; header: number } {
  const protocol = ask.kind.startsWith('tcp') ? 6 : 17
  if (ask.kind.endsWith('4')) {
    const { options = [], id = 0xfffe } = ask
    return {
      bytes: ipv4({ ...addresses[4], protocol, id, options }, body),
      header: 20 + options.length,
    }
  }
  const { extensions = [] } = ask
  const types = [...extensions.map(({ type }) => type), protocol]
  const chain = extensions.flatMap(({ bytes }, i) => [types[i + 1], bytes.length / 8 - 1, ...bytes.slice(2)])
  const head = join([0x60, 0, 0, 0], u16(chain.length + body.length), [types[0], 64])
  const { source, destination } = addresses[6]
  return { bytes: join(head, source, destination, chain, body), header: 40 + chain.length }
}

const gsoTypes = { tcp4: 1, tcp6: 4, udp4: 5, udp6: 5 }

export function asking(ask: Ask): Asking {
  const { to = '02:00:00:00:00:02', from = '02:00:00:00:00:01', tags = [], size, ecn = false } = ask
  const inner = segment(ask)
  const outer = packet(ask, inner.bytes)
  const frame = ethernet(to, from, ask.kind.endsWith('4') ? 0x0800 : 0x86dd, outer.bytes, tags)
  const network = 14 + 4 * tags.length
  const transport = network + outer.header
  const headers = transport + inner.header
  const offset = ask.kind.startsWith('tcp') ? 16 : 6
  const gso = size === 0 ? 0 : gsoTypes[ask.kind] | (ecn ? 0x80 : 0)
  const header = vnet({ flags: 1, gso, headers: size === 0 ? 0 : headers, size, start: transport, offset })
  return { frame, vnet: header, network, transport, headers }
}
