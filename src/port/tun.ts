// Hot: an IPv4 host that has no Ethernet.
/**
 * A tun device carries bare IPv4 packets, a network carries Ethernet frames. The port is the station between them: it has a MAC and
 * the device's address in the network, answers ARP for it (RFC 826), asks ARP for the next hop of what the device sends, and
 * holds a few packets until the answer comes (RFC 1122 2.3.2.2 wants at least one). The next hop is the destination itself inside the
 * subnet, else the gateway. What is no IPv4 is dropped by name.
 */
import type { Arena } from '../memory/arena.ts'
import { ERRORS, LENGTHS } from '../memory/block.ts'
import { DROPS } from '../memory/counters.ts'
import { native } from '../memory/native.ts'
import type { Pool } from '../memory/pool.ts'
import * as arp from '../wire/arp.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as vnet from '../wire/vnet.ts'
import { BURST_BYTES, type Queue, TUN } from './queue.ts'

/** Next hops remembered, by the low bits of their address; held packets; questions and answers to send. */
const NEIGHBOURS = 256
const HELD = 32
const SAYINGS = 32
/** EAFNOSUPPORT: deliver calls it not_ip */
const NOT_IP_ERRNO = 97
/** int32 of one saying: operation, target high, target low, target address */
const SAYING = 4
/** Drop reasons of pipeline/reason.ts, for what comes from the device; a port knows no pipeline. */
const NOT_IP = 20
const NO_NEIGHBOUR = 21
const BROADCAST_HIGH = 0xffff
const BROADCAST_LOW = -1

export interface Station {
  high: number
  low: number
  /** IPv4 addresses as int32; gateway 0 if there is none */
  address: number
  gateway: number
  /** prefix length of the subnet, bits */
  prefix: number
}

export class TunQueue implements Queue {
  readonly fd: number
  private readonly i32: Int32Array
  private readonly view: DataView
  private readonly pool: Pool
  private readonly counters: Float64Array
  private readonly row: number
  private readonly station: Station
  private readonly mask: number
  private readonly known = new Int32Array(NEIGHBOURS)
  private readonly high = new Int32Array(NEIGHBOURS)
  private readonly low = new Int32Array(NEIGHBOURS)
  /** held frames: index, length, next hop */
  private readonly held = new Int32Array(HELD * 3)
  private heldCount = 0
  private readonly sayings = new Int32Array(SAYINGS * SAYING)
  private sayingCount = 0
  private answered = false

  constructor(arena: Arena, pool: Pool, counters: Float64Array, row: number, fd: number, station: Station) {
    this.i32 = arena.i32
    this.view = arena.view
    this.pool = pool
    this.counters = counters
    this.row = row
    this.fd = fd
    this.station = station
    this.mask = station.prefix === 0 ? 0 : -1 << (32 - station.prefix)
  }

  get quiet(): boolean {
    return this.sayingCount === 0 && !this.answered
  }

  /** ARP first, then what an answer released, then a burst from the device. */
  receive(pool: Pool, blockAt: number, capacity: number): number {
    const block = blockAt >> 2
    if (this.sayingCount > 0) return this.say(block, capacity)
    if (this.answered) return this.release(block, capacity)
    const count = native.receive(TUN, this.fd, pool.topAt, blockAt, capacity, BURST_BYTES)
    if (count <= 0) return count
    pool.took(count)
    let kept = 0
    for (let i = 0; i < count; i++) {
      const frame = this.i32[block + i]
      const length = this.i32[block + LENGTHS + i]
      if (!this.address(frame, length)) continue
      this.i32[block + kept] = frame
      this.i32[block + LENGTHS + kept] = length
      kept++
    }
    if (kept === 0 && this.sayingCount > 0) return this.say(block, capacity)
    return kept
  }

