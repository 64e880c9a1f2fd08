/**
 * The crew: the worker threads, their orders and their end. A worker answers by message; it is told by message and doorbell.
 */
import { EventEmitter } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Arena } from '../memory/arena.ts'
import * as counters from '../memory/counters.ts'
import * as doorbell from '../memory/doorbell.ts'
import { home } from '../memory/package.ts'
import { STRIDE } from '../memory/pool.ts'
import * as layout from '../pipeline/layout.ts'
import type { Answer, Order, Program, Start } from '../pipeline/program.ts'

/** A worker's frames: enough for 32 full bursts under way; what is never touched costs no memory. */
const FRAMES_PER_WORKER = 2048
/** The pool of all workers together stays below this many bytes of the arena's 2 GiB. */
const POOL_LENGTH_MAX = 2 ** 30
/** How long an orderly end may take, in milliseconds; a worker's longest sleep is a second. */
const END_MS = 3000
/** The most of a worker's own heap, in MiB: rules take it, 131,072 of the largest kind some 300, and twice that while they are replaced. */
const HEAP_MIB = 1024

/** Frames a worker gets when there are `workers` of them. */
export function framesPerWorker(workers: number): number {
  return Math.min(FRAMES_PER_WORKER, Math.floor(POOL_LENGTH_MAX / STRIDE / workers))
}

type Ask = Order extends infer O ? (O extends Order ? Omit<O, 'number'> : never) : never

/** The worker's bundle, beside this one or in dist/. */
function entry(): string {
  return join(home(import.meta.url), 'dist/worker.js')
}

interface Events {
  failed: [Error]
  lost: [{ port: number; incarnation: number; errno: number }]
  frames: [number]
  broken: [{ port: number; incarnation: number; why: number }]
}

/** Who gave an order. */
interface Waiting {
  worker: number
  resolve: (result: number) => void
  reject: (error: Error) => void
}

export class Crew extends EventEmitter<Events> {
  readonly bells: doorbell.Doorbell[]
  /** what has to be told before a program that brings ports or takes them away */
  before: () => Promise<void> = async () => {}
  private readonly arena: Arena
  private readonly threads: Worker[] = []
  private readonly waiting = new Map<number, Waiting>()
  private readonly running = new Set<Worker>()
  private number = 0
  private ending = false

  private constructor(arena: Arena, bells: doorbell.Doorbell[]) {
    super()
    this.arena = arena
    this.bells = bells
  }

  /** Starts `workers` threads over the arena; resolves when all of them poll. */
  static async start(arena: Arena, workers: number): Promise<Crew> {
    const frames = framesPerWorker(workers)
    const poolAt = arena.allocate('pool', workers * frames * STRIDE).at
    const doorbellsAt = arena.allocate('doorbells', workers * doorbell.WORDS * 4).at
    for (let w = 0; w < workers; w++) {
      layout.worker(arena, w, frames)
      counters.block(arena, w)
      layout.rings(arena, w, workers, frames)
    }
    layout.none(arena)
    const doorbells = Array.from({ length: workers }, () => doorbell.create())
    const bells = doorbells.map(
      (fd, w) => new doorbell.Doorbell(arena, doorbellsAt + w * doorbell.WORDS * 4, fd),
    )
    const crew = new Crew(arena, bells)
    const common = {
      arena: { fd: arena.fd, length: arena.length },
      workers,
      poolAt,
      framesPerWorker: frames,
      doorbellsAt,
    }
    const starts: Promise<void>[] = []
    for (let worker = 0; worker < workers; worker++) starts.push(crew.spawn({ ...common, worker, doorbells }))
    await Promise.all(starts)
    return crew
  }

  /** True once it was told to end: it carries out nothing any more. */
  get isEnding(): boolean {
    return this.ending
  }

  get size(): number {
    return this.threads.length
  }

  private spawn(start: Start): Promise<void> {
    const thread = new Worker(entry(), {
      workerData: start,
      name: `dataplane-${start.worker}`,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB, maxYoungGenerationSizeMb: 8 },
    })
    this.threads.push(thread)
    this.running.add(thread)
    return new Promise((ready, reject) => {
      thread.on('message', (answer: Answer) => {
        if (answer.type === 'ready') ready()
        else this.hear(answer)
      })
      thread.on('error', (error) => {
        reject(error)
        this.fail(start.worker, error)
      })
      thread.on('exit', (code) => {
        this.running.delete(thread)
        if (!this.ending)
          this.fail(start.worker, new Error(`dataplane worker ${start.worker} ended with code ${code}`))
      })
    })
  }

  /** A worker died: nobody waits for what it was told, and the switch must end. */
  private fail(worker: number, error: Error): void {
    for (const [number, waiting] of this.waiting) {
      if (waiting.worker !== worker) continue
      this.waiting.delete(number)
      waiting.reject(error)
    }
    this.emit('failed', error)
  }

  private hear(answer: Answer): void {
    if (answer.type === 'done' || answer.type === 'refused') {
      const waiting = this.waiting.get(answer.number)
      this.waiting.delete(answer.number)
      if (answer.type === 'done') waiting?.resolve(answer.result)
      else waiting?.reject(new Error(answer.why))
    } else if (answer.type === 'lost') this.emit('lost', answer)
    else if (answer.type === 'broken') this.emit('broken', answer)
    else if (answer.type === 'frames') this.emit('frames', answer.port)
  }

  /** Gives every worker the same order; resolves with the sum of their results when all have carried it out. */
  async order(ask: Ask): Promise<number> {
    const results = this.threads.map((_, worker) => this.tell(worker, ask))
    return (await Promise.all(results)).reduce((sum, result) => sum + result, 0)
  }

  /** Gives one worker an order; resolves with its result once it is carried out. */
  tell(worker: number, ask: Ask): Promise<number> {
    const thread = this.threads[worker]
    // Nothing is carried out any more, and who waits for it goes too.
    if (this.ending) return new Promise(() => {})
    if (!this.running.has(thread)) return Promise.reject(new Error(`dataplane worker ${worker} is gone`))
    const number = ++this.number
    const done = new Promise<number>((resolve, reject) =>
      this.waiting.set(number, { worker, resolve, reject }),
    )
    thread.postMessage({ ...ask, number } as Order)
    this.bells[worker].post()
    return done
  }

  async swap(program: Program): Promise<number> {
    await this.before()
    return this.order({ type: 'program', program })
  }

  /** Tells every worker to end; does not wait, so it serves in an exit handler. */
  stop(): void {
    this.ending = true
    this.arena.stop()
    for (const bell of this.bells) bell.ring()
  }

  /** Ends every worker and waits for it. */
  async end(): Promise<void> {
    this.stop()
    const late = AbortSignal.timeout(END_MS)
    for (const thread of this.running) {
      await new Promise<void>((resolve, reject) => {
        thread.once('exit', () => resolve())
        late.addEventListener('abort', () => reject(new Error('a dataplane worker did not end in time')))
      })
    }
    for (const bell of this.bells) bell.close()
  }
}
