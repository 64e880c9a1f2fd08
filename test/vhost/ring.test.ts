/** Rings of every size against plain lists: frames arrive once and in order, nobody sleeps over something, and nobody is told who does not want it. */
import { expect, it } from 'vitest'
import { numbered, numberOf, station } from '../lab/frame.ts'
import { Random } from '../lab/random.ts'
import { Berth } from '../lab/virtio/berth.ts'
import * as feature from '../lab/virtio/feature.ts'
import { Memory } from '../lab/virtio/memory.ts'
import { type Lane, type Layout, Pair } from '../lab/virtio/pair.ts'

const seed = Number(process.env.SEED ?? 0x0051) | 0
const SIZES = Array.from({ length: 16 }, (_, n) => 2 ** n)
const BURST = 64
/** steps of a run; every ring begins shortly before its indexes go round */
const STEPS = 1000

interface Conditions {
  size: number
  features: bigint
  random: Random
}

/** What happens to a pair of rings, and what must come of it. */
class Model {
  readonly pair: Pair
  readonly berth: Berth
  readonly random: Random
  readonly isEvent: boolean
  /** numbers of the frames that are under way, and of those that were put but not shown */
  readonly hidden: number[] = []
  readonly toSwitch: number[] = []
  readonly toGuest: number[] = []
  /** the switch was told that it may sleep */
  asleep = false
  /** lanes whose driver asked to be told, and whether it was */
  readonly armed = new Map<Lane, boolean>()
  number = 0
  superfluous = 0

  constructor({ size, features, random }: Conditions) {
    const base = 65_536 - random.below(300)
    const memory = new Memory([{ guest: 0n, length: 2 ** 25 }])
    this.pair = new Pair(memory, { features, size, base, buffers: () => [128] })
    this.berth = new Berth(this.pair)
    this.random = random
    this.isEvent = (features & feature.EVENT_IDX) !== 0n
    for (const lane of this.pair.lanes) this.#disarm(lane)
    this.pair.fill()
  }

  step(): void {
    const acts = [this.put, this.put, this.serve, this.serve, this.rest, this.give, this.take, this.ask]
    this.random.of(acts).call(this)
    for (const lane of this.pair.lanes) expect(lane.calls, 'told without having asked').toBe(0)
  }

