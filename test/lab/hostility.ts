/**
 * What guests and the world may send at a gateway, from ordinary to mad: connections and their answers, ICMP errors with lies in them,
 * fragments, offloads with lies about them, and all of it damaged. Every packet carries a number behind its transport header.
 */
import { broadcast, ip, join, sum, u16, u32, vnet } from './frame.ts'
import type { Random } from './random.ts'
import { completed } from './soundness.ts'
import { ACK, error, FIN, query, RST, SYN, split, tcp, udp } from './transport.ts'

export interface Attempt {
  /** what it was meant to be */
  kind: string
  /** a guest's number, or -1 for the world */
  from: number
  packet: Uint8Array
  vnet: Uint8Array
  /** numbered and undamaged, so it may be looked for where it leaves */
  serial: number
}

/** A number stands there twice, the second time multiplied: one byte of damage makes no other number. */
const FACTOR = 0x9e3779b1
const nothing = vnet({})

export function number(serial: number): Uint8Array {
  return join(u32(serial), u32(Math.imul(serial, FACTOR)))
}

/** The number that a packet carries, or -1. */
export function serialOf(packet: Uint8Array): number {
  const header = (packet[0] & 15) << 2
  const at = header + ({ 1: 8, 6: 20, 17: 8 }[packet[9]] ?? packet.length)
  if (at + 8 > packet.length) return -1
  const view = new DataView(packet.buffer, packet.byteOffset)
  const serial = view.getUint32(at)
  return view.getInt32(at + 4) === Math.imul(serial, FACTOR) ? serial : -1
}

/** Brings a packet's header checksum in line, so that damage further inside is looked at. */
function reseal(packet: Uint8Array): void {
  const header = Math.min((packet[0] & 15) << 2, packet.length)
  packet.set([0, 0], 10)
  packet.set(u16(~sum(packet.subarray(0, header))), 10)
}

const guests = ['10.0.0.11', '10.0.0.12', '10.0.0.13', '10.0.0.14']
const odd = ['0.0.0.0', '127.0.0.1', '224.0.0.5', '255.255.255.255', '10.0.0.255', '10.0.0.0', '240.0.0.1']
const far = ['198.51.100.1', '198.51.100.1', '203.0.113.5', '203.0.113.6', '192.0.2.80', '8.8.8.8']

export class Hostility {
  /** how many of each kind were made */
  readonly counts: Record<string, number> = {}
  private readonly random: Random
  private readonly gateway: { inside: string; outside: string }
  /** packets that somebody got lately, to be answered or complained about: by who got them */
  private readonly seen: { at: number; packet: Uint8Array }[] = []
  private serial = 0
  private readonly waiting: Attempt[] = []

  constructor(random: Random, gateway: { inside: string; outside: string }) {
    this.random = random
    this.gateway = gateway
  }

  /** Somebody got a packet. */
  saw(at: number, packet: Uint8Array): void {
    if (packet.length < 28) return
    if (this.seen.length < 200) this.seen.push({ at, packet })
    else this.seen[this.random.below(200)] = { at, packet }
  }

  next(): Attempt {
    const made = this.waiting.length > 0 && this.random.once(2) ? this.waiting.shift()! : this.make()
    this.counts[made.kind] = (this.counts[made.kind] ?? 0) + 1
    return made
  }

  private make(): Attempt {
    const { random } = this
    const dice = random.below(100)
    if (dice < 30) return this.ordinary()
    if (dice < 50) return this.answer()
    if (dice < 58) return this.complaint()
    if (dice < 66) return this.fragments()
    if (dice < 80) return this.offloaded()
    return this.damaged()
  }

  private attempt(kind: string, from: number, packet: Uint8Array, header: Uint8Array = nothing): Attempt {
    // No two packets have one identification while pieces of either may wait.
    packet.set(u16(this.serial), 4)
    reseal(packet)
    return { kind, from, packet, vnet: header, serial: this.serial }
  }

  private payload(length: number): Uint8Array {
    return join(number(++this.serial), new Uint8Array(length).fill(this.serial))
  }

  private length(): number {
    const { random } = this
    return random.once(8) ? random.below(1900) : random.below(80)
  }

