// Hot: a worker's whole life. It never returns to its event loop: no timers, promises, streams or console.
/**
 * Poll while there is work, then sleep in one epoll wait. Orders of the control thread come by message port, drained between
 * bursts after a doorbell. The stop word ends it; no wait is longer than a second, so even a lost doorbell cannot keep it.
 */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { Arena } from '../memory/arena.ts'
import { BURST } from '../memory/block.ts'
import { BUSY_SECONDS, block } from '../memory/counters.ts'
import { Doorbell, WORDS } from '../memory/doorbell.ts'
import { native } from '../memory/native.ts'
import { Pool } from '../memory/pool.ts'
import { MemoryQueue } from '../port/memory.ts'
import { DescriptorQueue } from '../port/queue.ts'
import { Crossing } from './crossing.ts'
import { Dataplane } from './dataplane.ts'
import * as layout from './layout.ts'
import type { Answer, Order, Start } from './program.ts'
import { type Attached, Swap } from './swap.ts'

/** Rounds without work before it sleeps: about 20 µs of epoll_wait(0), the time a local peer takes to answer. */
const SPIN_ROUNDS = 60
/** Longest sleep in milliseconds; ageing and the stop word are looked at this often. */
const SLEEP_MS = 1000
/** A round of a worker that owns more queues than this serves them in several epoll waits. */
const EVENTS = BURST
const EPOLLERR_OR_HUP = 0x8 | 0x10
const DOORBELL = 0
const EBADF = 9
const EBADFD = 77

class Worker {
  private readonly port: MessagePort
  private readonly arena: Arena
  private readonly places: layout.Layout
  private readonly counters: Float64Array
  private readonly crossing: Crossing
  private readonly dataplane: Dataplane
  private readonly swap: Swap
  private readonly doorbell: Doorbell
  private readonly poll: number
  /** by the id that epoll returns; 0 is the doorbell */
  private readonly attached: (Attached | null)[] = [null]
  /** queues that must be asked: their descriptor does not tell all */
  private asked: Attached[] = []

  constructor(start: Start, port: MessagePort) {
    this.port = port
    this.arena = Arena.map(start.arena.fd, start.arena.length)
    const { arena } = this
    const { worker, framesPerWorker } = start
    this.places = layout.worker(arena, worker, framesPerWorker)
    this.counters = block(arena, worker)
    const pool = new Pool(arena, start.poolAt, this.places.stackAt, worker * framesPerWorker, framesPerWorker)
    const bells = start.doorbells.map((fd, w) => new Doorbell(arena, start.doorbellsAt + w * WORDS * 4, fd))
    this.doorbell = bells[worker]
    const others = bells.map((_, w) => w)
    const rings = {
      onward: others.map((w) => (w === worker ? null : layout.onward(arena, worker, w))),
      home: others.map((w) => (w === worker ? null : layout.home(arena, worker, w, framesPerWorker))),
      arriving: others.map((w) => (w === worker ? null : layout.onward(arena, w, worker))),
      returning: others.map((w) => (w === worker ? null : layout.home(arena, w, worker, framesPerWorker))),
    }
    this.crossing = new Crossing(arena, pool, framesPerWorker, rings, bells)
    this.dataplane = new Dataplane(arena, pool, this.counters, this.crossing, this.places, worker)
    this.swap = new Swap(arena, pool, this.places, this.dataplane, this.counters, worker)
    this.poll = native.pollCreate()
    native.pollAdd(this.poll, this.doorbell.fd, DOORBELL)
  }

  run(): void {
    const clock = this.places.clockAt >> 2
    const busy = (this.places.clockAt + 8) >> 3
    let idle = 0
    let worked = 0
    this.answer({ type: 'ready' })
    while (!this.arena.stopped) {
      let timeout = 0
      if (idle > SPIN_ROUNDS) {
        this.doorbell.arm()
        if (this.isQuiet()) timeout = SLEEP_MS
      }
      const count = native.pollWait(this.poll, this.places.eventsAt, EVENTS, timeout, this.places.clockAt)
      if (idle > SPIN_ROUNDS) this.doorbell.disarm()
      if (worked > 0) this.counters[BUSY_SECONDS] += this.arena.f64[busy]
      this.dataplane.tick(this.arena.i32[clock])
      worked = this.round(count)
      idle = worked > 0 ? 0 : idle + 1
    }
  }

