// Hot: the packets of flows that are under way, in straight loops over a burst. Cost: see npm run bench.
/**
 * Most packets belong to a flow whose translation, next hop and state need nothing but a look: they are rewritten here, in place. First all
 * headers of the burst are checked and hashed, then index and flows are touched, then the packets are rewritten: in tables larger than
 * the cache the misses of one loop overlap. Whatever is not ordinary keeps its verdict, and its position goes into `odd`: the slow
 * path looks at it.
 *
 * Headers are read as the words that they are in memory, little-endian; an Ethernet header of 14 bytes begins two bytes before a word, and
 * the IPv4 header with a word. Sums of ones' complement do not mind the order of bytes (RFC 1071 2B), so checksums, and the
 * differences that flows keep, are added as they lie. Checksums are updated by RFC 1624 (equation 3) with the flow's differences; a frame
 * with NEEDS_CSUM carries the uncomplemented sum of the pseudo-header, which has addresses but no ports (virtio 1.2, 5.1.6.2).
 */
import type { Arena } from '../memory/arena.ts'
import { BURST, LENGTHS } from '../memory/block.ts'
import { type Burst, FLOOD } from '../pipeline/burst.ts'
import { packetLength } from '../pipeline/offload.ts'
import {
  ASSURED,
  BYTES,
  DEADLINE,
  DELTAS,
  DESTINATION,
  type FlowTable,
  NEIGHBOURS,
  PACKETS,
  PORTS,
  REPLY,
  SEEN_REPLY,
  SOURCE,
  STATUS,
  WORDS,
} from '../table/flow.ts'
import type { Link } from './link.ts'
import { hop, optional } from './mend.ts'
import type { Passage } from './passage.ts'
import { fold } from './rewrite.ts'
import type { Tcp } from './tcp.ts'
import { UDP as UDP_ONCE, UDP_STREAM } from './timeout.ts'
import { ODD, PASS, type Trails } from './trail.ts'

/** In the words of a header: 0x45 and anything, the fragment bits but for DF, the type IPv4. */
const VERSION = 0x45
const FRAGMENT = 0xff3f
const TYPE_IPV4 = 0x0008
const TCP = 6
const UDP = 17
/** bytes of Ethernet and IPv4 header, and the least that a transport adds */
const HEADERS = 34
const LEAST_TCP = 40
const LEAST_UDP = 28
/** TCP's flags in the frame; SYN, FIN and RST change a connection's state, ACK alone does not */
const TCP_FLAGS = HEADERS + 13
const TCP_STATE_FLAGS = 0x17
const TCP_ACK = 0x10
/** Flows are fewer than 2 ** 23: a number that V8 knows to be small needs no check when something is added to it. */
const FLOWS = 0x7fffff
/** parts of a burst's work column */
const NEEDS_CSUM = 0x0100
const GSO = 0xff
/** how far before a frame its vnet header says where the open checksum begins */
const CSUM_START = 4
export class Forward {
  /** positions that the slow path looks at */
  readonly odd = new Int32Array(BURST)
  private odds = 0
  private readonly view: DataView
  private readonly i32: Int32Array
  private readonly u16: Uint16Array
  private readonly flows: FlowTable
  private readonly tcp: Tcp
  private readonly passage: Passage
  private readonly timeouts: Int32Array
  private readonly trails: Trails
  /** candidates: position, hash, and flow << 1 | direction as the index has it */
  private readonly at = new Int32Array(BURST)
  private readonly hashes = new Int32Array(BURST)
  private readonly ids = new Int32Array(BURST)

  constructor(
    arena: Arena,
    flows: FlowTable,
    tcp: Tcp,
    passage: Passage,
    timeouts: Int32Array,
    trails: Trails,
  ) {
    this.trails = trails
    this.view = arena.view
    this.i32 = arena.i32
    this.u16 = new Uint16Array(arena.buffer)
    this.flows = flows
    this.tcp = tcp
    this.passage = passage
    this.timeouts = timeouts
  }

  /** Positions `from` to `to`, all of which came in by `link`; returns how many are in `odd`. */
  run(burst: Burst, from: number, to: number, link: Link, now: number): number {
    this.odds = 0
    const count = this.select(burst, from, to, link.port.index)
    if (count > 0) {
      this.flows.ahead(this.hashes, this.ids, count)
      this.rewrite(burst, count, link.port.index, now)
    }
    return this.odds
  }