  /** Both ends of a packet, the sender's own or forged. */
  private ends(from: number): [string, string] {
    const { random } = this
    const port = random.once(30) ? random.below(65536) : 5000 + random.below(12)
    const service = random.once(30) ? random.below(65536) : 8000 + random.below(6)
    const { inside, outside } = this.gateway
    const source = random.once(25)
      ? random.of([...guests, ...odd, ...far, inside, outside])
      : (guests[from] ?? random.of(far))
    const usual = from < 0 ? outside : random.of(far)
    const destination = random.once(6)
      ? random.of([...guests, ...odd, ...far, inside, outside, source])
      : usual
    return [`${source}:${port}`, `${destination}:${from < 0 && random.once(2) ? port : service}`]
  }

  private ordinary(from = this.random.below(5) - 1): Attempt {
    const { random } = this
    const [source, destination] = this.ends(from)
    const payload = this.payload(this.length())
    const fragment = random.once(4) ? 0 : 0x4000
    const ttl = random.once(20) ? random.below(3) : 64
    const shape = { payload, fragment, ttl }
    const dice = random.below(10)
    if (dice < 5) return this.attempt('udp', from, udp(source, destination, shape))
    if (dice < 8) {
      const flags = random.once(3) ? random.of([SYN, ACK, RST, FIN | ACK, SYN | ACK, 0, 0xff]) : SYN
      const sequence = random.once(5) ? random.word() : 1000
      return this.attempt('tcp', from, tcp(source, destination, flags, { ...shape, sequence }))
    }
    const type = random.once(4) ? random.of([0, 8, 13, 14, 5, 17, 40]) : 8
    return this.attempt('icmp', from, query(source, destination, type, shape))
  }

  /** What somebody says to a packet that it got. */
  private answer(): Attempt {
    if (this.seen.length === 0) return this.ordinary()
    const { random } = this
    const { at, packet } = random.of(this.seen)
    const view = new DataView(packet.buffer, packet.byteOffset)
    const header = (packet[0] & 15) << 2
    const text = (where: number) => [...packet.subarray(where, where + 4)].join('.')
    const port = (where: number) => (header + where + 2 <= packet.length ? view.getUint16(header + where) : 0)
    const shape = { payload: this.payload(this.length()), fragment: random.once(4) ? 0 : 0x4000 }
    const from = `${text(16)}:${port(packet[9] === 1 ? 4 : 2)}`
    const to = `${text(12)}:${port(packet[9] === 1 ? 4 : 0)}`
    if (packet[9] === 17) return this.attempt('answer', at, udp(from, to, shape))
    if (packet[9] === 1)
      return this.attempt('answer', at, query(from, to, packet[header] === 8 ? 0 : 8, shape))
    if (packet.length < header + 20) return this.ordinary()
    const flags = packet[header + 13]
    const isSyn = (flags & SYN) !== 0
    const sequence = random.once(10) ? random.word() : view.getUint32(header + 8)
    const acknowledged = (view.getUint32(header + 4) + (isSyn ? 1 : 0) + packet.length - header - 20) >>> 0
    const said = random.once(8) ? random.of([RST, FIN | ACK, SYN, RST | ACK]) : isSyn ? SYN | ACK : ACK
    return this.attempt('answer', at, tcp(from, to, said, { ...shape, sequence, acknowledged }))
  }

  /** An ICMP error about a packet that somebody got, with lies inside. */
  private complaint(): Attempt {
    if (this.seen.length === 0) return this.ordinary()
    const { random } = this
    const { at, packet } = random.of(this.seen)
    const about = packet.slice()
    const lies = random.below(3)
    for (let lie = 0; lie < lies; lie++) about[random.below(Math.min(about.length, 28))] = random.below(256)
    if (random.once(2)) reseal(about)
    const cut = random.of([0, 4, 20, 24, 27, 28, 28, 40, 548])
    const router = random.of([...far, ...guests, [...packet.subarray(16, 20)].join('.')])
    const made = error(`${router}:0`, about, random.of([3, 3, 11, 12, 4, 5]), random.below(16), cut)
    made.set(random.once(2) ? ip(random.of([this.gateway.outside, ...guests])) : packet.subarray(12, 16), 16)
    reseal(made)
    return { ...this.attempt('complaint', at, made), serial: -1 }
  }

  /** A packet in pieces: out of order, some twice, some missing, some that overlap. */
  private fragments(): Attempt {
    const { random } = this
    const whole = this.ordinary()
    if (whole.packet.length < 60) return whole
    const pieces = split(whole.packet, 8 * (1 + random.below(60)))
    for (let i = pieces.length - 1; i > 0; i--) {
      const j = random.below(i + 1)
      ;[pieces[i], pieces[j]] = [pieces[j], pieces[i]]
    }
    if (random.once(4)) pieces.push(random.of(pieces))
    if (pieces.length > 1 && random.once(5)) pieces.pop()
    if (random.once(5)) {
      const twin = random.of(pieces).slice()
      twin.set(u16((((twin[6] << 8) | twin[7]) + 1 + random.below(3)) & 0xffff), 6)
      reseal(twin)
      pieces.push(twin)
    }
    for (const packet of pieces.slice(0, 40)) this.waiting.push({ ...whole, kind: 'fragment', packet })
    return this.waiting.shift() ?? whole
  }

