// Hot: the packets of flows that are under way, in straight loops over a burst. Cost: see npm run bench.
/**
 * Most packets belong to a flow whose translation, next hop and state need nothing but a look: they are rewritten here, in place. First all
 * headers of the burst are checked and hashed, then all index places are read, then all flows are compared, then the packets are
 * rewritten: in tables larger than the cache the misses of one loop overlap. Whatever is not ordinary keeps its verdict, and
 * its position goes into `odd`: the slow path looks at it.
 *
 * Checksums are updated by RFC 1624 (equation 3) with the flow's differences; a frame with NEEDS_CSUM carries the uncomplemented sum of
 * the pseudo-header, which has addresses but no ports (virtio 1.2, 5.1.6.2).
 */
import type { Arena } from '../memory/arena.ts'
import { BURST, LENGTHS } from '../memory/block.ts'
import { type Burst, FLOOD } from '../pipeline/burst.ts'
import { packetLength } from '../pipeline/offload.ts'
import {
  ASSURED,
  BYTES,
  CONFIRMED,
  DEADLINE,
  DELTAS,
  DESTINATION,
  FAST,
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
import type { Passage } from './passage.ts'
import type { Tcp } from './tcp.ts'
import { UDP as UDP_ONCE, UDP_STREAM } from './timeout.ts'

/** Ethertype IPv4, version 4, five words of header; the type of service is anything. */
const PLAIN_IPV4 = 0x080045
const TCP = 6
const UDP = 17
/** bytes of Ethernet and IPv4 header, and the least that TCP adds */
const HEADERS = 34
const TCP_HEADER = 20
const UDP_HEADER = 8
/** where the transport's checksum stands in the frame */
const UDP_CHECKSUM = HEADERS + 6
const TCP_CHECKSUM = HEADERS + 16
/** TCP's flags in the frame; SYN, FIN and RST change a connection's state, ACK alone does not */
const TCP_FLAGS = HEADERS + 13
const TCP_STATE_FLAGS = 0x17
const TCP_ACK = 0x10
/** parts of a burst's work column */
const NEEDS_CSUM = 0x0100
const GSO = 0xff
/** What one hop takes from the word of TTL and protocol, as a difference of RFC 1624: -0x100. */
const HOP_DELTA = 0xfeff

export class Forward {
  /** positions that the slow path looks at */
  readonly odd = new Int32Array(BURST)
  private odds = 0
  private readonly view: DataView
  private readonly i32: Int32Array
  private readonly flows: FlowTable
  private readonly tcp: Tcp
  private readonly passage: Passage
  private readonly timeouts: Int32Array
  /** candidates: position, hash, then index entry, then flow << 1 | direction */
  private readonly at = new Int32Array(BURST)
  private readonly hashes = new Int32Array(BURST)
  private readonly ids = new Int32Array(BURST)

  constructor(arena: Arena, flows: FlowTable, tcp: Tcp, passage: Passage, timeouts: Int32Array) {
    this.view = arena.view
    this.i32 = arena.i32
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
      this.probe(count)
      this.compare(burst, count)
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
      const head = (start + 14) >> 2
      const w0 = i32[head]
      const w1 = i32[head + 1]
      const w2 = i32[head + 2]
      const w3 = i32[head + 3]
      const w4 = i32[head + 4]
      let sum = (w0 & 0xffff) + (w0 >>> 16) + (w1 & 0xffff) + (w1 >>> 16) + (w2 & 0xffff) + (w2 >>> 16)
      sum += (w3 & 0xffff) + (w3 >>> 16) + (w4 & 0xffff) + (w4 >>> 16)
      sum = (sum & 0xffff) + (sum >>> 16)
      sum = (sum & 0xffff) + (sum >>> 16)
      const protocol = view.getUint8(start + 23)
      const total = view.getUint16(start + 16)
      const least = protocol === TCP ? 20 + TCP_HEADER : 20 + UDP_HEADER
      const isPlain =
        view.getInt32(start + 12) >>> 8 === PLAIN_IPV4 &&
        sum === 0xffff &&
        (protocol === UDP || protocol === TCP) &&
        (view.getUint16(start + 20) & 0x3fff) === 0 &&
        view.getUint8(start + 22) > 1 &&
        total >= least &&
        total + 14 <= i32[block + i]
      if (!isPlain) {
        odd[odds++] = i
        continue
      }
      const a = Math.imul(view.getInt32(start + 26) ^ Math.imul(protocol, seedD), seedA)
      const b = Math.imul(view.getInt32(start + 30) ^ a ^ (a >>> 15), seedB)
      const c = Math.imul(view.getInt32(start + 34) ^ b ^ (b >>> 15), seedC)
      hashes[count] = Math.imul(c ^ (c >>> 15), seedD)
      positions[count++] = i
    }
    this.odds = odds
    return count
  }

  /** Reads the first index place of each. */
  private probe(count: number): void {
    const { hashes, ids } = this
    const { index } = this.flows
    const shift = this.flows.shift | 0
    for (let j = 0; j < count; j++) ids[j] = index[hashes[j] >>> shift]
  }

  /** Finds the flow of each: mostly at its first place. */
  private compare(burst: Burst, count: number): void {
    const { view, hashes, ids, at: positions } = this
    const { at } = burst
    const { words } = this.flows
    const bits = this.flows.bits | 0
    const rest = (32 - bits) | 0
    const last = (this.flows.capacity << 1) | 0
    for (let j = 0; j < count; j++) {
      const start = at[positions[j]]
      const source = view.getInt32(start + 26)
      const destination = view.getInt32(start + 30)
      const ports = view.getInt32(start + 34)
      const kind = view.getUint8(start + 23)
      const entry = ids[j]
      const id = (((entry << rest) >>> rest) - 1) | 0
      if (id >= 0 && id < last && (entry ^ (hashes[j] << bits)) >>> bits === 0) {
        const flow = (id >> 1) * WORDS
        const key = flow + (id & 1) * REPLY
        if (
          words[key + SOURCE] === source &&
          words[key + DESTINATION] === destination &&
          words[key + PORTS] === ports &&
          (words[flow + STATUS] & (0xffff | CONFIRMED)) === (kind | CONFIRMED)
        ) {
          ids[j] = id
          continue
        }
      }
      ids[j] = entry === 0 ? -1 : this.flows.search(hashes[j], source, destination, ports, kind)
    }
  }

  /** Rewrites what is ordinary: the flow lives and is fast, came in where it should, and its next hop is known. */
  private rewrite(burst: Burst, count: number, local: number, now: number): void {
    const { odd, ids, at: positions, passage } = this
    const { words } = this.flows
    const { linkOf, stamp } = passage
    const epoch = passage.epoch
    let odds = this.odds
    for (let j = 0; j < count; j++) {
      const i = positions[j]
      const id = ids[j]
      if (id < 0) {
        odd[odds++] = i
        continue
      }
      const flow = (id >> 1) * WORDS
      const status = words[flow + STATUS]
      const neighbours = words[flow + NEIGHBOURS]
      const isReply = (id & 1) !== 0
      const out = isReply ? neighbours >>> 16 : neighbours & 0xffff
      const back = isReply ? neighbours & 0xffff : neighbours >>> 16
      const isFast = (status & FAST) !== 0 && (!isReply || (status & SEEN_REPLY) !== 0)
      const isAlive = ((words[flow + DEADLINE] - now) | 0) > 0
      if (stamp[out] !== epoch) passage.refresh(out, now)
      if (linkOf[back] !== local && stamp[back] !== epoch) passage.refresh(back, now)
      if (
        !isFast ||
        !isAlive ||
        linkOf[out] < 0 ||
        linkOf[back] !== local ||
        !this.carry(burst, i, id, out, now)
      )
        odd[odds++] = i
    }
    this.odds = odds
  }

  /** One packet onwards: false if it is none of the ordinary after all, and then nothing was touched. */
  private carry(burst: Burst, i: number, id: number, out: number, now: number): boolean {
    const { view, passage } = this
    const { words, f64 } = this.flows
    const start = burst.at[i]
    const work = burst.work[i]
    const length = burst.length(i)
    const flow = (id >> 1) * WORDS
    const direction = id & 1
    const other = flow + REPLY - direction * REPLY
    const source = words[other + DESTINATION]
    const destination = words[other + SOURCE]
    const protocol = view.getUint8(start + 23)
    const mtu = passage.mtu[out]
    if (length - 14 > mtu && ((work & GSO) === 0 || packetLength(view, start, length) > mtu)) return false
    if (!passage.leads(out, destination)) return false
    if (protocol === TCP) {
      if ((view.getUint8(start + TCP_FLAGS) & TCP_STATE_FLAGS) !== TCP_ACK) return false
      const end = start + 14 + view.getUint16(start + 16)
      if (!this.tcp.pass(id >> 1, direction, start + HEADERS, end, now)) return false
    } else {
      const isStream = (words[flow + STATUS] & ASSURED) !== 0
      words[flow + DEADLINE] = (now + this.timeouts[isStream ? UDP_STREAM : UDP_ONCE]) | 0
    }
    words[flow + PACKETS + direction]++
    f64[(flow >> 1) + BYTES + direction] += view.getUint16(start + 16)
    const isReply = direction !== 0
    const deltas = words[flow + DELTAS]
    const l3 = isReply ? 0xffff - (deltas >>> 16) : deltas >>> 16
    let sum = (~view.getUint16(start + 24) & 0xffff) + l3 + HOP_DELTA
    sum = (sum & 0xffff) + (sum >>> 16)
    view.setUint16(start + 24, ~((sum & 0xffff) + (sum >>> 16)))
    view.setUint8(start + 22, view.getUint8(start + 22) - 1)
    if (deltas !== 0) {
      const ports = words[other + PORTS]
      view.setInt32(start + 26, source)
      view.setInt32(start + 30, destination)
      view.setInt32(start + 34, (ports << 16) | (ports >>> 16))
      this.mend(start + (protocol === TCP ? TCP_CHECKSUM : UDP_CHECKSUM), work, protocol, l3, deltas, isReply)
    }
    view.setUint16(start, passage.high[out])
    view.setInt32(start + 2, passage.low[out])
    view.setUint16(start + 6, passage.ownHigh[out])
    view.setInt32(start + 8, passage.ownLow[out])
    burst.verdict[i] = passage.port[out]
    return true
  }

  /** Brings the transport's checksum in line with new addresses and ports. */
  private mend(
    at: number,
    work: number,
    protocol: number,
    l3: number,
    deltas: number,
    isReply: boolean,
  ): void {
    const { view } = this
    const before = view.getUint16(at)
    if ((work & NEEDS_CSUM) !== 0) {
      const sum = before + l3
      view.setUint16(at, (sum & 0xffff) + (sum >>> 16))
      return
    }
    if (before === 0 && protocol === UDP) return // RFC 768: the sender made none
    const l4 = isReply ? 0xffff - (deltas & 0xffff) : deltas & 0xffff
    let sum = (~before & 0xffff) + l4
    sum = (sum & 0xffff) + (sum >>> 16)
    const after = ~sum & 0xffff
    view.setUint16(at, after === 0 && protocol === UDP ? 0xffff : after)
  }
}
