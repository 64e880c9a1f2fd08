// Hot: find, usable and the MAC of a neighbour are asked per packet.
/**
 * The gateway's neighbours: (network, IPv4 address) → MAC and port, with the states of RFC 4861 7.3.2, which Linux uses for ARP too.
 * An entry is one cache line of the arena, sixteen int32; its number, from 1 on, stands in flows. Word KEY is
 *
 *   network + 1 << 8 | state
 *
 * and is published by one store after the other words; 0 is a free entry. One writer. The index is the writer's own memory and made
 * anew when it attaches, so a crash at any instruction leaves whole entries only. Numbers are given out in the order in which they
 * were given back: a number that somebody kept means the same neighbour for long, and `is` tells whether it still does. Entry 0 is
 * none; its word TOP is the highest number ever given out, and what lies behind is never touched.
 */
import type { Arena } from '../memory/arena.ts'
import { ADDRESS, KEY, Places, TOP, WORDS } from './place.ts'

/** asked for, no answer yet */
export const INCOMPLETE = 1
/** confirmed within the last 30 seconds */
export const REACHABLE = 2
/** known, not confirmed lately: good until somebody uses it */
export const STALE = 3
/** used while it was stale: asked, and used meanwhile */
export const PROBE = 4
/** configured: it never ages */
export const PERMANENT = 5

export { ADDRESS, KEY, TOP, WORDS }
export const HIGH = 2
export const LOW = 3
export const PORT = 4
/** times in milliseconds, wrapping: of the last answer, of the last use, and when something is to be done */
export const CONFIRMED = 5
export const USED = 6
export const DUE = 7
/** questions asked since the last answer */
const TRIES = 8
/** another MAC that claims the address while this one is asked; high is -1 when there is none */
const RIVAL_HIGH = 9
const RIVAL_LOW = 10
const RIVAL_PORT = 11

/** Who keeps something by a neighbour's number. */
export interface Holder {
  /** The number means nobody from now on. */
  left(n: number): void
}

/** Flows name neighbours by 16 bits, and the highest 1,024 numbers stand for links there. */
export const CAPACITY_MAX = 64511
/** Entries that one search for a victim looks at: a storm pays for little more than its own insertion. */
const SAMPLE = 64

/** Bytes that a table of `capacity` neighbours takes; entry 0 is none. */
export function lengthOf(capacity: number): number {
  return (Math.min(capacity, CAPACITY_MAX) + 1) * WORDS * 4
}

export class Neighbours {
  readonly capacity: number
  /** entries that wait for their first answer, and how many may */
  incomplete = 0
  readonly incompleteMax: number
  holder: Holder | null = null
  private readonly words: Int32Array
  private readonly places: Places
  private hand = 0

  /** Attaches to the bytes at `at`; whatever entries stand there go on. */
  constructor(arena: Arena, at: number, capacity: number) {
    this.capacity = Math.min(capacity, CAPACITY_MAX)
    this.incompleteMax = Math.max(1, this.capacity >> 1)
    this.words = new Int32Array(arena.buffer, at, (this.capacity + 1) * WORDS)
    this.places = new Places(this.words, this.capacity, arena.seed(1), arena.seed(3))
    for (let n = 1; n <= this.words[TOP]; n++) {
      if (this.words[n * WORDS] === 0) {
        this.places.give(n)
        continue
      }
      if (this.state(n) === INCOMPLETE) this.incomplete++
      this.places.enter(n)
    }
  }

  get count(): number {
    return this.places.count
  }

  /** The number of the `i`th neighbour of `count`, in no order; removing one puts the last into its place. */
  at(i: number): number {
    return this.places.live[i]
  }

  /** The number of a neighbour in a network (its index) by address; 0 if there is none. Its state is not looked at: see `usable`. */
  find(network: number, address: number): number {
    return this.places.find(network + 1, address)
  }

  /** True if number `n`, which somebody kept, still is that neighbour. */
  is(n: number, network: number, address: number): boolean {
    return this.words[n * WORDS + ADDRESS] === address && this.words[n * WORDS] >> 8 === network + 1
  }

  /** True if its MAC is known; notes that it is used. False for 0. */
  usable(n: number, now: number): boolean {
    this.words[n * WORDS + USED] = now
    return (this.words[n * WORDS] & 0xff) > INCOMPLETE
  }

  /** The network's index. */
  network(n: number): number {
    return (this.words[n * WORDS] >> 8) - 1
  }

  state(n: number): number {
    return this.words[n * WORDS] & 0xff
  }

  address(n: number): number {
    return this.words[n * WORDS + ADDRESS]
  }

  high(n: number): number {
    return this.words[n * WORDS + HIGH]
  }

  low(n: number): number {
    return this.words[n * WORDS + LOW]
  }

  /** Index of the port behind which it is, -1 if that is not known: as a verdict the one means a port, the other flood. */
  port(n: number): number {
    return this.words[n * WORDS + PORT]
  }

  confirmed(n: number): number {
    return this.words[n * WORDS + CONFIRMED]
  }

  used(n: number): number {
    return this.words[n * WORDS + USED]
  }

  due(n: number): number {
    return this.words[n * WORDS + DUE]
  }

  tries(n: number): number {
    return this.words[n * WORDS + TRIES]
  }

  /** True if it was used after its last confirmation. */
  wanted(n: number): boolean {
    return ((this.used(n) - this.confirmed(n)) | 0) > 0
  }

