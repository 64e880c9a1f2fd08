// Hot: connections. Cost: find 15 ns at 1,000 flows, by bursts 110 ns at 1,000,000; remove and create 160 and 700 ns (npm run bench).
/**
 * A flow is 32 int32, two cache lines, and has two keys: what its first sender writes (original) and what the other side answers
 * (reply). Both are in the index or neither is. The first line is all that an established UDP packet needs.
 *
 *   0 source  | 1 destination | 2 ports | 3 status, zone, protocol     the original key
 *   4 source  | 5 destination | 6 ports | 7 checksum deltas            the reply key, that shares word 3
 *   8 deadline | 9 neighbours | 10, 11 packets | 12–15 bytes, two float64
 *   16–19, 20–23 TCP by direction | 24–27, 31 TCP | 28 mark | 29 binding | 30 networks
 *
 * A flow lives if its status says CONFIRMED: that bit is stored last when it is made and taken back first when it ends, so the table is
 * consistent after a crash at any instruction; the index (key.ts) is derived from the flows. One writer; readers in other threads take
 * a flow only if its keys were the same before and after.
 */
import type { Arena } from '../memory/arena.ts'
import { type Chronicle, EVICTED, FORGOTTEN, TIMEOUT } from './chronicle.ts'
import {
  CLASH,
  CONFIRMED,
  DESTINATION,
  EMPTY,
  FULL,
  HEADER,
  KEY,
  Keys,
  lengthOf,
  PORTS,
  REPLY,
  SOURCE,
  STATUS,
  WORDS,
} from './key.ts'

export { CLASH, CONFIRMED, DESTINATION, FULL, HEADER, KEY, lengthOf, PORTS, REPLY, SOURCE, STATUS, WORDS }

/** RFC 1624 deltas of the original direction, L3 << 16 | L4, each with its bytes as they lie in a packet; the reply direction's are ~ of them */
export const DELTAS = 7
/** milliseconds of the worker's clock, a wrapping int32 */
export const DEADLINE = 8
/** the neighbour that packets leave to: of the original direction in the low 16 bits, of the reply direction above; 0 = none yet */
export const NEIGHBOURS = 9
/** uint32, by direction */
export const PACKETS = 10
/** position among the 16 float64 of a flow, by direction */
export const BYTES = 6
/** of TCP: four words a direction, see gateway/tcp.ts; the first one of other protocols is the time of confirmation */
export const TCP = 16
export const BEGIN = 16
export const STATE = 24
export const LAST_SEQUENCE = 25
export const LAST_ACKNOWLEDGED = 26
export const LAST_END = 27
export const MARK = 28
/** the endpoint binding, -1 for none */
export const BINDING = 29
/** the port of the gateway's link that the first packet came in by << 16 | of the one that it left by */
export const NETWORKS = 30
export const LAST_WINDOW = 31

/** Bits of STATUS, at the kernel's places (IPS_) above the key. */
export const SEEN_REPLY = 0x0002_0000
export const ASSURED = 0x0004_0000
export const SNAT = 0x0010_0000
export const DNAT = 0x0020_0000
/** The connection is ending: it may go early although it is assured. */
export const CLOSING = 0x1000_0000
/** Ordinary packets need no slow path: of the original direction, and with SEEN_REPLY of the reply direction too. */
export const FAST = 0x0800_0000

/** Positions in the words before flow 0: the highest number that a flow ever had, and how many live. */
export const HIGH = 0
export const COUNT = 1
/** float64 positions: flows ever made, and those that had to go early for others */
export const CREATED = 1
export const EARLY = 2

/** Flows that are looked at to find one that may go early, as many as eight of the kernel's buckets would hold. */
const EVICTION_RANGE = 64
/** With more, the index would have no bits left to tell where a probe began. */
export const CAPACITY_MAX = 2 ** 23 - 1

/** What holds resources for flows; told of each that ends, while its words still stand. */
export interface Holder {
  release(flow: number): void
}

export class FlowTable extends Keys {
  /** live flows */
  count = 0
  /** what the rules said of a flow's packets: a trail's number by direction, 16 bits each, 0 for none yet; the worker's own */
  readonly trails: Int32Array
  holder: Holder | null = null
  /** where begins and ends are written while somebody reads them */
  chronicle: Chronicle | null = null
  private readonly header: Int32Array
  private readonly totals: Float64Array
  /** first of the free flows up to HIGH, chained by their DEADLINE words; 0 at the end */
  private free = 0
  private cursor = 1
  private victim = 1

  /** Attaches to the bytes at `at`; the live flows that stand there go on. */
  constructor(arena: Arena, at: number, capacity: number) {
    super(arena, at, capacity)
    this.trails = new Int32Array(capacity + 1)
    this.header = new Int32Array(arena.buffer, at, HEADER)
    this.totals = new Float64Array(arena.buffer, at, HEADER / 2)
    if (this.header[HIGH] > 0) this.recover()
  }

