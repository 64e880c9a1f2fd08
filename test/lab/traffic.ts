/**
 * Packets at random, of conversations that make sense: what a station got it answers, as it got it, so that a translated connection goes
 * on. Among them are retransmissions, ICMP errors about what was seen, fragments, and packets that nobody should send.
 *
 * Every conversation has a source port of its own: where two would need the same one behind a translation, the kernel draws a number.
 */
import { join, u16 } from './frame.ts'
import { GUESTS, type Parcel, ROUTER } from './kernel.ts'
import { services } from './matches.ts'
import type { Random } from './random.ts'
import { split } from './transport.ts'
import { ACK, type Ends, FIN, ICMP, PSH, RST, SYN, TCP, UDP, Writer, words } from './writer.ts'

const strangers = ['203.0.113.5', '203.0.113.6', '192.0.2.7']
const published = ['198.51.100.2', '198.51.100.2', '192.0.2.11', '192.0.2.12', '192.0.2.13']
const inside = (station: number) => `10.0.0.${11 + station}`
/** Packets of either memory that are remembered. */
const MEMORY = 24

/** What a packet says that an answer needs. */
interface Heard extends Ends {
  protocol: number
  flags: number
  sequence: number
  acknowledged: number
  /** payload of TCP */
  length: number
  type: number
}

function dotted(bytes: Uint8Array, at: number): string {
  return bytes.subarray(at, at + 4).join('.')
}

function hear(packet: Uint8Array): Heard | null {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length)
  if ((view.getUint16(6) & 0x3fff) !== 0 || packet.length < 28) return null
  const protocol = packet[9]
  const at = (packet[0] & 15) * 4
  const ends = { source: dotted(packet, 12), destination: dotted(packet, 16) }
  const [from, to] =
    protocol === ICMP ? [view.getUint16(at + 4), 0] : [view.getUint16(at), view.getUint16(at + 2)]
  const none = { flags: 0, sequence: 0, acknowledged: 0, length: 0, type: protocol === ICMP ? packet[at] : 0 }
  if (protocol !== TCP || packet.length < at + 20) return { ...ends, from, to, protocol, ...none }
  const sequence = view.getUint32(at + 4)
  const acknowledged = view.getUint32(at + 8)
  const length = packet.length - at - (packet[at + 12] >> 4) * 4
  return { ...ends, from, to, protocol, flags: packet[at + 13], sequence, acknowledged, length, type: 0 }
}

export class Traffic {
  private readonly random: Random
  private readonly write: Writer
  /** what stations got */
  private readonly seen: Parcel[] = []
  private readonly sent: Parcel[] = []
  /** fragments that are still to come */
  private readonly pieces: Parcel[] = []
  private port = 20_000

  constructor(random: Random) {
    this.random = random
    this.write = new Writer(random)
  }

  /** Tells what came out. */
  saw(parcels: Parcel[]): void {
    this.seen.push(...parcels)
    this.seen.splice(0, this.seen.length - MEMORY)
  }

  next(): Parcel {
    const parcel = this.choose()
    this.sent.push(parcel)
    this.sent.splice(0, this.sent.length - MEMORY)
    return parcel
  }

  private choose(): Parcel {
    const { random, pieces } = this
    if (pieces.length > 0 && !random.once(4)) return pieces.splice(random.below(pieces.length), 1)[0]
    const dice = random.below(100)
    const isHeard = this.seen.length > 0
    if (dice < 45 && isHeard) return this.answer(this.lately(this.seen))
    if (dice < 53 && isHeard) return this.complaint(this.lately(this.seen))
    if (dice < 60 && this.sent.length > 0) return random.of(this.sent)
    if (dice < 66) return this.pieced()
    if (dice < 72) return this.odd()
    return this.fresh()
  }

  /** One of the last few, seldom an older one. */
  private lately(list: Parcel[]): Parcel {
    const back = this.random.once(3) ? list.length : Math.min(list.length, 4)
    return list[list.length - 1 - this.random.below(back)]
  }

  /** Who speaks first to whom. */
  private ends(): { station: number; ends: Ends } {
    const { random } = this
    const dice = random.below(20)
    const from = this.port++
    const to = random.of(services)
    if (dice < 11) {
      const station = random.of(GUESTS)
      const aims =
        dice < 9 ? strangers : dice < 10 ? [inside((station + 1) % 4)] : ['10.0.0.1', '198.51.100.2']
      return { station, ends: { source: inside(station), destination: random.of(aims), from, to } }
    }
    const aims = dice < 16 ? published : [inside(random.of(GUESTS))]
    return { station: ROUTER, ends: { source: random.of(strangers), destination: random.of(aims), from, to } }
  }

  private fresh(): Parcel {
    const { station, ends } = this.ends()
    const dice = this.random.below(20)
    if (dice < 9) return { station, packet: this.write.syn(ends) }
    if (dice < 15) return { station, packet: this.write.udp(ends) }
    if (dice < 19) return { station, packet: this.write.echo(ends) }
    // A connection that is met in its middle.
    const numbers = { sequence: this.random.word(), acknowledged: this.random.word() }
    return {
      station,
      packet: this.write.tcp({ ...ends, flags: ACK, ...numbers, payload: this.write.payload() }),
    }
  }

