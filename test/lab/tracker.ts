/** Connection tracking alone, without a switch: packets in, what they are to their flows out. */

import { Conntrack } from '../../src/gateway/conntrack.ts'
import { Link } from '../../src/gateway/link.ts'
import { ESTABLISHED, NEW, Packet } from '../../src/gateway/packet.ts'
import { timeouts } from '../../src/gateway/timeout.ts'
import { Arena } from '../../src/memory/arena.ts'
import { native } from '../../src/memory/native.ts'
import { DATA_AT, STRIDE } from '../../src/memory/pool.ts'
import { none } from '../../src/pipeline/layout.ts'
import { REASONS } from '../../src/pipeline/reason.ts'
import { DEADLINE, FAST, FlowTable, lengthOf, STATUS, WORDS } from '../../src/table/flow.ts'
import { ip, ipv4, join, sum, u16, u32, vnet } from './frame.ts'

export interface Segment {
  from: string
  to: string
  ports: [number, number]
  flags: number
  sequence?: number
  acknowledged?: number
  window?: number
  payload?: number
  options?: number[]
}

/** An IPv4 packet of one TCP segment, its checksum right. */
export function tcp(segment: Segment): Uint8Array {
  const { from, to, ports, flags, sequence = 0, acknowledged = 0, window = 5000, payload = 0 } = segment
  const options = [...(segment.options ?? [])]
  while (options.length % 4 !== 0) options.push(0)
  const lead = [...ports.flatMap(u16), ...u32(sequence), ...u32(acknowledged)]
  const rest = [((20 + options.length) >> 2) << 4, flags, ...u16(window)]
  const data = new Uint8Array(payload).fill(0x5a)
  const bare = join(lead, rest, [0, 0, 0, 0], options, data)
  const pseudo = sum(join(ip(from), ip(to), [0, 6], u16(bare.length)))
  bare.set(u16(~sum(bare, pseudo)), 16)
  return ipv4({ source: from, destination: to, protocol: 6 }, bare)
}

/** An IPv4 packet of one UDP datagram; no checksum. */
export function datagram(from: string, to: string, ports: [number, number], payload = 8): Uint8Array {
  const body = join(ports.flatMap(u16), u16(8 + payload), [0, 0], new Uint8Array(payload))
  return ipv4({ source: from, destination: to, protocol: 17 }, body)
}

/** An IPv4 packet of one ICMP message: `rest` are the four bytes behind the checksum. */
export function message(
  from: string,
  to: string,
  type: number,
  code: number,
  rest: number[],
  payload: Uint8Array | number[] = [],
): Uint8Array {
  const bare = join([type, code, 0, 0], rest, payload)
  bare.set(u16(~sum(bare)), 2)
  return ipv4({ source: from, destination: to, protocol: 1 }, bare)
}

/** What became of a packet. */
export interface Passed {
  /** the name of the reason, '' if it goes on */
  dropped: string
  state: number
  /** flow << 1 | direction, -1 for none */
  flow: number
}

export class Tracker {
  readonly arena: Arena
  readonly flows: FlowTable
  readonly conntrack: Conntrack
  readonly packet: Packet
  readonly timeouts: Int32Array
  now = 1000
  /** packets of fast flows take the short way, as in the straight loop of a burst */
  isShort = false

  constructor(capacity = 64, written: Record<string, number> = {}) {
    this.arena = Arena.create(2 ** 21 + lengthOf(capacity))
    this.timeouts = Int32Array.from(timeouts(written))
    const { at } = this.arena.allocate('flows', lengthOf(capacity))
    this.flows = new FlowTable(this.arena, at, capacity)
    this.conntrack = new Conntrack(this.arena.view, this.flows, this.timeouts)
    const port = none(this.arena)
    this.packet = new Packet(port, new Link(port.network, port))
    this.arena.close()
  }

  /** Writes an IPv4 packet into the arena and reads its header. */
  place(bytes: Uint8Array, work = 0): Packet {
    const { arena, packet } = this
    // Sums are taken of the arena that was bound last; a test may have several.
    native.arenaBind(arena.u8, 0, STRIDE, DATA_AT)
    // A frame whose IPv4 header lies on a word, with its vnet header before it.
    const at = arena.allocate('packet', 128 * 1024).at + 18
    arena.u8.fill(0xa5, at, at + bytes.length + 64)
    arena.u8.set(vnet({ flags: work >> 8, gso: work & 0xff, start: 34, offset: 16 }), at - 10)
    arena.u8.set(bytes, at + 14)
    packet.place(-1, -1, at, bytes.length + 14, work)
    packet.read(arena.view)
    return packet
  }

  /** The whole way of a packet that nothing translates or refuses. */
  pass(bytes: Uint8Array, work = 0): Passed {
    const packet = this.place(bytes, work)
    if (this.isShort && this.hurry(packet)) return { dropped: '', state: ESTABLISHED, flow: packet.flow }
    let reason = this.conntrack.look(packet, this.now)
    const { state } = packet
    if (reason < 0 && state === NEW && packet.flow < 0) {
      const answer = this.conntrack.confirm(packet, this.now)
      if (answer < 0) reason = -1 - answer
    }
    if (reason < 0) this.conntrack.account(packet.flow, packet.end - packet.network)
    return { dropped: reason < 0 ? '' : REASONS[reason].name, state, flow: packet.flow }
  }

  /** True if a TCP packet needed no look. */
  private hurry(packet: Packet): boolean {
    const { flows, conntrack, now } = this
    const { source, destination, ports, protocol, transport, end } = packet
    packet.flow = flows.find(source, destination, ports, protocol)
    if (protocol !== 6 || packet.flow < 0) return false
    const f = (packet.flow >> 1) * WORDS
    if ((flows.words[f + STATUS] & FAST) === 0 || ((flows.words[f + DEADLINE] - now) | 0) <= 0) return false
    return conntrack.tcp.pass(packet.flow >> 1, packet.flow & 1, transport, end, now)
  }
}
