/** A reader of pcapng and of pcap files as a test wants it: strict, and written after the format's text alone. */
import { readFileSync } from 'node:fs'

export interface Packet {
  interface: string
  /** nanoseconds since 1970 */
  time: bigint
  direction: 'in' | 'out'
  comment: string
  length: number
  bytes: Buffer
}

export interface Capture {
  application: string
  interfaces: { name: string; description: string; snap: number; filter: string }[]
  packets: Packet[]
  /** by interface: received (null if not said), accepted, dropped */
  statistics: { received: number | null; accepted: number; dropped: number }[]
}

/** Options by code; throws an Error unless they end as they must. */
function options(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>()
  let at = 0
  while (at < bytes.length) {
    const [code, length] = [bytes.readUInt16LE(at), bytes.readUInt16LE(at + 2)]
    if (code === 0) {
      if (length !== 0 || at + 4 !== bytes.length) throw new Error('options go on behind their end')
      return found
    }
    found.set(code, bytes.subarray(at + 4, at + 4 + length))
    at += 4 + Math.ceil(length / 4) * 4
  }
  throw new Error('options have no end')
}

function packet(body: Buffer, interfaces: Capture['interfaces']): Packet {
  const [from, high, low, kept, length] = [0, 4, 8, 12, 16].map((at) => body.readUInt32LE(at))
  const bytes = body.subarray(20, 20 + kept)
  const says = options(body.subarray(20 + Math.ceil(kept / 4) * 4))
  const direction = ((says.get(2)?.readUInt32LE(0) ?? 0) & 3) === 1 ? 'in' : 'out'
  const time = (BigInt(high) << 32n) | BigInt(low)
  return {
    interface: interfaces[from].name,
    time,
    direction,
    comment: says.get(1)?.toString() ?? '',
    length,
    bytes,
  }
}

/** Reads what `bridgeport capture` wrote; throws an Error for what is not as the format says. */
export function readCapture(file: string | Buffer): Capture {
  const all = typeof file === 'string' ? readFileSync(file) : file
  const capture: Capture = { application: '', interfaces: [], packets: [], statistics: [] }
  for (let at = 0; at < all.length; ) {
    const [type, length] = [all.readUInt32LE(at), all.readUInt32LE(at + 4)]
    if (length % 4 !== 0 || all.readUInt32LE(at + length - 4) !== length)
      throw new Error(`a bad block at ${at}`)
    const body = all.subarray(at + 8, at + length - 4)
    const number = (value?: Buffer) => (value === undefined ? null : Number(value.readBigUInt64LE(0)))
    if (at === 0 && type !== 0x0a0d0d0a) throw new Error('the first block is no section header')
    if (type === 0x0a0d0d0a) capture.application = options(body.subarray(16)).get(4)?.toString() ?? ''
    else if (type === 1) {
      const says = options(body.subarray(8))
      if (body.readUInt16LE(0) !== 1 || says.get(9)?.[0] !== 9) throw new Error('no Ethernet in nanoseconds')
      const [name = '', description = ''] = [2, 3].map((code) => says.get(code)?.toString())
      const filter = says.get(11)?.subarray(1).toString() ?? ''
      capture.interfaces.push({ name, description, snap: body.readUInt32LE(4), filter })
    } else if (type === 6) capture.packets.push(packet(body, capture.interfaces))
    else if (type === 5) {
      const says = options(body.subarray(12))
      const [received, dropped, accepted] = [4, 5, 6].map((code) => number(says.get(code)))
      capture.statistics[body.readUInt32LE(0)] = { received, accepted: accepted ?? 0, dropped: dropped ?? 0 }
    } else throw new Error(`a block of type ${type}`)
    at += length
  }
  return capture
}

/** The frames of a file that tcpdump wrote. */
export function readPcap(path: string): Buffer[] {
  const all = readFileSync(path)
  const frames: Buffer[] = []
  for (let at = 24; at < all.length; at += 16 + all.readUInt32LE(at + 8))
    frames.push(all.subarray(at + 16, at + 16 + all.readUInt32LE(at + 8)))
  return frames
}
