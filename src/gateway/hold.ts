// Hot: packets that wait for a neighbour's MAC, and the clock of all neighbours.
/**
 * A neighbour that nobody knows is asked for once a second, three times (RFC 1122 2.3.2.1); meanwhile its latest packets wait (2.3.2.2).
 * What waits is bounded by neighbour, by the port it came from, and in all. One that is used 30 seconds after its last answer is asked
 * again, itself and not everybody, and used until three questions stayed without an answer.
 */
import { DROPS, PORT_COUNT_MAX, rowOf } from '../memory/counters.ts'
import type { Pool } from '../memory/pool.ts'
import * as reason from '../pipeline/reason.ts'
import type { Port } from '../port/port.ts'
import { type Holder, INCOMPLETE, type Neighbours, PROBE, REACHABLE, STALE } from '../table/neighbour.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import type { Ask } from './ask.ts'
import type { Fragments } from './fragment.ts'
import type { Icmp } from './icmp.ts'
import type { Link } from './link.ts'
import type { Outbox } from './outbox.ts'
import { type Packet, TAKEN } from './packet.ts'
import { restore } from './quote.ts'

const HELD_MAX = 256
const HELD_PER_NEIGHBOUR = 16
const HELD_PER_PORT = 64
/** In place of a piece's length: the packet is as it came, and is looked at from the beginning once its next hop is known. */
export const AGAIN = -1
const TRIES = 3
const RETRY_MS = 1000
/** RFC 4861 10: REACHABLE_TIME, without its randomness: our questions go to one station each */
const REACHABLE_MS = 30_000
/** A stale neighbour counts as used if that was so lately; a worker sleeps at most a second between two looks. */
const USED_MS = 2000
/** A neighbour that was neither used nor heard for so long is forgotten. */
const FORGET_MS = 300_000
/** How often each neighbour is looked at. */
const ROUND_MS = 250

/** int32 of one waiting packet */
const WORDS = 9
const FRAME = 0
const LENGTH = 1
const PORT = 2
const INCARNATION = 3
const SOURCE = 4
const DESTINATION = 5
const PORTS = 6
const PIECE = 7
/** the next that waits for the same neighbour, or the next free place; -1 ends both */
const NEXT = 8

export class Hold implements Holder {
  /** packets that wait now */
  count = 0
  private readonly view: DataView
  private readonly pool: Pool
  private readonly counters: Float64Array
  private readonly ports: Port[]
  private readonly neighbours: Neighbours
  private readonly ask: Ask
  private readonly icmp: Icmp
  private readonly fragments: Fragments
  private readonly outbox: Outbox
  private readonly held = new Int32Array(HELD_MAX * WORDS)
  private free = 0
  private readonly perPort = new Int32Array(PORT_COUNT_MAX)
  /** by neighbour: its first and last waiting packet (-1: none), and how many */
  private readonly first: Int32Array
  private readonly last: Int32Array
  private readonly waiting: Int32Array
  private looked = 0
  private hand = 0

  constructor(
    view: DataView,
    pool: Pool,
    counters: Float64Array,
    ports: Port[],
    neighbours: Neighbours,
    ask: Ask,
    icmp: Icmp,
    fragments: Fragments,
    outbox: Outbox,
  ) {
    this.view = view
    this.pool = pool
    this.counters = counters
    this.ports = ports
    this.neighbours = neighbours
    this.ask = ask
    this.icmp = icmp
    this.fragments = fragments
    this.outbox = outbox
    for (let i = 0; i < HELD_MAX; i++) this.held[i * WORDS + NEXT] = i + 1 < HELD_MAX ? i + 1 : -1
    this.first = new Int32Array(neighbours.capacity + 1).fill(-1)
    this.last = new Int32Array(neighbours.capacity + 1).fill(-1)
    this.waiting = new Int32Array(neighbours.capacity + 1)
    neighbours.holder = this
  }

  /** A new entry for a neighbour; what it takes the place of is dropped. 0 if there is no room: `asking` ones have half of the table. */
  admit(network: number, address: number, asking: boolean, now: number): number {
    const { neighbours } = this
    const isCrowded = asking && neighbours.incomplete >= neighbours.incompleteMax
    if (isCrowded || neighbours.count >= neighbours.capacity) {
      const victim = neighbours.victim(isCrowded, now)
      if (victim === 0) return 0
      this.drop(victim, reason.HELD_FULL)
      neighbours.remove(victim)
    }
    return neighbours.insert(network, address, now)
  }

