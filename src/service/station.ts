/**
 * A network's gateway as its services see it: the control end of the local port. It checks what comes in down to UDP (RFC 768,
 * RFC 791, RFC 1122 3.2.1), hands datagrams to the service of their port, and sends datagrams and ARP probes with the gateway's
 * MAC. Everything a guest can send arrives here; what is malformed is counted and dropped, and a flood of it leaves the control
 * thread its turns.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { MemoryPort } from '../port/embed.ts'
import * as arp from '../wire/arp.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as udp from '../wire/udp.ts'
import * as vnet from '../wire/vnet.ts'

/** What the station says of itself. Addresses are int32, 0 while there is none; the MTU counts the IP packet. */
export interface Seat {
  high: number
  low: number
  address: number
  mtu: number
}

/** A UDP datagram; `high` and `low` are the MAC of the other side, where it came from or where it goes. */
export interface Datagram {
  high: number
  low: number
  source: number
  sourcePort: number
  destination: number
  destinationPort: number
  payload: Uint8Array
}

/** A datagram that came in, and by which port of the switch: its index, -1 where that is not known. */
export interface Received extends Datagram {
  ingress: number
}

/** An ARP message that came in for the station. */
export interface Claim {
  operation: number
  high: number
  low: number
  sender: number
  target: number
  ingress: number
}

export const BROADCAST = -1
/** high and low of ff:ff:ff:ff:ff:ff */
export const EVERYBODY = { high: 0xffff, low: -1 } as const

/** Frames taken before others get their turn of the control thread. */
const SHARE = 64
/** Frames that wait for room in the port: the switch empties it within microseconds, so more than this is a flood. */
const BACKLOG = 512
const RETRY_MS = 1
/** A worker that sleeps wakes in microseconds; a busy machine may keep it waiting. */
const PARTING_MS = 100
const TTL = 64
const HEADERS = ethernet.HEADER_LENGTH + ipv4.HEADER_LENGTH + udp.HEADER_LENGTH
const IPV4_AT = ethernet.HEADER_LENGTH
const UDP_AT = IPV4_AT + ipv4.HEADER_LENGTH

/** The ones' complement sum (RFC 1071) of a range, folded, on top of `initial`. */
function sum(view: DataView, from: number, length: number, initial: number): number {
  let total = initial
  const end = from + length
  let at = from
  for (; at + 1 < end; at += 2) total += view.getUint16(at)
  if (at < end) total += view.getUint8(at) << 8
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16)
  return total
}

/** The sum over the pseudo-header of RFC 768 and the datagram; 0xffff if its checksum is right. */
function udpSum(view: DataView, at: number, transport: number, length: number): number {
  return sum(view, transport, length, sum(view, at + 12, 8, ipv4.PROTOCOL_UDP + length))
}

export class Station {
  seat: Seat
  /** ARP that is meant for the station: answers to its probes */
  onarp: ((claim: Claim) => void) | null = null
  /** frames that no service could use, and frames that found no room */
  ignored = 0
  refused = 0
  private readonly port: MemoryPort
  private readonly services = new Map<number, (datagram: Received) => void>()
  private readonly backlog: Uint8Array[] = []
  private retry: NodeJS.Timeout | null = null
  private identification = 0
  private scheduled = false
  private closed = false

  /** Takes the port over. `seat` may be replaced at any time. */
  constructor(port: MemoryPort, seat: Seat) {
    this.port = port
    this.seat = seat
    port.onframes = () => {
      if (!this.scheduled) this.drain()
    }
    this.drain()
  }

  /** Gives datagrams for a UDP port to a service, or to nobody with null. A service must not throw. */
  serve(udpPort: number, service: ((datagram: Received) => void) | null): void {
    if (service === null) this.services.delete(udpPort)
    else this.services.set(udpPort, service)
  }

  /** Sends a datagram with full checksums; false if it is longer than the MTU and the port allow or too many wait already. */
  send(datagram: Datagram): boolean {
    const { payload } = datagram
    const length = HEADERS - IPV4_AT + payload.length
    if (length > this.seat.mtu || IPV4_AT + length > this.port.lengthMax) return false
    const frame = new Uint8Array(IPV4_AT + length)
    const view = new DataView(frame.buffer)
    this.address(view, datagram.high, datagram.low, ethernet.TYPE_IPV4)
    view.setUint8(IPV4_AT, 0x45)
    ipv4.setTotalLength(view, IPV4_AT, length)
    this.identification = (this.identification + 1) & 0xffff
    ipv4.setIdentification(view, IPV4_AT, this.identification)
    ipv4.setTtl(view, IPV4_AT, TTL)
    view.setUint8(IPV4_AT + 9, ipv4.PROTOCOL_UDP)
    ipv4.setSource(view, IPV4_AT, datagram.source)
    ipv4.setDestination(view, IPV4_AT, datagram.destination)
    ipv4.setChecksum(view, IPV4_AT, ~sum(view, IPV4_AT, ipv4.HEADER_LENGTH, 0) & 0xffff)
    view.setUint16(UDP_AT, datagram.sourcePort)
    view.setUint16(UDP_AT + 2, datagram.destinationPort)
    udp.setLength(view, UDP_AT, udp.HEADER_LENGTH + payload.length)
    frame.set(payload, HEADERS)
    const checksum = ~udpSum(view, IPV4_AT, UDP_AT, udp.HEADER_LENGTH + payload.length) & 0xffff
    view.setUint16(UDP_AT + udp.CHECKSUM_AT, checksum === 0 ? 0xffff : checksum)
    return this.put(frame)
  }