  #layout(): Layout {
    const cuts = Array.from({ length: this.random.below(4) }, () => 1 + this.random.below(40))
    return this.random.once(2) ? { cuts } : { cuts, direct: 0 }
  }

  /** The driver sends some frames, and perhaps shows them. */
  put(): void {
    for (let n = this.random.below(this.random.once(8) ? 300 : 20); n > 0; n--) {
      const frame = numbered(station(2), station(1), this.number)
      if (!this.pair.put(frame, this.#layout())) break
      this.hidden.push(this.number++)
    }
    if (this.random.once(4)) return
    const { transmitter } = this.pair
    const before = transmitter.kicks
    transmitter.publish()
    const kicks = transmitter.kicks - before
    if (this.asleep) expect(kicks, 'the switch sleeps over frames').toBe(this.hidden.length > 0 ? 1 : 0)
    else this.superfluous += kicks
    this.toSwitch.push(...this.hidden.splice(0))
    if (kicks > 0) this.berth.queue.wake()
    if (kicks > 0) this.asleep = false
  }

  /** The switch takes a burst, as it does when it is awake. */
  serve(): void {
    if (this.asleep) return
    const { berth, toSwitch } = this
    expect(berth.queue.quiet).toBe(toSwitch.length === 0)
    const capacity = this.random.once(2) ? BURST : 1 + this.random.below(BURST)
    const got = berth.receive(capacity).map(({ frame }) => numberOf(frame))
    expect(got).toEqual(toSwitch.splice(0, Math.min(capacity, toSwitch.length)))
    this.#progress(this.pair.transmitter, got.length)
  }

  /** The switch wants to sleep. */
  rest(): void {
    const mayMs = this.berth.queue.rest()
    if (this.toSwitch.length > 0) expect(mayMs).toBe(0)
    else expect(mayMs).toBeGreaterThan(0)
    this.asleep = mayMs > 0
  }

  /** The switch sends a burst. */
  give(): void {
    const { berth, pair, random } = this
    const room = pair.receiver.ring.outstanding - this.toGuest.length
    const numbers = Array.from({ length: random.below(BURST + 1) }, () => this.number++)
    const frames = numbers.map((each) => numbered(station(1), station(2), each))
    const fits = Math.min(room, frames.length)
    expect(berth.transmit(...frames).taken).toBe(fits)
    this.toGuest.push(...numbers.slice(0, fits))
    this.#progress(pair.receiver, fits)
  }

  /** The driver takes what came, and gives some buffers. */
  take(): void {
    const { pair, toGuest, random } = this
    for (let n = random.below(200); n > 0; n--) {
      const got = pair.receive()
      expect(got ? numberOf(got.frame) : null).toBe(toGuest.shift() ?? null)
      if (!got) break
    }
    if (!random.once(3)) pair.fill(random.below(400))
    if (this.armed.has(pair.receiver)) this.#disarm(pair.receiver)
  }

  /** The driver asks to be told of what comes next, or no longer. */
  ask(): void {
    const lane = this.random.of(this.pair.lanes)
    if (this.armed.has(lane)) {
      this.#disarm(lane)
      return
    }
    if (lane === this.pair.transmitter) this.pair.reclaim()
    const isEmpty = lane.ring.arm()
    if (lane === this.pair.receiver) expect(isEmpty).toBe(this.toGuest.length === 0)
    if (isEmpty) this.armed.set(lane, false)
    else this.#disarm(lane)
  }

  #disarm(lane: Lane): void {
    lane.ring.disarm()
    this.armed.delete(lane)
  }

  /** After the switch used entries: the driver was told if it had asked, with event indexes only once. */
  #progress(lane: Lane, count: number): void {
    const told = this.armed.get(lane)
    if (told === undefined || count === 0) return
    expect(lane.calls, 'the driver sleeps over used entries').toBe(told && this.isEvent ? 0 : 1)
    this.armed.set(lane, true)
  }
}

const MODERN = feature.VERSION_1 | feature.MRG_RXBUF | feature.INDIRECT_DESC
const kinds: [string, bigint][] = [
  ['flags', MODERN],
  ['event indexes', MODERN | feature.EVENT_IDX],
  ['event indexes, in order', MODERN | feature.EVENT_IDX | feature.IN_ORDER],
]

for (const [kind, features] of kinds) {
  it.each(SIZES)(`a ring of %d with ${kind} (seed ${seed})`, (size) => {
    const random = new Random(seed ^ size)
    const model = new Model({ size, features, random })
    for (let step = 0; step < STEPS; step++) model.step()
    // An event index that was passed comes by again when the index has gone round.
    const rounds = Math.ceil(model.number / 65_536)
    expect(model.superfluous).toBeLessThanOrEqual(rounds)
    expect(model.berth.whole).toBe(true)
    model.berth.unseat()
    model.pair.close()
    model.pair.memory.close()
  })
}

it('a driver and a switch that pass 131,072 frames each way keep their indexes over many rounds', () => {
  for (const features of [MODERN, MODERN | feature.EVENT_IDX]) {
    const pair = new Pair(new Memory(), { features, size: 512, base: 65_400, buffers: () => [128] })
    const berth = new Berth(pair)
    pair.fill()
    const frames = Array.from({ length: BURST }, (_, n) => numbered(station(2), station(1), n))
    for (let total = 0; total < 131_072; total += BURST) {
      pair.send(...frames)
      expect(berth.receive().length).toBe(BURST)
      expect(berth.transmit(...frames).taken).toBe(BURST)
      expect(pair.drain().length).toBe(BURST)
    }
    expect(berth.next).toEqual([(65_400 + 131_072) & 0xffff, (65_400 + 131_072) & 0xffff])
    berth.unseat()
  }
})
