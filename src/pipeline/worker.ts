/**
 * A worker thread's entry. It builds its dataplane over the arena, then runs its loop for life: it never returns to its event
 * loop, so it has no timers, promises, streams or console. Orders of the control thread are drained between bursts.
 */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { Arena } from '../memory/arena.ts'
import { block } from '../memory/counters.ts'
import { Doorbell, WORDS } from '../memory/doorbell.ts'
import { Poll } from '../memory/poll.ts'
import { Pool } from '../memory/pool.ts'
import { MemoryQueue } from '../port/memory.ts'
import { type Attached, DescriptorQueue } from '../port/queue.ts'
import { carry } from '../table/change.ts'
import { VhostQueue } from '../vhost/queue.ts'
import { Crossing } from './crossing.ts'
import { Dataplane } from './dataplane.ts'
import * as layout from './layout.ts'
import { type Desk, DOORBELL, type Lent, Loop } from './loop.ts'
import type { Answer, Order, Start } from './program.ts'
import { Swap } from './swap.ts'

/** How long a round may go on preparing a ruleset: as much as a packet may wait for it. */
const PREPARE_MS = 1

class Worker implements Desk {
  private readonly arena: Arena
  private readonly port: MessagePort
  private readonly poll: Poll
  private readonly swap: Swap
  private readonly loop: Loop
  /** rulesets that are being prepared, by the number of their order */
  private readonly begun: number[] = []

  constructor(start: Start, port: MessagePort) {
    const { worker, framesPerWorker, poolAt } = start
    const arena = Arena.map(start.arena.fd, start.arena.length)
    const places = layout.worker(arena, worker, framesPerWorker)
    const counters = block(arena, worker)
    const pool = new Pool(arena, poolAt, places.stackAt, worker * framesPerWorker, framesPerWorker)
    const bells = start.doorbells.map((fd, w) => new Doorbell(arena, start.doorbellsAt + w * WORDS * 4, fd))
    const rings = layout.rings(arena, worker, start.workers, framesPerWorker)
    const crossing = new Crossing(arena, pool, framesPerWorker, rings, bells)
    const dataplane = new Dataplane(arena, pool, counters, crossing, places, worker)
    this.arena = arena
    this.port = port
    this.poll = new Poll(arena, places.pollAt)
    this.poll.add(bells[worker].fd, DOORBELL)
    this.swap = new Swap(arena, pool, places, dataplane, counters, worker)
    this.loop = new Loop(arena, this.poll, counters, bells[worker], crossing, dataplane, this)
  }

  run(): void {
    this.answer({ type: 'ready' })
    this.loop.run()
    // What a queue opened or mapped for itself is this process's, not the thread's.
    for (const attached of this.loop.attached) attached?.queue.close()
    this.poll.close()
  }

  read(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.port) as { message: Order } | undefined
      if (received === undefined) return
      const order = received.message
      if (order.type === 'program') {
        const { added, removed } = this.swap.run(order.program, this.poll.now)
        for (const attached of removed) this.detach(attached)
        for (const attached of added) this.attach(attached)
      }
      if (order.type === 'front') this.seat(order)
      else if (order.type === 'rules') {
        this.swap.rules(order.plan)
        this.begun.push(order.number)
      } else this.answer({ type: 'done', number: order.number, result: this.carry(order) })
    }
  }

  get preparing(): boolean {
    return this.begun.length > 0
  }

  /** Goes on with a ruleset that was ordered; when it is in force, who ordered it, or one before it, is told. */
  prepare(): void {
    try {
      if (!this.swap.prepare(PREPARE_MS)) return
    } catch (error) {
      // A ruleset that cannot be prepared is no reason to end: the one before stays, and who ordered it is told.
      this.swap.abandon()
      const why = (error as Error).message
      for (const number of this.begun.splice(0)) this.answer({ type: 'refused', number, why })
      return
    }
    for (const number of this.begun.splice(0)) this.answer({ type: 'done', number, result: 0 })
  }

  /** Carries out an order that changes entries of tables; returns how many. */
  private carry(order: Order): number {
    const { swap } = this
    if (order.type === 'flush') return swap.flush(order.network, order.port)
    if (order.type === 'neighbours') return swap.unlearn(order.network)
    if (order.type === 'flows') return swap.forget(order)
    if (order.type === 'sets') return carry(this.arena, order.changes, this.poll.now)
    if (order.type === 'capture') swap.capture(order.slot, order.capture)
    if (order.type === 'guard') swap.guard(order.port, order.addresses)
    return 0
  }

  /** Stops waiting for a device that is gone and tells the control thread. */
  lose(attached: Attached, errno: number): void {
    this.detach(attached)
    this.report(attached, errno)
  }

  report(attached: Attached, errno: number): void {
    this.answer({ type: 'lost', port: attached.port.index, incarnation: attached.port.incarnation, errno })
  }

  tell(): void {
    for (const { port, queue } of this.loop.asked) {
      if (queue instanceof MemoryQueue && queue.wanted) this.answer({ type: 'frames', port: port.index })
    }
  }

  private attach(attached: Attached): void {
    const { loop } = this
    const { port, queue } = attached
    this.watch(attached)
    if (queue instanceof VhostQueue) loop.lent = [...loop.lent, { port, queue }]
    else if (!(queue instanceof DescriptorQueue)) loop.asked = [...loop.asked, attached]
  }

  private watch(attached: Attached): void {
    const { loop } = this
    const { queue } = attached
    if (queue.fd < 0) return
    const vacant = loop.attached.indexOf(null, 1)
    const id = vacant < 0 ? loop.attached.length : vacant
    loop.attached[id] = attached
    const bell = queue instanceof VhostQueue ? queue : null
    loop.bells[id] = bell
    this.poll.add(queue.fd, id, bell !== null)
  }

  private unwatch(attached: Attached): void {
    const id = this.loop.attached.indexOf(attached)
    if (id <= 0) return
    this.poll.remove(attached.queue.fd)
    this.loop.attached[id] = null
  }

  private detach(attached: Attached): void {
    const { loop } = this
    this.unwatch(attached)
    loop.asked = loop.asked.filter((other) => other !== attached)
    loop.lent = loop.lent.filter(({ queue }) => queue !== attached.queue)
    if (attached.port.queue === attached.queue) attached.port.queue = null
    attached.queue.close()
  }

  /** Serves what a front-end lends from now on. Its doorbells may be closed as soon as this is answered. */
  private seat({ number, port, incarnation, front }: Extract<Order, { type: 'front' }>): void {
    const pairs = this.swap.pairs(port, incarnation)
    for (const attached of pairs.values()) this.unwatch(attached)
    try {
      this.swap.seat(pairs, front)
      for (const attached of pairs.values()) this.watch(attached)
      this.answer({ type: 'done', number, result: 0 })
    } catch (error) {
      this.answer({ type: 'refused', number, why: (error as Error).message })
    }
  }

  /** A guest broke the rules of its rings: nothing that its front-end lends is served any more, and the control thread is told why. */
  shun({ port, queue }: Lent): void {
    const { index, incarnation } = port
    const why = queue.fault
    const pairs = this.swap.pairs(index, incarnation)
    for (const attached of pairs.values()) this.unwatch(attached)
    this.swap.seat(pairs, null)
    this.answer({ type: 'broken', port: index, incarnation, why })
  }

  private answer(answer: Answer): void {
    this.port.postMessage(answer)
  }
}

if (parentPort) new Worker(workerData as Start, parentPort).run()