  private setState(n: number, state: number): void {
    const key = this.words[n * WORDS]
    this.incomplete += Number(state === INCOMPLETE) - Number((key & 0xff) === INCOMPLETE)
    Atomics.store(this.words, n * WORDS, (key & ~0xff) | state)
  }

  /** Adds a neighbour that `find` did not find, INCOMPLETE; returns its number, or 0 if no entry is free: then ask `victim`. */
  insert(network: number, address: number, now: number): number {
    const n = this.places.take()
    if (n === 0) return 0
    const at = n * WORDS
    const { words } = this
    words[at + ADDRESS] = address
    words[at + HIGH] = 0
    words[at + LOW] = 0
    words[at + PORT] = -1
    words[at + CONFIRMED] = now
    words[at + USED] = now
    words[at + DUE] = now
    words[at + TRIES] = 0
    words[at + RIVAL_HIGH] = -1
    Atomics.store(words, at, ((network + 1) << 8) | INCOMPLETE)
    this.incomplete++
    this.places.enter(n)
    return n
  }

  remove(n: number): void {
    if (this.holder !== null) this.holder.left(n)
    if (this.state(n) === INCOMPLETE) this.incomplete--
    this.places.leave(n)
    Atomics.store(this.words, n * WORDS, 0)
    this.places.give(n)
  }

  /**
   * The entry that may go for a new one: one that nobody answered for, else the stale one that was not used for longest. With
   * `asking` it is one that waits for an answer, and none else. 0 if those looked at are all reachable, used or permanent.
   */
  victim(asking: boolean, now: number): number {
    let found = 0
    let idle = -1
    const { count } = this
    for (let i = 0; i < Math.min(SAMPLE, count); i++) {
      this.hand = this.hand + 1 >= count ? 0 : this.hand + 1
      const n = this.at(this.hand)
      const state = this.state(n)
      if (state === INCOMPLETE) return n
      const age = (now - this.used(n)) | 0
      if (asking || state !== STALE || this.wanted(n) || age <= idle) continue
      idle = age
      found = n
    }
    return found
  }

  /** Gives it a MAC and a port (-1: not known), state REACHABLE, STALE or PERMANENT. */
  settle(n: number, high: number, low: number, port: number, state: number, now: number): void {
    const at = n * WORDS
    // Whoever attaches after a crash in between finds an entry without a MAC, not one with half of it.
    if (this.high(n) !== high || this.low(n) !== low) this.setState(n, INCOMPLETE)
    this.words[at + HIGH] = high
    this.words[at + LOW] = low
    this.words[at + PORT] = port
    this.words[at + CONFIRMED] = now
    this.words[at + TRIES] = 0
    this.words[at + RIVAL_HIGH] = -1
    this.setState(n, state)
  }

  /** It is not confirmed any more. */
  doubt(n: number): void {
    this.setState(n, STALE)
  }

  /** A question about it was sent; the next thing is due at `due`. A known one becomes PROBE. */
  ask(n: number, due: number): void {
    this.words[n * WORDS + TRIES]++
    this.words[n * WORDS + DUE] = due
    if (this.state(n) !== INCOMPLETE) this.setState(n, PROBE)
  }

  setPort(n: number, port: number): void {
    this.words[n * WORDS + PORT] = port
  }

  /** Notes who claims its address while it is asked. */
  challenge(n: number, high: number, low: number, port: number): void {
    const at = n * WORDS
    this.words[at + RIVAL_HIGH] = high
    this.words[at + RIVAL_LOW] = low
    this.words[at + RIVAL_PORT] = port
    this.words[at + TRIES] = 0
  }

  challenged(n: number): boolean {
    return this.words[n * WORDS + RIVAL_HIGH] >= 0
  }

  /** The one that claims its address gets it. */
  yield(n: number, now: number): void {
    const at = n * WORDS
    const { words } = this
    this.settle(n, words[at + RIVAL_HIGH], words[at + RIVAL_LOW], words[at + RIVAL_PORT], STALE, now)
  }

  /** Adds or changes a configured neighbour, behind a port that is found later; returns its number, 0 if the table is full of reachable ones. */
  permanent(network: number, address: number, high: number, low: number, now: number): number {
    let n = this.find(network, address)
    if (n === 0) n = this.insert(network, address, now)
    if (n === 0) {
      const victim = this.victim(false, now)
      if (victim === 0) return 0
      this.remove(victim)
      n = this.insert(network, address, now)
    }
    const port = this.high(n) === high && this.low(n) === low ? this.port(n) : -1
    this.settle(n, high, low, port, PERMANENT, now)
    return n
  }

  /** Forgets what was learned in a network, everywhere with -1; with `all` the configured ones too. Returns how many. */
  forget(network: number, all: boolean = false): number {
    let forgotten = 0
    for (let i = this.count - 1; i >= 0; i--) {
      const n = this.at(i)
      if (network >= 0 && this.network(n) !== network) continue
      if (this.state(n) === PERMANENT && !all) continue
      this.remove(n)
      forgotten++
    }
    return forgotten
  }

  /** A port went: nobody is behind it any more. */
  leave(port: number): void {
    for (let i = this.count - 1; i >= 0; i--) {
      const n = this.at(i)
      if (this.port(n) !== port) continue
      if (this.state(n) === PERMANENT) this.setPort(n, -1)
      else this.remove(n)
    }
  }
}