  /** The answer of who got a packet. */
  private answer({ station, packet }: Parcel): Parcel {
    const heard = hear(packet)
    if (heard === null) return this.fresh()
    const { protocol, from, to } = heard
    const ends = { source: heard.destination, destination: heard.source, from: to, to: from }
    if (protocol === TCP)
      return (heard.flags & RST) === 0 ? { station, packet: this.segment(heard, ends) } : this.fresh()
    if (protocol === UDP) return { station, packet: this.write.udp(ends) }
    if (protocol === ICMP && heard.type === 8)
      return { station, packet: this.write.echo({ ...ends, from }, 0) }
    return this.fresh()
  }

  private segment({ flags, sequence, acknowledged, length }: Heard, ends: Ends): Uint8Array {
    const { random } = this
    const next = (sequence + length + ((flags & SYN) !== 0 ? 1 : 0) + (flags & FIN)) >>> 0
    const own = (flags & ACK) === 0 ? random.word() : acknowledged
    const say = (say: number, payload: Uint8Array = new Uint8Array(0), options: number[] = []) =>
      this.write.tcp({ ...ends, flags: say, sequence: own, acknowledged: next, payload, options })
    if ((flags & (SYN | ACK)) === SYN) {
      if (random.once(6)) return say(RST | ACK)
      return say(SYN | ACK, undefined, random.of([[], [2, 4, 5, 0x50], [2, 4, 5, 0x00, 4, 2, 1, 3, 3, 2]]))
    }
    const dice = random.below(12)
    if (dice < 4) return say(ACK)
    if (dice < 9) return say(ACK | PSH, this.write.payload())
    return say(random.of([FIN | ACK, FIN | ACK, RST, RST | ACK]))
  }

  /** An ICMP error about a packet that was got, by who got it or a router on the way. */
  private complaint({ station, packet }: Parcel): Parcel {
    const { random } = this
    const [type, code] = random.of([
      [3, 0],
      [3, 1],
      [3, 3],
      [3, 4],
      [3, 13],
      [11, 0],
      [12, 0],
      [4, 0],
    ])
    if (packet[9] === ICMP && ![0, 8].includes(packet[(packet[0] & 15) * 4])) return this.fresh()
    const isFar = station === ROUTER && random.once(3)
    const source = isFar ? '192.0.2.99' : dotted(packet, 16)
    const quoted = packet.subarray(0, random.once(2) ? (packet[0] & 15) * 4 + 8 : 576)
    const ends = { source, destination: dotted(packet, 12), from: 0, to: 0 }
    const detail = code === 4 && type === 3 ? [0, 0, ...u16(1300)] : [0, 0, 0, 0]
    return { station, packet: this.write.icmp(ends, type, code, join(detail, quoted)) }
  }

  /** A packet in pieces, of which the first to be sent is returned; sometimes one is lost. */
  private pieced(): Parcel {
    const { random } = this
    const { station, ends } = this.ends()
    const payload = join(Buffer.from(random.of(words), 'latin1'), random.bytes(100 + random.below(2500)))
    const whole = random.once(3)
      ? this.write.icmp(ends, 8, 0, join(u16(ends.from), [0, 1], payload))
      : this.write.udp(ends, payload)
    // Options would have to be in every piece.
    if ((whole[0] & 15) !== 5) return this.fresh()
    const size = random.of([104, 552, 1376])
    const cut = split(whole, Math.max(size, Math.ceil(payload.length / 5 / 8) * 8))
    const pieces = cut.map((packet) => ({ station, packet }))
    if (random.once(8)) pieces.splice(random.below(pieces.length), 1)
    if (pieces.length === 0) return this.fresh()
    this.pieces.push(...pieces)
    return this.pieces.splice(random.once(2) ? 0 : random.below(this.pieces.length), 1)[0]
  }

  /** What nobody should send. */
  private odd(): Parcel {
    const { random } = this
    const { station, ends } = this.ends()
    // What the gateway itself makes of such packets is another matter.
    if (ends.destination === '10.0.0.1' || ends.destination === '198.51.100.2') return this.fresh()
    const numbers = { sequence: random.word(), acknowledged: random.word() }
    const dice = random.below(8)
    if (dice < 2) {
      const flags = random.of([0, FIN, SYN | FIN, SYN | RST, 0x29, RST, RST | ACK, FIN | ACK, SYN | ACK])
      return { station, packet: this.write.tcp({ ...ends, flags, ...numbers }) }
    }
    if (dice < 3) {
      const packet = this.write.syn(ends)
      packet[(packet[0] & 15) * 4 + 16] ^= 0x55
      return { station, packet }
    }
    if (dice < 4) {
      const packet = this.write.udp(ends)
      packet[random.of([8, 10])] ^= 1
      return { station, packet }
    }
    if (dice < 5) {
      // Options that end before they begin.
      return { station, packet: this.write.tcp({ ...ends, flags: SYN, ...numbers, options: [0, 0, 0, 0] }) }
    }
    if (dice < 6) return { station, packet: this.write.packet(ends, 50, random.bytes(12)) }
    const [type, code] = random.of([
      [13, 0],
      [17, 0],
      [0, 0],
      [14, 0],
      [5, 1],
      [30, 0],
    ])
    return {
      station,
      packet: this.write.icmp(ends, type, code, join(u16(ends.from), [0, 1], random.bytes(12))),
    }
  }
}