  /** One round: every queue that is ready once, then what other workers sent; returns the frames moved. */
  private round(count: number): number {
    const events = this.places.eventsAt >> 2
    let worked = 0
    for (let i = 0; i < count; i++) {
      const id = this.arena.i32[events + 2 * i]
      if (id === DOORBELL) this.doorbell.clear()
      else worked += this.serve(this.attached[id], this.arena.i32[events + 2 * i + 1])
    }
    for (let i = 0; i < this.asked.length; i++) {
      const { port, queue } = this.asked[i]
      if (!queue.quiet) worked += Math.max(0, this.dataplane.service(port, queue))
    }
    if (this.crossing.workers > 1) {
      worked += this.dataplane.arrivals()
      this.crossing.wake()
    }
    if (this.doorbell.mail()) this.read()
    this.tell()
    return worked
  }

  private serve(attached: Attached | null, events: number): number {
    if (attached === null) return 0
    const count = this.dataplane.service(attached.port, attached.queue)
    if (count >= 0) return count > 0 || (events & EPOLLERR_OR_HUP) === 0 ? count : this.probe(attached)
    // A packet socket tells once that its link went down (ENETDOWN) and goes on; a device that is gone stays gone.
    if (count === -EBADFD || count === -EBADF) this.lose(attached, -count)
    return 0
  }

  /** An error event without an error on read: a device in the middle of going; ask again next round. */
  private probe(attached: Attached): number {
    return attached.queue.quiet ? 0 : 1
  }

  /** A device vanished: stop waiting for it and tell the control thread. */
  private lose(attached: Attached, errno: number): void {
    this.drop(attached)
    this.answer({ type: 'lost', port: attached.port.index, incarnation: attached.port.incarnation, errno })
  }

  private drop(attached: Attached): void {
    const id = this.attached.indexOf(attached)
    if (id > 0) {
      native.pollRemove(this.poll, attached.queue.fd)
      this.attached[id] = null
    }
    this.asked = this.asked.filter((other) => other !== attached)
    if (attached.port.queue === attached.queue) attached.port.queue = null
    attached.queue.close()
  }

  private add(attached: Attached): void {
    if (attached.queue.fd >= 0) {
      let id = this.attached.indexOf(null, 1)
      if (id < 0) id = this.attached.length
      this.attached[id] = attached
      native.pollAdd(this.poll, attached.queue.fd, id)
    }
    if (!(attached.queue instanceof DescriptorQueue)) this.asked.push(attached)
  }

  /** Tells the embedding thread of frames in memory ports that it waits for. */
  private tell(): void {
    for (let i = 0; i < this.asked.length; i++) {
      const { port, queue } = this.asked[i]
      if (queue instanceof MemoryQueue && queue.wanted) this.answer({ type: 'frames', port: port.index })
    }
  }

  private isQuiet(): boolean {
    for (let i = 0; i < this.asked.length; i++) if (!this.asked[i].queue.quiet) return false
    return this.crossing.quiet
  }

  private read(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.port) as { message: Order } | undefined
      if (received === undefined) return
      const order = received.message
      let result = 0
      if (order.type === 'program') {
        const { added, removed } = this.swap.run(order.program, this.arena.i32[this.places.clockAt >> 2])
        for (const attached of removed) this.drop(attached)
        for (const attached of added) this.add(attached)
      } else {
        result = this.swap.flush(order.network, order.port)
      }
      this.answer({ type: 'done', number: order.number, result })
    }
  }

  private answer(answer: Answer): void {
    this.port.postMessage(answer)
  }
}

if (parentPort) new Worker(workerData as Start, parentPort).run()