  /** A packet whose checksum is left to others, perhaps one to be cut into segments; some of these lie. */
  private offloaded(): Attempt {
    const { random } = this
    const made = random.once(2) ? this.ordinary() : this.answer()
    const { packet } = made
    if (packet[9] === 17 && packet.length >= 64 && random.once(3)) return this.encapsulated(made)
    const transport = (packet[0] & 15) << 2
    const offset = { 6: 16, 17: 6 }[packet[9]]
    if (offset === undefined) return made
    const pseudo = sum(join(packet.subarray(12, 20), u16(packet[9]), u16(packet.length - transport)))
    packet.set(u16(pseudo), transport + offset)
    const size = random.once(2) ? 0 : 8 + random.below(1460)
    const gso = size === 0 ? 0 : packet[9] === 6 ? 1 : 5
    const own = packet[9] === 6 ? 20 : 8
    const fields = { flags: 1, gso, size, headers: size === 0 ? 0 : 14 + transport + own }
    const header = vnet({ ...fields, start: 14 + transport, offset })
    if (random.once(5)) header[random.below(10)] = random.below(256)
    return { ...made, kind: 'offloaded', vnet: header }
  }

  /** A datagram with a packet in it whose checksum is left to others, as a tunnel sends it; its own is there or none. */
  private encapsulated(made: Attempt): Attempt {
    const { random } = this
    const packet = made.packet.slice()
    const header = vnet({ flags: 1, start: 14 + 36, offset: random.of([6, 16]) })
    packet.set([0, 0], 26)
    if (random.once(2)) {
      const whole = completed({ packet, vnet: header })
      const pseudo = sum(join(whole.subarray(12, 20), u16(17), u16(whole.length - 20)))
      packet.set(u16(~sum(whole.subarray(20), pseudo) || 0xffff), 26)
    }
    return { ...made, kind: 'encapsulated', packet, vnet: header }
  }

  private damaged(): Attempt {
    const { random } = this
    const made = random.of([() => this.ordinary(), () => this.answer(), () => this.complaint()])()
    let packet: Uint8Array = made.packet.slice()
    const flips = 1 + random.below(3)
    for (let flip = 0; flip < flips; flip++)
      packet[random.below(Math.min(packet.length, 48))] = random.below(256)
    if (random.once(3)) packet = this.optioned(packet)
    if (random.once(6)) packet = packet.slice(0, 20 + random.below(Math.max(1, packet.length - 20)))
    if (!random.once(3)) reseal(packet)
    return { ...made, kind: 'damaged', packet, serial: -1 }
  }

  /** Options between header and transport: routes, timestamps, anything. */
  private optioned(packet: Uint8Array): Uint8Array {
    const { random } = this
    const header = 4 * random.below(11)
    const options = random.bytes(header)
    if (header > 0 && random.once(2)) options[0] = random.of([0, 1, 7, 68, 131, 137, 148])
    const made = join(packet.subarray(0, 20), options, packet.subarray(20))
    made[0] = 0x45 + header / 4
    made.set(u16(made.length), 2)
    return made
  }

  /** A frame that is no IPv4 packet for the gateway: noise, ARP with lies, other types, tags. */
  noise(station: string, gateway: string): Uint8Array {
    const { random } = this
    const to = random.of([gateway, gateway, broadcast])
    const type = random.of([0x0806, 0x0806, 0x0806, 0x86dd, 0x8100, 0x0800, 0x88b5])
    const addresses = [...guests, this.gateway.inside, this.gateway.outside, ...far, ...odd]
    const hardware = random.once(6) ? random.bytes(6) : hex(station)
    const sides = [hardware, ip(random.of(addresses)), random.bytes(6), ip(random.of(addresses))]
    const body =
      type === 0x0806
        ? join([0, 1, 8, 0, 6, 4, 0, 1 + random.below(2)], ...sides)
        : random.bytes(random.below(90))
    return join(hex(to), hex(station), u16(type), body)
  }
}

function hex(mac: string): number[] {
  return mac.split(':').map((part) => Number.parseInt(part, 16))
}