  /** Writes the Ethernet header of a packet from the device; false if the frame is held or dropped. */
  private address(frame: number, length: number): boolean {
    const at = this.pool.frameAt(frame)
    const network = at + ethernet.HEADER_LENGTH
    const view = this.view
    if (length < ethernet.HEADER_LENGTH + ipv4.HEADER_LENGTH || ipv4.version(view, network) !== 4) {
      return this.refuse(frame, NOT_IP)
    }
    const header = at - vnet.LENGTH
    if ((vnet.flags(view, header) & vnet.NEEDS_CSUM) !== 0) {
      vnet.setCsum(
        view,
        header,
        vnet.csumStart(view, header) + ethernet.HEADER_LENGTH,
        vnet.csumOffset(view, header),
      )
    }
    const destination = ipv4.destination(view, network)
    if (destination === -1 || destination >>> 28 === 14) {
      this.frame(at, BROADCAST_HIGH, BROADCAST_LOW)
      if (destination !== -1) {
        // RFC 1112 6.4: 01:00:5e and the low 23 bits of the group
        view.setUint16(at, 0x0100)
        view.setInt32(at + 2, 0x5e000000 | (destination & 0x7fffff))
      }
      return true
    }
    const local = ((destination ^ this.station.address) & this.mask) === 0
    const hop = local ? destination : this.station.gateway
    const slot = hop & (NEIGHBOURS - 1)
    if (hop !== 0 && this.known[slot] === hop) {
      this.frame(at, this.high[slot], this.low[slot])
      return true
    }
    return this.hold(frame, length, hop)
  }

  private frame(at: number, high: number, low: number): void {
    const view = this.view
    view.setUint16(at, high)
    view.setInt32(at + 2, low)
    view.setUint16(at + 6, this.station.high)
    view.setInt32(at + 8, this.station.low)
    view.setUint16(at + 12, ethernet.TYPE_IPV4)
  }

  private refuse(frame: number, why: number): boolean {
    this.counters[this.row + DROPS + why]++
    this.pool.give(frame)
    return false
  }

  private hold(frame: number, length: number, hop: number): boolean {
    if (hop === 0) return this.refuse(frame, NO_NEIGHBOUR)
    if (this.heldCount === HELD) {
      this.refuse(this.held[0], NO_NEIGHBOUR)
      this.held.copyWithin(0, 3)
      this.heldCount--
    }
    const at = this.heldCount++ * 3
    this.held[at] = frame
    this.held[at + 1] = length
    this.held[at + 2] = hop
    this.enqueue(arp.REQUEST, BROADCAST_HIGH, BROADCAST_LOW, hop)
    return false
  }

  private enqueue(operation: number, high: number, low: number, address: number): void {
    if (this.sayingCount === SAYINGS) return // whoever wants to know asks again
    const at = this.sayingCount++ * SAYING
    this.sayings[at] = operation
    this.sayings[at + 1] = high
    this.sayings[at + 2] = low
    this.sayings[at + 3] = address
  }

  private say(block: number, capacity: number): number {
    const count = Math.min(this.sayingCount, capacity, this.pool.free)
    for (let i = 0; i < count; i++) {
      const said = (this.sayingCount - count + i) * SAYING
      const frame = this.pool.take()
      const at = this.pool.frameAt(frame)
      const high = this.sayings[said + 1]
      const low = this.sayings[said + 2]
      const { station } = this
      vnet.clear(this.view, at - vnet.LENGTH)
      this.frame(at, high, low)
      this.view.setUint16(at + 12, ethernet.TYPE_ARP)
      const asks = this.sayings[said] === arp.REQUEST
      const body = at + ethernet.HEADER_LENGTH
      const targetHigh = asks ? 0 : high
      const targetLow = asks ? 0 : low
      const operation = this.sayings[said]
      arp.write(
        this.view,
        body,
        operation,
        station.high,
        station.low,
        station.address,
        targetHigh,
        targetLow,
        this.sayings[said + 3],
      )
      this.i32[block + i] = frame
      this.i32[block + LENGTHS + i] = ethernet.HEADER_LENGTH + arp.LENGTH
    }
    this.sayingCount -= count
    return count
  }

