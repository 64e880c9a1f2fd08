// Hot: IPv4 fragments (RFC 791 3.2): the gateway sees whole packets only. Cost: 0.4 µs a fragment of 1,500 bytes (npm run bench).
/**
 * The bytes of a fragment are copied to their place in a frame that belongs to the datagram, and the fragment's own frame is free at
 * once: what is held is one slot a datagram, however small its pieces. A fragment that has come already is ignored; one that overlaps
 * in part spoils the datagram, what comes of it later included (RFC 5722's answer for IPv6). Thirty seconds, then the sender is told.
 */
import type { Arena } from '../memory/arena.ts'
import { checksum } from '../memory/checksum.ts'
import { DROPS, rowOf } from '../memory/counters.ts'
import type { Pool } from '../memory/pool.ts'
import { complete } from '../pipeline/offload.ts'
import * as reason from '../pipeline/reason.ts'
import type { Port } from '../port/port.ts'
import * as table from '../table/datagram.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as vnet from '../wire/vnet.ts'
import type { Icmp } from './icmp.ts'
import type { Outbox } from './outbox.ts'
import { type Packet, TAKEN } from './packet.ts'
import { Pieces } from './piece.ts'

const DATAGRAMS_MAX = 256
/** net.ipv4.ipfrag_time */
const TIMEOUT_MS = 30_000
/** How long the rest of a spoilt datagram is known: far longer than its pieces lie apart, far shorter than identifications take to recur. */
const SPOILT_MS = 2000
const ROUND_MS = 250
const MORE = 0x2000
const DONT = 0x4000
const PACKET_MAX = 65535
const OPTIONS_MAX = 40

const { WORDS, FRAME, PORT, INCARNATION, DEADLINE, TOTAL, BLOCKS } = table
const { COUNT, LARGEST, HEADER, SPOILT, FREE } = table

export class Fragments {
  readonly datagrams: table.Datagrams
  private readonly entries: Int32Array
  private readonly view: DataView
  private readonly u8: Uint8Array
  private readonly pool: Pool
  private readonly counters: Float64Array
  private readonly ports: Port[]
  private readonly outbox: Outbox
  private readonly icmp: Icmp
  private readonly pieces: Pieces
  /** options of the first fragments, 40 bytes each: in the frame the payload begins where they would stand */
  private readonly options: Uint8Array
  private looked = 0

  constructor(arena: Arena, pool: Pool, counters: Float64Array, ports: Port[], outbox: Outbox, icmp: Icmp) {
    this.view = arena.view
    this.u8 = arena.u8
    this.pool = pool
    this.counters = counters
    this.ports = ports
    this.outbox = outbox
    this.icmp = icmp
    this.pieces = new Pieces(arena, pool, outbox)
    // An eighth of the frames at most may wait here.
    const capacity = Math.max(8, Math.min(DATAGRAMS_MAX, pool.count >> 3))
    this.datagrams = new table.Datagrams(capacity, arena.seed(0), arena.seed(2))
    this.entries = this.datagrams.entries
    this.options = new Uint8Array(capacity * OPTIONS_MAX)
  }

  /** Sends a packet in pieces: see Pieces. */
  split(at: number, length: number, piece: number, ingress: number, egress: number): number {
    return this.pieces.split(at, length, piece, ingress, egress)
  }

