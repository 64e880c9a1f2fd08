/** Packets of all kinds, written by the book with what is left open drawn at random: TTL, TOS, options, payloads. */
import { ip, ipv4, join, sum, u16, u32 } from './frame.ts'
import type { Random } from './random.ts'

export const FIN = 1
export const SYN = 2
export const RST = 4
export const PSH = 8
export const ACK = 16
export const TCP = 6
export const UDP = 17
export const ICMP = 1

/** What payloads hold, for rules that search. */
export const words = ['abc', 'GET / HTTP', 'get /', 'ABC', '\x01\x02x', 'nothing', 'zzabczz']

export interface Ends {
  source: string
  destination: string
  from: number
  to: number
}

export interface Segment extends Ends {
  flags: number
  sequence: number
  acknowledged: number
  options?: number[]
  payload?: Uint8Array
}

export class Writer {
  private readonly random: Random
  private id = 1

  constructor(random: Random) {
    this.random = random
  }

  /** An IPv4 packet with a number of its own. */
  packet(ends: Ends, protocol: number, body: Uint8Array): Uint8Array {
    const { random } = this
    // An echo comes back without what was only padding, wherever a rule leads it.
    const options = protocol !== ICMP && random.once(60) ? [1, 1, 1, 0] : []
    const fragment = body.length > 1300 || random.once(3) ? 0 : 0x4000
    const id = this.id++
    const packet = ipv4({ ...ends, protocol, id, fragment, options }, body)
    if (random.once(6)) packet[1] = random.of([0x10, 0x08, 0x20, 0xb8, 0x02, 0x03])
    if (random.once(12)) packet[8] = random.of([1, 2, 3, 5, 63, 128, 255])
    packet.set([0, 0], 10)
    packet.set(u16(~sum(packet.subarray(0, 20 + options.length))), 10)
    return packet
  }

  private sealed(ends: Ends, protocol: number, body: Uint8Array, at: number): Uint8Array {
    const pseudo = sum(join(ip(ends.source), ip(ends.destination), [0, protocol], u16(body.length)))
    body.set(u16(~sum(body, protocol === ICMP ? 0 : pseudo)), at)
    return this.packet(ends, protocol, body)
  }

  payload(): Uint8Array {
    const { random } = this
    if (random.once(3)) return new Uint8Array(0)
    const text = Buffer.from(random.of(words), 'latin1')
    const rest = random.once(12) ? random.below(1300) : random.below(40)
    return join(new Uint8Array(random.below(12)), text, new Uint8Array(rest))
  }

  tcp(segment: Segment): Uint8Array {
    const { from, to, flags, sequence, acknowledged, options = [], payload = new Uint8Array(0) } = segment
    const padded = [...options, ...new Array((4 - (options.length % 4)) % 4).fill(0)]
    const lead = join(u16(from), u16(to), u32(sequence), u32(acknowledged))
    const rest = [((20 + padded.length) / 4) << 4, flags, ...u16(8000), 0, 0, 0, 0]
    return this.sealed(segment, TCP, join(lead, rest, padded, payload), 16)
  }

  udp(ends: Ends, payload = this.payload()): Uint8Array {
    const body = join(u16(ends.from), u16(ends.to), u16(8 + payload.length), [0, 0], payload)
    return this.random.once(10) ? this.packet(ends, UDP, body) : this.sealed(ends, UDP, body, 6)
  }

  icmp(ends: Ends, type: number, code: number, body: Uint8Array): Uint8Array {
    return this.sealed(ends, ICMP, join([type, code, 0, 0], body), 2)
  }

  echo(ends: Ends, type = 8): Uint8Array {
    return this.icmp(ends, type, 0, join(u16(ends.from), [0, 1], this.payload()))
  }

  syn(ends: Ends): Uint8Array {
    const { random } = this
    const options = random.of([
      [],
      [2, 4, 5, 0xb4],
      [2, 4, 2, 0x18, 4, 2, 1, 3, 3, 2],
      [1, 3, 3, 7],
      [2, 4, 5, 0x50],
    ])
    const flags = random.once(6) ? SYN | 0xc0 : SYN
    return this.tcp({ ...ends, flags, sequence: random.word(), acknowledged: 0, options })
  }
}