  /**
   * Makes a flow of two keys, both or none: returns its number, from 1 on, FULL or CLASH. `kind` is protocol | zone << 8. All its other words are 0
   * but for BINDING, -1. A full table lets one go that nobody has answered yet.
   */
  create(
    source: number,
    destination: number,
    ports: number,
    kind: number,
    replySource: number,
    replyDestination: number,
    replyPorts: number,
    deadline: number,
  ): number {
    const { words, index, bits } = this
    if (this.count >= this.capacity && !this.evict()) return FULL
    if (source === replySource && destination === replyDestination && ports === replyPorts) return CLASH
    const hash = this.hash(source, destination, ports, kind)
    const replyHash = this.hash(replySource, replyDestination, replyPorts, kind)
    this.touch(hash, replyHash)
    const first = this.room(hash, source, destination, ports, kind)
    if (first < 0) return first
    const flow = this.take()
    index[first] = (hash << bits) | (flow << 1)
    const second = this.room(replyHash, replySource, replyDestination, replyPorts, kind)
    if (second < 0) {
      index[first] = EMPTY
      this.chain(flow)
      return second
    }
    index[second] = (replyHash << bits) | (flow << 1) | 1
    const f = flow * WORDS
    for (let w = f + DELTAS; w < f + WORDS; w++) words[w] = 0
    words[f + SOURCE] = source
    words[f + DESTINATION] = destination
    words[f + PORTS] = ports
    words[f + REPLY + SOURCE] = replySource
    words[f + REPLY + DESTINATION] = replyDestination
    words[f + REPLY + PORTS] = replyPorts
    words[f + DEADLINE] = deadline
    words[f + BINDING] = -1
    if (this.trails[flow] !== 0) this.trails[flow] = 0
    Atomics.store(words, f + STATUS, kind | CONFIRMED)
    this.totals[CREATED]++
    this.header[COUNT] = ++this.count
    return flow
  }

  /** Ends a flow: it is found no more, and what its holder keeps for it is given back. `why` as in chronicle.ts. */
  remove(flow: number, why = FORGOTTEN): void {
    const { words } = this
    const f = flow * WORDS
    const status = words[f + STATUS]
    Atomics.store(words, f + STATUS, status & ~CONFIRMED)
    this.holder?.release(flow)
    this.chronicle?.end(flow, why)
    this.touch(this.hashOf(flow, 0), this.hashOf(flow, 1))
    this.erase(flow, 0)
    this.erase(flow, 1)
    words[f + STATUS] = 0
    this.chain(flow)
    this.header[COUNT] = --this.count
  }

  /** Looks at the next `share` flows and ends those whose deadline has passed; returns how many. Call it regularly. */
  expire(share: number, now: number): number {
    const { words } = this
    const high = this.header[HIGH]
    const end = Math.min(share, high)
    let ended = 0
    for (let i = 0; i < end; i++) {
      if (this.cursor > high) this.cursor = 1
      const flow = this.cursor++
      const f = flow * WORDS
      if ((words[f + STATUS] & CONFIRMED) === 0 || ((words[f + DEADLINE] - now) | 0) > 0) continue
      this.remove(flow, TIMEOUT)
      ended++
    }
    return ended
  }

  /** the flow that `expire` looks at next, and the highest number that a flow ever had */
  get next(): number {
    return this.cursor
  }

  get high(): number {
    return this.header[HIGH]
  }

  /** Flows ever made, and those that went early, of all writers of these bytes. */
  get created(): number {
    return this.totals[CREATED]
  }

  get early(): number {
    return this.totals[EARLY]
  }

  /** A free flow; there is one. */
  private take(): number {
    const flow = this.free
    if (flow === 0) {
      Atomics.store(this.header, HIGH, this.header[HIGH] + 1)
      return this.header[HIGH]
    }
    this.free = this.words[flow * WORDS + DEADLINE]
    return flow
  }

  private chain(flow: number): void {
    this.words[flow * WORDS + DEADLINE] = this.free
    this.free = flow
  }

  /** Ends a flow that may go early; false if there is none among those looked at. */
  private evict(): boolean {
    const { words } = this
    const high = this.header[HIGH]
    let ending = -1
    for (let i = 0; i < EVICTION_RANGE; i++) {
      if (this.victim > high) this.victim = 1
      const flow = this.victim++
      const status = words[flow * WORDS + STATUS]
      if ((status & CONFIRMED) === 0) continue
      if ((status & ASSURED) !== 0 && (status & CLOSING) === 0) continue
      ending = flow
      if ((status & ASSURED) === 0) break
    }
    if (ending < 0) return false
    this.remove(ending, EVICTED)
    this.totals[EARLY]++
    return true
  }

  /** Builds the index and the chain of free flows anew from the flows that live. */
  private recover(): void {
    const { words, index } = this
    index.fill(EMPTY)
    for (let flow = this.header[HIGH]; flow > 0; flow--) {
      if (!this.isLive(flow)) {
        words[flow * WORDS + STATUS] = 0
        this.chain(flow)
        continue
      }
      this.put(flow, 0)
      this.put(flow, 1)
      this.count++
    }
    this.header[COUNT] = this.count
  }
}
