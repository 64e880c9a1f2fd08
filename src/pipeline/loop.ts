// Hot: the rounds of a worker. Cost of a round without work: one epoll wait, 160 ns.
/**
 * Poll while there is work, then sleep in one epoll wait. Before it sleeps it says so and looks once more: whoever adds work
 * looks at that word after adding it, so no wake-up is lost. No sleep is longer than a second.
 */
import type { Arena } from '../memory/arena.ts'
import {
  BURSTS,
  BUSY_SECONDS,
  DELAY_BOUNDS,
  DELAY_BUCKETS,
  DELAY_SECONDS,
  SLEEPS,
} from '../memory/counters.ts'
import type { Doorbell } from '../memory/doorbell.ts'
import { FAILED, type Poll } from '../memory/poll.ts'
import type { Port } from '../port/port.ts'
import type { Attached } from '../port/queue.ts'
import { ECONNRESET, EPROTO } from '../port/stream.ts'
import { SLEEP_MS, type VhostQueue } from '../vhost/queue.ts'
import type { Crossing } from './crossing.ts'
import type { Dataplane } from './dataplane.ts'

/** Rounds without work before it sleeps: about 20 µs of epoll_wait(0), the time a local peer takes to answer. */
const SPIN_ROUNDS = 60
/** How many guests' rings are looked at between two polls that found nothing: a poll costs as much as ten looks, and 64 take a microsecond. */
const LOOKS = 64
/** The doorbell's number in the poll; queues have the others. */
export const DOORBELL = 0
/** errno of a read from a device that is gone: EBADF, EBADFD */
const EBADF = 9
const EBADFD = 77
/** and of one from a packet socket whose interface is down or gone */
const ENETDOWN = 100

/** A pair of rings that a guest lends, and its port. */
export interface Lent {
  port: Port
  queue: VhostQueue
}

/** What a round cannot do itself: cold, and rare. */
export interface Desk {
  /** There is mail of the control thread. */
  read(): void
  /** Something is being prepared a little at a time; false when it is done. */
  readonly preparing: boolean
  prepare(): void
  /** A device vanished. */
  lose(attached: Attached, errno: number): void
  /** A guest broke the rules of its rings. */
  shun(lent: Lent): void
  /** A device told of an error that may pass. */
  report(attached: Attached, errno: number): void
  /** Frames wait in memory ports whose other end wants to be told. */
  tell(): void
}

export class Loop {
  /** by the number that the poll returns; 0 is the doorbell */
  readonly attached: (Attached | null)[] = [null]
  /** likewise: whose descriptor is a guest's doorbell, and null for the others */
  readonly bells: (VhostQueue | null)[] = [null]
  /** queues that must be asked: their descriptor does not tell all */
  asked: Attached[] = []
  /** rings in guests' memory: they are looked at while there is work, and their doorbells ring after that */
  lent: Lent[] = []
  private readonly arena: Arena
  private readonly poll: Poll
  private readonly counters: Float64Array
  private readonly doorbell: Doorbell
  private readonly crossing: Crossing
  private readonly dataplane: Dataplane
  private readonly desk: Desk
  /** how often guests' rings were looked at in the last round */
  private again = 1

  constructor(
    arena: Arena,
    poll: Poll,
    counters: Float64Array,
    doorbell: Doorbell,
    crossing: Crossing,
    dataplane: Dataplane,
    desk: Desk,
  ) {
    this.arena = arena
    this.poll = poll
    this.counters = counters
    this.doorbell = doorbell
    this.crossing = crossing
    this.dataplane = dataplane
    this.desk = desk
  }