  /** Checks and hashes the headers of plain TCP and UDP for the gateway; returns how many there are. */
  private select(burst: Burst, from: number, to: number, local: number): number {
    const { view, i32, odd, at: positions, hashes } = this
    const { at, verdict } = burst
    const { seedA, seedB, seedC, seedD } = this.flows
    const block = (burst.block + LENGTHS) | 0
    let odds = this.odds
    let count = 0
    for (let i = from | 0; i < to; i++) {
      const out = verdict[i]
      if (out !== local) {
        if (out === FLOOD) odd[odds++] = i
        continue
      }
      const start = at[i]
      const head = ((start + 14) | 0) >>> 2
      const w0 = i32[head]
      const w1 = i32[head + 1]
      const w2 = i32[head + 2]
      const w3 = i32[head + 3]
      const w4 = i32[head + 4]
      let sum = (w0 & 0xffff) + (w0 >>> 16) + (w1 & 0xffff) + (w1 >>> 16) + (w2 & 0xffff) + (w2 >>> 16)
      sum += (w3 & 0xffff) + (w3 >>> 16) + (w4 & 0xffff) + (w4 >>> 16)
      sum = (sum & 0xffff) + (sum >>> 16)
      const protocol = (w2 >>> 8) & 0xff
      const total = ((w0 >>> 8) & 0xff00) | (w0 >>> 24)
      const isPlain =
        i32[head - 1] >>> 16 === TYPE_IPV4 &&
        (w0 & 0xff) === VERSION &&
        ((w1 >>> 16) & FRAGMENT) === 0 &&
        (w2 & 0xff) > 1 &&
        (sum & 0xffff) + (sum >>> 16) === 0xffff &&
        (protocol === UDP ? total >= LEAST_UDP : protocol === TCP && total >= LEAST_TCP) &&
        total + 14 <= i32[(block + i) | 0]
      if (!isPlain) {
        odd[odds++] = i
        continue
      }
      const a = Math.imul(view.getInt32((start + 26) | 0) ^ Math.imul(protocol, seedD), seedA)
      const b = Math.imul(view.getInt32((start + 30) | 0) ^ a ^ (a >>> 15), seedB)
      const c = Math.imul(view.getInt32((start + 34) | 0) ^ b ^ (b >>> 15), seedC)
      hashes[count] = Math.imul(c ^ (c >>> 15), seedD)
      positions[count++] = i
    }
    this.odds = odds
    return count
  }

  /** The flow of a packet that is not where the index named it first; 0, which is nobody's and never fast, if it has none. */
  private search(hash: number, start: number): number {
    const { view, flows } = this
    const source = view.getInt32(start + 26)
    const destination = view.getInt32(start + 30)
    const id = flows.search(hash, source, destination, view.getInt32(start + 34), view.getUint8(start + 23))
    return Math.max(0, id)
  }

  /** Rewrites what is ordinary: the flow lives and is fast, came in where it should, and its next hop is known. */
  private rewrite(burst: Burst, count: number, local: number, now: number): void {
    const { odd, hashes, ids, at: positions, view, i32, passage, trails } = this
    const { words, f64 } = this.flows
    const { way } = passage
    const { at, work, verdict } = burst
    const lengths = (burst.block + LENGTHS) | 0
    const once = (now + this.timeouts[UDP_ONCE]) | 0
    const stream = (now + this.timeouts[UDP_STREAM]) | 0
    const isRuled = trails.active
    let odds = this.odds
    for (let j = 0; j < count; j++) {
      const i = positions[j]
      const start = at[i]
      const head = ((start + 14) | 0) >>> 2
      let id = ids[j]
      let flow = ((id >> 1) & FLOWS) * WORDS
      const key = flow + (id & 1) * REPLY
      const isIt =
        words[key + SOURCE] === view.getInt32((start + 26) | 0) &&
        words[key + DESTINATION] === view.getInt32((start + 30) | 0) &&
        words[key + PORTS] === view.getInt32((start + 34) | 0) &&
        ((words[flow + STATUS] ^ (i32[head + 2] >>> 8)) & 0xff) === 0
      if (!isIt) {
        id = this.search(hashes[j], start)
        flow = ((id >> 1) & FLOWS) * WORDS
      }
      const direction = id & 1
      const ways = words[flow + NEIGHBOURS]
      const pair = direction === 0 ? ways : (ways << 16) | (ways >>> 16)
      if (pair !== way.pair || j === 0) passage.take(pair, now)
      const other = flow + REPLY - direction * REPLY
      const destination = words[other + SOURCE]
      const status = words[flow + STATUS]
      const isOrdinary =
        (destination === way.address || ((destination ^ way.own) & way.beyond) !== 0) &&
        (status & way.fast) === way.fast &&
        (direction === 0 || (status & SEEN_REPLY) !== 0) &&
        way.ingress === local &&
        ((words[flow + DEADLINE] - now) | 0) > 0
      if (!isOrdinary) {
        odd[odds++] = i
        continue
      }
      if ((status & 0xff) !== UDP || work[i] !== 0 || i32[(lengths + i) | 0] > way.lengthMax) {
        if (!this.carry(burst, i, id, now)) odd[odds++] = i
        continue
      }
      const total = view.getUint16((start + 16) | 0)
      const ruled = isRuled ? trails.ask(burst, i, id, now) : PASS
      if (ruled === ODD) {
        odd[odds++] = i
        continue
      }
      words[flow + DEADLINE] = (status & ASSURED) === 0 ? once : stream
      words[flow + PACKETS + direction]++
      f64[(flow >> 1) + BYTES + direction] += total
      if (isRuled && !trails.count(burst, i, id, total, ruled)) continue
      const deltas = direction === 0 ? words[flow + DELTAS] : ~words[flow + DELTAS]
      i32[head + 2] = hop(i32[head + 2], deltas >>> 16)
      view.setInt32((start + 26) | 0, words[other + DESTINATION])
      view.setInt32((start + 30) | 0, destination)
      const ports = words[other + PORTS]
      view.setInt32((start + 34) | 0, (ports << 16) | (ports >>> 16))
      const tail = i32[head + 6]
      if (tail >>> 16 !== 0) i32[head + 6] = (tail & 0xffff) | (optional(tail >>> 16, deltas & 0xffff) << 16)
      this.face(start, head)
      verdict[i] = way.port
    }
    this.odds = odds
  }