  /**
   * A fragment, whose IPv4 header was checked. TAKEN: its bytes were copied. -1: the datagram is whole, and `packet` is it now, in a
   * frame that the caller owns. Else the reason to drop it.
   */
  add(packet: Packet, now: number): number {
    const { view, datagrams, entries } = this
    const { network } = packet
    const word = view.getUint16(network + 6)
    const header = ipv4.headerLength(view, network)
    const length = ipv4.totalLength(view, network) - header
    const offset = (word & 0x1fff) << 3
    const end = offset + length
    const hasMore = (word & MORE) !== 0
    const isEven = (length & 7) === 0 || !hasMore
    if (length <= 0 || !isEven || header + end > PACKET_MAX) return reason.FRAGMENT_INVALID
    const d = this.enter(packet, now)
    if (d < 0) return reason.NO_FRAMES
    const e = d * WORDS
    if (entries[e + FRAME] === SPOILT) return reason.FRAGMENT_INVALID
    const total = entries[e + TOTAL]
    const from = offset >> 3
    const to = (end + 7) >> 3
    const isWrong =
      total >= 0 ? end > total || (!hasMore && end !== total) : !hasMore && datagrams.beyond(d, to)
    const known = isWrong ? -1 : datagrams.known(d, from, to)
    if (known === to - from) return TAKEN
    if (known !== 0) return this.spoil(d, now)
    datagrams.mark(d, from, to)
    entries[e + COUNT]++
    if (!hasMore) entries[e + TOTAL] = end
    if ((word & DONT) !== 0) entries[e + table.DONT] = 1
    entries[e + LARGEST] = Math.max(entries[e + LARGEST], header + length)
    this.copy(d, packet, header, offset, length)
    const whole = entries[e + TOTAL]
    return whole >= 0 && entries[e + BLOCKS] === (whole + 7) >> 3 ? this.finish(d, packet) : TAKEN
  }

  /** The datagram of a fragment, perhaps a new one; -1 if no frame is left for it. */
  private enter(packet: Packet, now: number): number {
    const { view, datagrams, entries } = this
    const { network, port } = packet
    const source = ipv4.source(view, network)
    const destination = ipv4.destination(view, network)
    const name = (ipv4.identification(view, network) << 16) | ipv4.protocol(view, network)
    const zone = packet.ingress.network.index
    const present = datagrams.find(zone, source, destination, name)
    if (present >= 0) return present
    const victim = datagrams.victim(source, port.index)
    if (victim >= 0) this.lose(victim, reason.FRAGMENTS_FULL)
    const frame = this.outbox.take()
    if (frame < 0) return -1
    const d = datagrams.insert(zone, source, destination, name, frame)
    const e = d * WORDS
    entries[e + PORT] = port.index
    entries[e + INCARNATION] = port.incarnation
    entries[e + DEADLINE] = (now + TIMEOUT_MS) | 0
    return d
  }

  private copy(d: number, packet: Packet, header: number, offset: number, length: number): void {
    const { view, u8, entries } = this
    const { at, network } = packet
    // A partial checksum of a fragment would cover what is not there.
    if (((packet.work >> 8) & vnet.NEEDS_CSUM) !== 0) complete(view, at, packet.length)
    const to = this.pool.frameAt(entries[d * WORDS + FRAME])
    const body = to + ethernet.HEADER_LENGTH + ipv4.HEADER_LENGTH
    u8.copyWithin(body + offset, network + header, network + header + length)
    if (offset !== 0) return
    u8.copyWithin(to, at, network + ipv4.HEADER_LENGTH)
    entries[d * WORDS + HEADER] = header
    for (let i = ipv4.HEADER_LENGTH; i < header; i++)
      this.options[d * OPTIONS_MAX + i - ipv4.HEADER_LENGTH] = u8[network + i]
  }

  /** Puts the first fragment's options between header and payload, which is `length` bytes long. */
  private unfold(d: number, length: number): void {
    const { u8, entries } = this
    const more = entries[d * WORDS + HEADER] - ipv4.HEADER_LENGTH
    if (more === 0) return
    const body = this.pool.frameAt(entries[d * WORDS + FRAME]) + ethernet.HEADER_LENGTH + ipv4.HEADER_LENGTH
    u8.copyWithin(body + more, body, body + length)
    for (let i = 0; i < more; i++) u8[body + i] = this.options[d * OPTIONS_MAX + i]
  }