  /** Runs until the stop word is set. */
  run(): void {
    let idle = 0
    let worked = 0
    while (!this.arena.stopped) {
      let timeout = 0
      if (idle > SPIN_ROUNDS && !this.desk.preparing) {
        this.doorbell.arm()
        timeout = this.rest()
        if (timeout > 0) this.counters[SLEEPS]++
      }
      const count = this.poll.wait(timeout)
      if (idle > SPIN_ROUNDS) this.doorbell.disarm()
      const away = this.poll.passed
      if (worked > 0) this.counters[BUSY_SECONDS] += away
      this.dataplane.tick(this.poll.now)
      const bursts = this.counters[BURSTS]
      worked = this.round(count)
      if (worked > 0) this.delay(this.counters[BURSTS] - bursts, away)
      // A round that looked at rings again and again is as long as several.
      idle = worked > 0 ? 0 : idle + 1 + (this.again >> 3)
    }
  }

  /**
   * Counts for each of a round's bursts how long the round before kept the worker from the queues: whoever comes to an empty queue
   * waits at most so long until it is seen. Sleep is no delay: it ends when a frame comes.
   */
  private delay(bursts: number, seconds: number): void {
    if (bursts === 0) return
    let bucket = 0
    while (bucket < DELAY_BOUNDS.length && seconds > DELAY_BOUNDS[bucket]) bucket++
    this.counters[DELAY_BUCKETS + bucket] += bursts
    this.counters[DELAY_SECONDS] += bursts * seconds
  }

  /**
   * One round: every queue that is ready once, then what other workers sent; returns the frames moved. Told to stop, it leaves queues
   * alone: where each burst is flooded to a thousand ports, a round takes seconds.
   */
  private round(count: number): number {
    let worked = 0
    for (let i = 0; i < count && !this.arena.stopped; i++) {
      const id = this.poll.id(i)
      if (id === DOORBELL) this.doorbell.clear()
      else {
        const bell = this.bells[id]
        if (bell !== null) bell.wake()
        else worked += this.serve(this.attached[id], this.poll.events(i))
      }
    }
    this.again = this.repeats(count)
    for (let again = this.again; again > 0; again--) {
      for (let i = 0; i < this.lent.length; i++) worked += this.attend(this.lent[i])
    }
    for (let i = 0; i < this.asked.length; i++) {
      const ask = this.asked[i]
      if (!ask.queue.quiet) worked += Math.max(0, this.dataplane.service(ask.port, ask.queue))
    }
    if (this.crossing.workers > 1) {
      worked += this.dataplane.arrivals()
      this.crossing.wake()
    }
    if (this.doorbell.mail()) this.desk.read()
    if (this.desk.preparing) this.desk.prepare()
    if (this.asked.length > 0) this.desk.tell()
    return worked
  }

  private serve(attached: Attached | null, events: number): number {
    if (attached === null) return 0
    const count = this.dataplane.service(attached.port, attached.queue)
    if (count >= 0) return count
    // A device that is gone stays gone. A packet socket tells once that its link went down, for a while or for ever.
    if ((events & FAILED) !== 0 && (count === -EBADFD || count === -EBADF)) this.desk.lose(attached, -count)
    else if (count === -ECONNRESET || count === -EPROTO) this.desk.lose(attached, -count)
    else if (count === -ENETDOWN) this.desk.report(attached, ENETDOWN)
    return 0
  }

  /** How often guests' rings are looked at in a round: once beside others that have work. */
  private repeats(events: number): number {
    const isAlone = events === 0 && this.asked.length === 0 && this.crossing.workers === 1
    // Where nobody lends any, the quotient is no number of times.
    return isAlone && this.lent.length > 0 ? Math.max(1, (LOOKS / this.lent.length) | 0) : 1
  }

  /** One burst from a guest's ring; returns the count of frames. */
  private attend(lent: Lent): number {
    const { port, queue } = lent
    const count = queue.quiet ? 0 : this.dataplane.service(port, queue)
    if (queue.fault < 0) return count
    this.desk.shun(lent)
    return 0
  }

  /** How long the worker may sleep, in milliseconds: looks for work a last time. */
  private rest(): number {
    for (let i = 0; i < this.asked.length; i++) if (!this.asked[i].queue.quiet) return 0
    let longest = SLEEP_MS
    for (let i = 0; i < this.lent.length; i++) longest = Math.min(longest, this.lent[i].queue.rest())
    return this.crossing.quiet && !this.arena.stopped ? longest : 0
  }
}
