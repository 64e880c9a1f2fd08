/** Well-behaved guests: one that attaches and exchanges frames, and two who do that all the time and count what is lost. */
import { eventually, pause } from '../command.ts'
import { broadcast, numbered, numberOf, station } from '../frame.ts'
import { Front, type Wishes } from './front.ts'
import { Memory, type Span } from './memory.ts'
import { Pair, type PairOptions } from './pair.ts'

export interface Attachment extends PairOptions, Pick<Wishes, 'manner' | 'protocol' | 'slots'> {
  spans?: Span[]
  /** number of the region that the rings lie in */
  areas?: number
}

/** A guest's memory and rings, and what of them a front-end lends. */
export class Station {
  readonly mac: string
  readonly memory: Memory
  readonly pair: Pair
  readonly wishes: Wishes
  front: Front | null = null
  /** is given what came from anybody else */
  odd: (frame: Uint8Array) => void = () => {}

  constructor(number: number, { spans, areas = 0, manner, protocol, slots, ...options }: Attachment = {}) {
    this.mac = station(number)
    this.memory = new Memory(spans ?? [{ guest: 0n, length: 2 ** 21 }])
    this.pair = new Pair(this.memory, { size: 256, region: this.memory.regions[areas], ...options })
    this.wishes = { memory: this.memory, pairs: [this.pair] }
    if (slots) this.wishes.slots = slots
    if (manner) this.wishes.manner = manner
    if (protocol !== undefined) this.wishes.protocol = protocol
  }

  /** Attaches to a vhost-user port, buffers given. */
  async attach(path: string): Promise<void> {
    this.pair.fill()
    this.front = await Front.meet(path)
    await this.front.start(this.wishes)
  }

  /** Numbers of the frames that came from a station. */
  heard(from: string): number[] {
    const source = numbered(this.mac, from, 0).subarray(6, 12)
    return this.pair.drain().flatMap(({ frame }) => {
      if (Buffer.compare(frame.subarray(6, 12), source) === 0) return [numberOf(frame)]
      this.odd(frame)
      return []
    })
  }

  say(to: string, ...numbers: number[]): void {
    const sent = this.pair.send(...numbers.map((number) => numbered(to, this.mac, number)))
    if (sent < numbers.length) throw new Error(`${this.mac} has no room for ${numbers.length - sent} frames`)
  }

  detach(): void {
    this.front?.vanish()
    this.front = null
  }

  close(): void {
    this.detach()
    this.pair.close()
    this.memory.close()
  }
}

/** Two stations that never stop to exchange frames, as many at once as every buffer on the way holds: not one may be lost. */
export class Bystanders {
  readonly ends: [Station, Station] = [new Station(1), new Station(2)]
  /** rounds of frames that all arrived */
  rounds = 0
  #stopped = false
  #running: Promise<void> = Promise.resolve()
  #number = 0

  async start(paths: [string, string]): Promise<void> {
    for (const [i, end] of this.ends.entries()) await end.attach(paths[i])
    for (const end of this.ends) end.say(broadcast, 0)
    this.#running = this.#run()
    this.#running.catch(() => {})
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const numbers = Array.from({ length: 32 }, () => ++this.#number)
      for (const [i, end] of this.ends.entries()) end.say(this.ends[1 - i].mac, ...numbers)
      for (const [i, end] of this.ends.entries()) {
        const missing = [...numbers]
        await eventually(`frames ${missing[0]} to ${missing.at(-1)} at ${end.mac}`, () => {
          for (const number of end.heard(this.ends[1 - i].mac)) {
            if (number === 0) continue
            if (number !== missing.shift()) throw new Error(`frame ${number} out of turn at ${end.mac}`)
          }
          return missing.length === 0
        })
      }
      this.rounds++
      await pause(1)
    }
  }

  /** Resolves once some more rounds have passed; rejects if a frame was lost. */
  async pass(rounds = 3): Promise<void> {
    const wanted = this.rounds + rounds
    await Promise.race([this.#running, eventually('frames pass', () => this.rounds >= wanted)])
  }

  /** A frame for everybody, which the bystanders do not count. */
  shout(): void {
    this.ends[0].say(broadcast, 0)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
    for (const end of this.ends) end.close()
  }
}