  /** Writes the Ethernet header. */
  private face(start: number, head: number): void {
    const { i32 } = this
    const { way } = this.passage
    this.u16[start >> 1] = way.mac0
    i32[head - 3] = way.mac1
    i32[head - 2] = way.mac2
    i32[head - 1] = way.mac3
  }

  /** TCP, and what asks for offloads or is long: false if it is not ordinary after all, and then nothing was touched. */
  private carry(burst: Burst, i: number, id: number, now: number): boolean {
    const { view, i32, u16, trails } = this
    const { way } = this.passage
    const { words, f64 } = this.flows
    const start = burst.at[i]
    const length = burst.length(i)
    const work = burst.work[i]
    const direction = id & 1
    const flow = ((id >> 1) & FLOWS) * WORDS
    if (length > way.lengthMax) {
      if (way.lengthMax < 0 || (work & GSO) === 0) return false
      if (packetLength(view, start, length) > way.lengthMax - 14) return false
    }
    const total = view.getUint16((start + 16) | 0)
    const isTcp = (words[flow + STATUS] & 0xff) === TCP
    if (isTcp && (view.getUint8(start + TCP_FLAGS) & TCP_STATE_FLAGS) !== TCP_ACK) return false
    const ruled = trails.active ? trails.ask(burst, i, id, now) : PASS
    if (ruled === ODD) return false
    if (isTcp) {
      if (!this.tcp.pass(id >> 1, direction, start + HEADERS, start + 14 + total, now)) return false
    } else {
      const isStream = (words[flow + STATUS] & ASSURED) !== 0
      words[flow + DEADLINE] = (now + this.timeouts[isStream ? UDP_STREAM : UDP_ONCE]) | 0
    }
    words[flow + PACKETS + direction]++
    f64[(flow >> 1) + BYTES + direction] += total
    if (trails.active && !trails.count(burst, i, id, total, ruled)) return true
    const head = ((start + 14) | 0) >>> 2
    const other = flow + REPLY - direction * REPLY
    const deltas = direction === 0 ? words[flow + DELTAS] : ~words[flow + DELTAS]
    i32[head + 2] = hop(i32[head + 2], deltas >>> 16)
    view.setInt32((start + 26) | 0, words[other + DESTINATION])
    view.setInt32((start + 30) | 0, words[other + SOURCE])
    const ports = words[other + PORTS]
    view.setInt32((start + 34) | 0, (ports << 16) | (ports >>> 16))
    const at = isTcp ? (start + HEADERS + 16) >> 1 : (start + HEADERS + 6) >> 1
    // A tunnel may have left open the checksum of what it carries: not this one, then.
    const isPartial = (work & NEEDS_CSUM) !== 0 && u16[(start - CSUM_START) >> 1] === HEADERS
    if (isPartial) u16[at] = fold(u16[at] + (deltas >>> 16))
    else if (isTcp) u16[at] = ~fold((~u16[at] & 0xffff) + (deltas & 0xffff))
    else if (u16[at] !== 0) u16[at] = optional(u16[at], deltas & 0xffff)
    this.face(start, head)
    burst.verdict[i] = way.port
    return true
  }
}
