// Hot: one MAC on the air. What leaves has the card's, what comes is given back to the station that has the address.
/**
 * An access point takes frames from the MAC that joined it and from no other, so stations behind a Wi-Fi card share the card's. Going out,
 * the source MAC becomes the card's, in ARP (RFC 826) the sender's too, and the table learns which station has which IPv4 address.
 * Coming in, a frame to the card's MAC goes to the station that has its destination address, or ARP's target address;
 * what is for none of them is the host's own. DHCP (RFC 2131) names the client's MAC in its own header, which stays, and 4.1 has
 * clients that cannot take unicasts yet set the broadcast flag: it is set for them, since a server's answer to their MAC would not come.
 * IPv6 has neighbour discovery instead of ARP, which is not translated: it is dropped by name rather than half working.
 */
import * as arp from '../wire/arp.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as udp from '../wire/udp.ts'
import * as vnet from '../wire/vnet.ts'

/** 4,096 addresses, in sets of four: the one that was used the longest time ago makes room. */
const SETS = 1024
const WAYS = 4
/** int32 of an entry: address (0: empty), MAC high, MAC low, when it was used */
const ENTRY = 4
/** int32 that undo a translation: source MAC high and low, ARP's sender likewise or the DHCP flags and checksum, offset of what changed */
const UNDO = 5

const CLIENT_PORT = 68
const SERVER_PORT = 67
/** RFC 2131 figure 1: operation, hardware type, flags, client's MAC, counted from the message's begin */
const BOOT_REQUEST = 1
const HARDWARE_AT = 1
const FLAGS_AT = 10
const CLIENT_AT = 28
const BOOT_LENGTH = 44
const BROADCAST_FLAG = 0x8000

export class Translation {
  private readonly view: DataView
  private readonly high: number
  private readonly low: number
  private readonly entries = new Int32Array(SETS * WAYS * ENTRY)
  private readonly undo: Int32Array
  private clock = 0

  /** `high` and `low` are the card's MAC; at most `capacity` frames are out at a time. */
  constructor(view: DataView, high: number, low: number, capacity: number) {
    this.view = view
    this.high = high
    this.low = low
    this.undo = new Int32Array(capacity * UNDO)
  }

  /** Makes frame number `i`, at `at`, one of the card's; false if it cannot be. `restore` undoes it: other ports may have the same frame. */
  leave(i: number, at: number, length: number): boolean {
    const { view, undo } = this
    const network = ethernet.payloadAt(view, at, length)
    const type = view.getUint16(network - 2)
    if (type === ethernet.TYPE_IPV6) return false
    const note = i * UNDO
    undo[note] = ethernet.sourceHigh(view, at)
    undo[note + 1] = ethernet.sourceLow(view, at)
    undo[note + 4] = 0
    if (type === ethernet.TYPE_ARP) this.leaveArp(note, network, at + length)
    else if (type === ethernet.TYPE_IPV4 && network + ipv4.HEADER_LENGTH <= at + length) {
      this.learn(ipv4.source(view, network), undo[note], undo[note + 1])
      this.leaveIpv4(note, at, network, at + length)
    }
    view.setUint16(at + 6, this.high)
    view.setInt32(at + 8, this.low)
    return true
  }

  /** Gives the frame back its station's MAC. */
  restore(i: number, at: number): void {
    const { view, undo } = this
    const note = i * UNDO
    view.setUint16(at + 6, undo[note])
    view.setInt32(at + 8, undo[note + 1])
    const changed = undo[note + 4]
    if (changed > 0) {
      view.setUint16(changed, undo[note + 2])
      view.setInt32(changed + 2, undo[note + 3])
    } else if (changed < 0) {
      const message = -changed
      view.setUint16(message + FLAGS_AT, undo[note + 2])
      view.setUint16(message - udp.HEADER_LENGTH + udp.CHECKSUM_AT, undo[note + 3])
    }
  }

  private leaveArp(note: number, body: number, end: number): void {
    const { view, undo } = this
    if (body + arp.LENGTH > end || !arp.valid(view, body)) return
    const high = arp.senderHigh(view, body)
    const low = arp.senderLow(view, body)
    this.learn(arp.sender(view, body), high, low)
    undo[note + 2] = high
    undo[note + 3] = low
    undo[note + 4] = body + arp.SENDER_AT
    view.setUint16(body + arp.SENDER_AT, this.high)
    view.setInt32(body + arp.SENDER_AT + 2, this.low)
  }