  /**
   * Keeps a packet until `hop` on `link` is known, and asks for it. The packet is ready to go but for its Ethernet header, which is
   * as it came; `packet` still says what addresses and ports it came with. `piece` is the length of the pieces it leaves in, or 0.
   * TAKEN: the frame is this object's from now on. Else the reason to drop it.
   */
  keep(link: Link, hop: number, packet: Packet, piece: number, now: number): number {
    if (hop === 0) return reason.NO_NEIGHBOUR
    const { neighbours, held } = this
    const port = packet.port.index
    let n = neighbours.find(link.network.index, hop)
    if (n !== 0) this.drop(n, reason.HELD_FULL, HELD_PER_NEIGHBOUR - 1)
    // A port has no more questions under way than packets that wait.
    if (this.free < 0 || this.perPort[port] >= HELD_PER_PORT) return reason.HELD_FULL
    if (n === 0) {
      n = this.admit(link.network.index, hop, true, now)
      if (n === 0) return reason.HELD_FULL
      this.question(n, link, now)
    }
    const i = this.free
    const at = i * WORDS
    this.free = held[at + NEXT]
    held[at + FRAME] = packet.frame
    held[at + LENGTH] = packet.length
    held[at + PORT] = port
    held[at + INCARNATION] = packet.port.incarnation
    held[at + SOURCE] = packet.source
    held[at + DESTINATION] = packet.destination
    held[at + PORTS] = packet.ports
    held[at + PIECE] = piece
    held[at + NEXT] = -1
    if (this.first[n] < 0) this.first[n] = i
    else held[this.last[n] * WORDS + NEXT] = i
    this.last[n] = i
    this.waiting[n]++
    this.perPort[port]++
    this.count++
    return TAKEN
  }

  /** Takes the first packet that waits for a neighbour out of its list; returns its place in `held`. */
  private shift(n: number): number {
    const i = this.first[n]
    const at = i * WORDS
    this.first[n] = this.held[at + NEXT]
    if (this.first[n] < 0) this.last[n] = -1
    this.waiting[n]--
    this.perPort[this.held[at + PORT]]--
    this.count--
    this.held[at + NEXT] = this.free
    this.free = i
    return at
  }

  /** A packet that waited is dropped; `entry` is its place in `held`. */
  private end(entry: number, why: number): void {
    const { held } = this
    this.counters[rowOf(held[entry + PORT]) + DROPS + why]++
    this.outbox.drop(held[entry + FRAME], held[entry + LENGTH], this.ports[held[entry + PORT]], why)
  }

  /** Drops the first of what waits for a neighbour until no more than `most` are left. */
  private drop(n: number, why: number, most = 0): void {
    while (this.waiting[n] > most) this.end(this.shift(n), why)
  }

  /** A neighbour was forgotten: what waits for it has nowhere to go. */
  left(n: number): void {
    this.drop(n, reason.NO_NEIGHBOUR)
  }

  /** Gives up whatever waits. */
  close(): void {
    for (let n = 1; this.count > 0; n++) this.drop(n, reason.NO_NEIGHBOUR)
  }

  /** The neighbour is known: what waited goes out, in its order. */
  release(n: number, link: Link): void {
    const { view, neighbours, held } = this
    while (this.first[n] >= 0) {
      const entry = this.shift(n)
      const frame = held[entry + FRAME]
      const at = this.pool.frameAt(frame)
      if (held[entry + PIECE] === AGAIN) {
        this.outbox.repeat(frame, held[entry + LENGTH], held[entry + PORT])
        continue
      }
      ethernet.setDestination(view, at, neighbours.high(n), neighbours.low(n))
      ethernet.setSource(view, at, link.high, link.low)
      const out = neighbours.port(n)
      if (held[entry + PIECE] === 0) {
        this.outbox.add(frame, held[entry + LENGTH], link.port.index, out)
        continue
      }
      const why = this.fragments.split(at, held[entry + LENGTH], held[entry + PIECE], link.port.index, out)
      if (why < 0) this.outbox.give(frame)
      else this.end(entry, why)
    }
  }