  /** Moves the held packets whose next hop is known now into the burst. */
  private release(block: number, capacity: number): number {
    let count = 0
    let kept = 0
    this.answered = false
    for (let i = 0; i < this.heldCount; i++) {
      const hop = this.held[i * 3 + 2]
      const slot = hop & (NEIGHBOURS - 1)
      if (count < capacity && this.known[slot] === hop) {
        const frame = this.held[i * 3]
        this.frame(this.pool.frameAt(frame), this.high[slot], this.low[slot])
        this.i32[block + count] = frame
        this.i32[block + LENGTHS + count] = this.held[i * 3 + 1]
        count++
      } else {
        this.held.copyWithin(kept * 3, i * 3, i * 3 + 3)
        kept++
      }
    }
    this.heldCount = kept
    return count
  }

  /** IPv4 for this station goes to the device; ARP is for the port itself. */
  transmit(blockAt: number, count: number): number {
    const block = blockAt >> 2
    let taken = 0
    for (let i = 0; i < count; i++) {
      const at = this.pool.frameAt(this.i32[block + i])
      const type = ethernet.type(this.view, at)
      this.i32[block + ERRORS + i] = 0
      if (!this.isMine(at)) taken++
      else if (type === ethernet.TYPE_ARP) {
        this.hear(at, this.i32[block + LENGTHS + i])
        taken++
      } else if (type !== ethernet.TYPE_IPV4) this.i32[block + ERRORS + i] = NOT_IP_ERRNO
      else taken += this.carry(blockAt + i * 4, at)
    }
    return taken
  }

  /** A station takes what is sent to it and to groups; a flooded frame for somebody else it ignores. */
  private isMine(at: number): boolean {
    const high = ethernet.destinationHigh(this.view, at)
    if ((high & ethernet.GROUP) !== 0) return true
    return high === this.station.high && ethernet.destinationLow(this.view, at) === this.station.low
  }

  /** Sends the packet of the block's first entry; the vnet offsets count from the packet meanwhile, and from the frame again after. */
  private carry(blockAt: number, at: number): number {
    const view = this.view
    const header = at - vnet.LENGTH
    const partial = (vnet.flags(view, header) & vnet.NEEDS_CSUM) !== 0
    const start = vnet.csumStart(view, header)
    const offset = vnet.csumOffset(view, header)
    const length = vnet.headerLength(view, header)
    if (partial) vnet.setCsum(view, header, start - ethernet.HEADER_LENGTH, offset)
    if (length !== 0) vnet.setHeaderLength(view, header, length - ethernet.HEADER_LENGTH)
    const taken = native.transmit(TUN, this.fd, blockAt, 1)
    if (partial) vnet.setCsum(view, header, start, offset)
    if (length !== 0) vnet.setHeaderLength(view, header, length)
    return taken
  }

  /** ARP: answers for the own address, learns from whoever speaks to it. */
  private hear(at: number, length: number): void {
    const view = this.view
    const body = at + ethernet.HEADER_LENGTH
    if (length < ethernet.HEADER_LENGTH + arp.LENGTH || !arp.valid(view, body)) return
    const sender = arp.sender(view, body)
    const slot = sender & (NEIGHBOURS - 1)
    const toMe = arp.target(view, body) === this.station.address
    if (sender !== 0 && (toMe || this.known[slot] === sender)) {
      this.known[slot] = sender
      this.high[slot] = arp.senderHigh(view, body)
      this.low[slot] = arp.senderLow(view, body)
      if (this.heldCount > 0) this.answered = true
    }
    if (toMe && arp.operation(view, body) === arp.REQUEST) {
      this.enqueue(arp.REPLY, arp.senderHigh(view, body), arp.senderLow(view, body), sender)
    }
  }

  close(): void {
    for (let i = 0; i < this.heldCount; i++) this.pool.give(this.held[i * 3])
    this.heldCount = 0
  }
}