  /** All has come: `packet` becomes the datagram. */
  private finish(d: number, packet: Packet): number {
    const { view, entries } = this
    const e = d * WORDS
    const frame = entries[e + FRAME]
    const header = entries[e + HEADER]
    const length = header + entries[e + TOTAL]
    if (length > PACKET_MAX) {
      this.lose(d, reason.FRAGMENT_INVALID)
      return TAKEN
    }
    this.unfold(d, entries[e + TOTAL])
    const at = this.pool.frameAt(frame)
    const network = at + ethernet.HEADER_LENGTH
    ipv4.setTotalLength(view, network, length)
    view.setUint16(network + 6, entries[e + table.DONT] !== 0 ? DONT : 0)
    ipv4.setChecksum(view, network, 0)
    ipv4.setChecksum(view, network, ~checksum(network, header, 0) & 0xffff)
    packet.place(-1, frame, at, ethernet.HEADER_LENGTH + length, 0)
    packet.largest = entries[e + LARGEST]
    this.datagrams.remove(d)
    return -1
  }

  /** Counts the fragments that came, and gives back the frame in which they lie; captures see the first one of them. */
  private give(d: number, why: number): void {
    const { entries } = this
    const e = d * WORDS
    const frame = entries[e + FRAME]
    this.counters[rowOf(entries[e + PORT]) + DROPS + why] += entries[e + COUNT]
    if (frame < 0) return
    const network = this.pool.frameAt(frame) + ethernet.HEADER_LENGTH
    const length =
      entries[e + HEADER] === 0 ? 0 : ethernet.HEADER_LENGTH + ipv4.totalLength(this.view, network)
    this.outbox.drop(frame, length, this.ports[entries[e + PORT]], why)
  }

  /** A fragment that cannot be: nothing of the datagram is believed any more. */
  private spoil(d: number, now: number): number {
    const e = d * WORDS
    this.give(d, reason.FRAGMENT_INVALID)
    this.entries[e + FRAME] = SPOILT
    this.entries[e + COUNT] = 0
    this.entries[e + DEADLINE] = (now + SPOILT_MS) | 0
    return reason.FRAGMENT_INVALID
  }

  private lose(d: number, why: number): void {
    this.give(d, why)
    this.datagrams.remove(d)
  }

  /** Gives up on datagrams that took too long; call it every round. */
  tick(now: number): void {
    const passed = (now - this.looked) | 0
    if (passed >= 0 && passed < ROUND_MS) return
    this.looked = now
    if (this.datagrams.count === 0) return
    for (let d = 0; d < this.datagrams.capacity; d++) {
      const e = d * WORDS
      if (this.entries[e + FRAME] === FREE || ((now - this.entries[e + DEADLINE]) | 0) < 0) continue
      if (this.entries[e + HEADER] !== 0 && this.entries[e + FRAME] !== SPOILT) this.tell(d, now)
      this.lose(d, reason.FRAGMENT_TIMEOUT)
    }
    this.outbox.flush()
  }

  /** Gives up whatever waits. */
  close(): void {
    for (let d = 0; d < this.datagrams.capacity; d++)
      if (this.entries[d * WORDS + FRAME] !== FREE) this.lose(d, reason.FRAGMENT_TIMEOUT)
  }

  /** RFC 792: time exceeded in reassembly, if the first fragment is there. */
  private tell(d: number, now: number): void {
    const { view, entries } = this
    const e = d * WORDS
    const port = this.ports[entries[e + PORT]]
    const { link } = port.network
    if (link === null || port.incarnation !== entries[e + INCARNATION]) return
    const at = this.pool.frameAt(entries[e + FRAME])
    const network = at + ethernet.HEADER_LENGTH
    const length = ipv4.totalLength(view, network)
    this.unfold(d, length - entries[e + HEADER])
    this.icmp.tell(at, network, network + length, port, link, icmp.TIME_EXCEEDED, icmp.REASSEMBLY, 0, now)
  }
}