  /** Nobody answered: who sent what waited is told. */
  private fail(n: number, now: number): void {
    const { held } = this
    while (this.first[n] >= 0) {
      const entry = this.shift(n)
      const frame = held[entry + FRAME]
      const length = held[entry + LENGTH]
      const port = this.ports[held[entry + PORT]]
      this.counters[rowOf(held[entry + PORT]) + DROPS + reason.NO_NEIGHBOUR]++
      const link = this.ask.link(port.network.index)
      if (link !== null && port.incarnation === held[entry + INCARNATION]) {
        const at = this.pool.frameAt(frame)
        const network = at + ethernet.HEADER_LENGTH
        restore(this.view, at, held[entry + SOURCE], held[entry + DESTINATION], held[entry + PORTS])
        this.icmp.tell(at, network, at + length, port, link, icmp.UNREACHABLE, icmp.HOST, 0, now)
      }
      this.outbox.drop(frame, length, port, reason.NO_NEIGHBOUR)
    }
    this.neighbours.remove(n)
  }

  /** Asks once more: the station itself while its MAC is known, else everybody. */
  private question(n: number, link: Link, now: number): void {
    const { neighbours } = this
    const address = neighbours.address(n)
    const isKnown = neighbours.state(n) !== INCOMPLETE
    neighbours.ask(n, (now + RETRY_MS) | 0)
    if (isKnown) this.ask.one(link, address, neighbours.high(n), neighbours.low(n), neighbours.port(n))
    else this.ask.everybody(link, address)
  }

  /** Looks after neighbours: as many as time has passed, so that each has its turn four times a second. Call it every round. */
  tick(now: number): void {
    const passed = (now - this.looked) | 0
    if (passed === 0) return
    this.looked = now
    const { neighbours } = this
    const part = passed < 0 ? 1 : Math.min(1, passed / ROUND_MS)
    for (let share = Math.ceil(neighbours.count * part); share > 0 && neighbours.count > 0; share--) {
      if (this.hand <= 0 || this.hand > neighbours.count) this.hand = neighbours.count
      const n = neighbours.at(--this.hand)
      this.look(n, neighbours.state(n), now)
    }
    this.outbox.flush()
  }

  private look(n: number, state: number, now: number): void {
    const { neighbours } = this
    const link = this.ask.link(neighbours.network(n))
    if (link === null) {
      neighbours.remove(n)
      return
    }
    if (state !== INCOMPLETE) this.follow(n, link)
    const isDue = ((now - neighbours.due(n)) | 0) >= 0
    const idle = (now - neighbours.used(n)) | 0
    if (state === INCOMPLETE) {
      if (!isDue) return
      if (neighbours.tries(n) < TRIES) this.question(n, link, now)
      else this.fail(n, now)
    } else if (state === REACHABLE) {
      if (((now - neighbours.confirmed(n)) | 0) >= REACHABLE_MS) neighbours.doubt(n)
    } else if (state === STALE) {
      if (neighbours.wanted(n) && idle < USED_MS) this.question(n, link, now)
      else if (idle >= FORGET_MS && ((now - neighbours.confirmed(n)) | 0) >= FORGET_MS) neighbours.remove(n)
    } else if (state === PROBE && isDue) this.doubt(n, link, idle, now)
  }

  /** A known neighbour that did not answer. */
  private doubt(n: number, link: Link, idle: number, now: number): void {
    const { neighbours } = this
    if (neighbours.challenged(n)) neighbours.yield(n, now)
    else if (neighbours.tries(n) < TRIES) this.question(n, link, now)
    else if (idle >= USED_MS) neighbours.remove(n)
    else {
      neighbours.settle(n, 0, 0, -1, INCOMPLETE, now)
      this.question(n, link, now)
    }
  }

  /** The port is the one behind which the bridge knows the MAC; a network's only port needs no knowledge. */
  private follow(n: number, link: Link): void {
    const { neighbours } = this
    const { macs, members } = link.network
    const entry = macs.find(neighbours.high(n), neighbours.low(n))
    if (entry >= 0) neighbours.setPort(n, macs.port(entry))
    else if (members.length === 1) neighbours.setPort(n, members[0].index)
  }
}