  /** Asks by ARP whether somebody has an address, without saying one of ours (RFC 5227 2.1.1); answers come to `onarp`. */
  probe(address: number): boolean {
    const frame = new Uint8Array(ethernet.HEADER_LENGTH + arp.LENGTH)
    const view = new DataView(frame.buffer)
    this.address(view, EVERYBODY.high, EVERYBODY.low, ethernet.TYPE_ARP)
    const { high, low } = this.seat
    arp.write(view, ethernet.HEADER_LENGTH, arp.REQUEST, high, low, 0, 0, 0, address)
    return this.put(frame)
  }

  /** Resolves when the switch has taken what was sent, or after a time in which a living one would have. */
  async parted(): Promise<void> {
    for (let left = PARTING_MS; left > 0 && !this.port.idle; left--) await pause(1)
  }

  /** Gives the port back; nothing is called afterwards. */
  close(): void {
    this.closed = true
    this.port.onframes = null
    this.services.clear()
    this.backlog.length = 0
    if (this.retry) clearTimeout(this.retry)
  }

  private address(view: DataView, high: number, low: number, type: number): void {
    view.setUint16(0, high)
    view.setInt32(2, low)
    view.setUint16(6, this.seat.high)
    view.setInt32(8, this.seat.low)
    view.setUint16(12, type)
  }

  private put(frame: Uint8Array): boolean {
    if (this.backlog.length === 0 && this.port.send(frame)) return true
    if (this.closed || this.backlog.length === BACKLOG) {
      this.refused++
      return false
    }
    this.backlog.push(frame)
    this.retry ??= setTimeout(() => this.resend(), RETRY_MS)
    return true
  }

  private resend(): void {
    this.retry = null
    let sent = 0
    while (sent < this.backlog.length && this.port.send(this.backlog[sent])) sent++
    this.backlog.splice(0, sent)
    if (this.backlog.length > 0) this.retry = setTimeout(() => this.resend(), RETRY_MS)
  }

  private drain(): void {
    this.scheduled = false
    if (this.closed) return
    for (let taken = 0; taken < SHARE; taken++) {
      const got = this.port.receive()
      if (got !== null) this.take(got.frame, got.vnet, this.port.ingress)
      else if (this.closed || this.port.listen()) return
    }
    this.scheduled = true
    setImmediate(() => this.drain())
  }

  private take(frame: Uint8Array, notes: Uint8Array, ingress: number): void {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    const type = frame.length < ethernet.HEADER_LENGTH ? 0 : ethernet.type(view, 0)
    const isTaken =
      type === ethernet.TYPE_ARP
        ? this.hear(view, ingress)
        : type === ethernet.TYPE_IPV4 && this.receive(view, (notes[0] & vnet.NEEDS_CSUM) !== 0, ingress)
    if (!isTaken) this.ignored++
  }

  private hear(view: DataView, ingress: number): boolean {
    const at = ethernet.HEADER_LENGTH
    if (view.byteLength < at + arp.LENGTH || !arp.valid(view, at)) return false
    this.onarp?.({
      operation: arp.operation(view, at),
      high: arp.senderHigh(view, at),
      low: arp.senderLow(view, at),
      sender: arp.sender(view, at),
      target: arp.target(view, at),
      ingress,
    })
    return true
  }

  /** False unless the frame is a whole and right UDP datagram that a service waits for. `partial`: its checksum is still to be made. */
  private receive(view: DataView, partial: boolean, ingress: number): boolean {
    const at = IPV4_AT
    if (view.byteLength < at + ipv4.HEADER_LENGTH || ipv4.version(view, at) !== 4) return false
    const header = ipv4.headerLength(view, at)
    const total = ipv4.totalLength(view, at)
    if (header < ipv4.HEADER_LENGTH || total < header + udp.HEADER_LENGTH) return false
    if (at + total > view.byteLength || ipv4.fragment(view, at) !== 0) return false
    if (sum(view, at, header, 0) !== 0xffff || ipv4.protocol(view, at) !== ipv4.PROTOCOL_UDP) return false
    const transport = at + header
    const length = view.getUint16(transport + 4)
    if (length < udp.HEADER_LENGTH || length > total - header) return false
    const isSummed = view.getUint16(transport + udp.CHECKSUM_AT) !== 0 && !partial
    if (isSummed && udpSum(view, at, transport, length) !== 0xffff) return false
    const service = this.services.get(udp.destinationPort(view, transport))
    if (service === undefined) return false
    const payload = view.byteOffset + transport + udp.HEADER_LENGTH
    service({
      high: ethernet.sourceHigh(view, 0),
      low: ethernet.sourceLow(view, 0),
      source: ipv4.source(view, at),
      sourcePort: udp.sourcePort(view, transport),
      destination: ipv4.destination(view, at),
      destinationPort: udp.destinationPort(view, transport),
      payload: new Uint8Array(view.buffer, payload, length - udp.HEADER_LENGTH),
      ingress,
    })
    return true
  }
}