  /** A client's DHCP message asks for an answer to everybody. */
  private leaveIpv4(note: number, at: number, network: number, end: number): void {
    const { view, undo } = this
    const transport = network + ipv4.headerLength(view, network)
    const message = transport + udp.HEADER_LENGTH
    if (ipv4.protocol(view, network) !== ipv4.PROTOCOL_UDP || ipv4.fragment(view, network) !== 0) return
    if (message + BOOT_LENGTH > end || udp.destinationPort(view, transport) !== SERVER_PORT) return
    if (udp.sourcePort(view, transport) !== CLIENT_PORT || view.getUint8(message) !== BOOT_REQUEST) return
    const flags = view.getUint16(message + FLAGS_AT)
    if ((flags & BROADCAST_FLAG) !== 0) return
    const sum = view.getUint16(transport + udp.CHECKSUM_AT)
    undo[note + 2] = flags
    undo[note + 3] = sum
    undo[note + 4] = -message
    view.setUint16(message + FLAGS_AT, flags | BROADCAST_FLAG)
    const partial = (vnet.flags(view, at - vnet.LENGTH) & vnet.NEEDS_CSUM) !== 0
    if (sum === 0 || partial) return
    // RFC 1624: HC' = ~(~HC + ~m + m'), here m' - m = 0x8000.
    let mended = (~sum & 0xffff) + BROADCAST_FLAG
    mended = ~((mended & 0xffff) + (mended >> 16)) & 0xffff
    view.setUint16(transport + udp.CHECKSUM_AT, mended === 0 ? 0xffff : mended)
  }

  /** Addresses a received frame to its station; false if it is none of the stations'. */
  enter(at: number, length: number): boolean {
    const { view } = this
    // An access point repeats a group frame to everybody, its sender included.
    if (ethernet.sourceHigh(view, at) === this.high && ethernet.sourceLow(view, at) === this.low) return false
    const destination = ethernet.destinationHigh(view, at)
    if (destination !== this.high || ethernet.destinationLow(view, at) !== this.low)
      return (destination & ethernet.GROUP) !== 0
    const network = ethernet.payloadAt(view, at, length)
    const type = view.getUint16(network - 2)
    const end = at + length
    if (type === ethernet.TYPE_ARP) return this.enterArp(at, network, end)
    if (type !== ethernet.TYPE_IPV4 || network + ipv4.HEADER_LENGTH > end) return false
    const entry = this.find(ipv4.destination(view, network))
    if (entry < 0) return this.enterDhcp(at, network, end)
    this.address(at, this.entries[entry + 1], this.entries[entry + 2])
    return true
  }

  private enterArp(at: number, body: number, end: number): boolean {
    const { view } = this
    if (body + arp.LENGTH > end || !arp.valid(view, body)) return false
    const entry = this.find(arp.target(view, body))
    if (entry < 0) return false
    const high = this.entries[entry + 1]
    const low = this.entries[entry + 2]
    this.address(at, high, low)
    if (arp.operation(view, body) === arp.REPLY) {
      view.setUint16(body + arp.TARGET_AT, high)
      view.setInt32(body + arp.TARGET_AT + 2, low)
    }
    return true
  }

  /** A server's answer to a client without address: the message names the client's MAC. */
  private enterDhcp(at: number, network: number, end: number): boolean {
    const { view } = this
    const transport = network + ipv4.headerLength(view, network)
    const message = transport + udp.HEADER_LENGTH
    if (ipv4.protocol(view, network) !== ipv4.PROTOCOL_UDP || message + BOOT_LENGTH > end) return false
    if (udp.destinationPort(view, transport) !== CLIENT_PORT || view.getUint8(message + HARDWARE_AT) !== 1)
      return false
    const high = view.getUint16(message + CLIENT_AT)
    const low = view.getInt32(message + CLIENT_AT + 2)
    if ((high & ethernet.GROUP) !== 0 || (high === this.high && low === this.low)) return false
    this.address(at, high, low)
    return true
  }

  private address(at: number, high: number, low: number): void {
    this.view.setUint16(at, high)
    this.view.setInt32(at + 2, low)
  }

  private setOf(address: number): number {
    return (Math.imul(address, 0x9e3779b1) >>> 22) * WAYS * ENTRY
  }

  /** Position of the entry of an address, or -1. */
  private find(address: number): number {
    const { entries } = this
    const first = this.setOf(address)
    for (let way = 0; way < WAYS; way++) {
      const entry = first + way * ENTRY
      if (entries[entry] !== address || address === 0) continue
      entries[entry + 3] = ++this.clock
      return entry
    }
    return -1
  }

  /** Remembers who has an address; a group's, the loopback's and 0.0.0.0 are nobody's. */
  private learn(address: number, high: number, low: number): void {
    const { entries } = this
    const net = address >>> 24
    if (net === 0 || net === 127 || net >= 224) return
    let chosen = this.find(address)
    if (chosen < 0) {
      chosen = this.setOf(address)
      for (let way = 1; way < WAYS; way++) {
        const entry = this.setOf(address) + way * ENTRY
        if (((entries[entry + 3] - entries[chosen + 3]) | 0) < 0) chosen = entry
      }
    }
    entries[chosen] = address
    entries[chosen + 1] = high
    entries[chosen + 2] = low
    entries[chosen + 3] = ++this.clock
  }
}
