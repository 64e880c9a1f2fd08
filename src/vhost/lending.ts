/**
 * What a front-end lends: its memory and its virtqueues, and what workers have of them.
 *
 * Workers see snapshots. Whenever one changes they are told (`seat`), and only when they have answered is anything closed or unmapped that
 * the one before had. A ring that starts again is taken away first: where it stopped is known only then.
 */
import * as feature from './feature.ts'
import type { FrontProgram, RingProgram } from './front.ts'
import { type Host, Memory } from './memory.ts'
import { Violation } from './violation.ts'
import { Virtqueue } from './virtqueue.ts'

/** What others do for a session. */
export interface Hands {
  /** Has workers serve this and nothing else, and resolves when they do; `features` are those of virtio that were agreed on. */
  seat(front: FrontProgram | null, features: bigint): Promise<void>
  /** The next avail entry of a ring that was seated: 0 is the one that the guest receives from, 1 the one that it transmits on. */
  next(pair: number, direction: number): number
}

export class Lending {
  readonly memory: Memory
  /** by number; even ones the guest receives from, odd ones it transmits on */
  readonly vrings: readonly Virtqueue[]
  features = 0n
  private readonly hands: Hands
  private readonly host: Host
  /** what workers serve: rings by number, and the snapshot in short */
  private served: (RingProgram | null)[] = []
  private snapshot = ''
  /** descriptors that no later snapshot has */
  private dropped: number[] = []

  constructor(queues: number, hands: Hands, host: Host) {
    this.hands = hands
    this.host = host
    this.memory = new Memory(host)
    this.vrings = Array.from({ length: 2 * queues }, (_, index) => new Virtqueue(index))
  }

  /** Pairs of which workers serve both rings. */
  get running(): number {
    return this.served.filter((ring, i) => i % 2 === 1 && ring !== null && this.served[i - 1] !== null).length
  }

  vring(index: number): Virtqueue {
    const vring = this.vrings[index]
    if (vring) return vring
    const queues = this.vrings.length / 2
    const has = queues === 1 ? 'one pair of queues' : `${queues} pairs of queues`
    throw new Violation(`vring ${index} is wanted, and the port has ${has}`)
  }

  agree(features: bigint): void {
    // What they mean for a ring is fixed when it starts.
    if (features !== this.features) for (const vring of this.vrings) vring.generation++
    this.features = features
  }

  /** Takes a descriptor that is not needed any more, once workers have let go of it. */
  drop(fd: number): void {
    if (fd >= 0) this.dropped.push(fd)
  }

  /** Gives a ring its doorbell, -1 for one that is polled: it runs. Owns the descriptor, also if it cannot. */
  start(vring: Virtqueue, kick: number): void {
    this.stop(vring)
    vring.kick = kick
    vring.start(this.memory)
  }

  stop(vring: Virtqueue): void {
    vring.started = false
    this.drop(vring.kick)
    vring.kick = -1
  }

  /** Owns the descriptor, -1 for none. */
  call(vring: Virtqueue, call: number): void {
    this.drop(vring.call)
    vring.call = call
  }

  /** Every ring stops. */
  reset(): void {
    for (const vring of this.vrings) this.stop(vring)
  }

  /** Has workers serve what is to be served now, and gives back what they do not need any more. */
  async settle(): Promise<void> {
    const { vrings, memory } = this
    // "If PROTOCOL_FEATURES has not been negotiated, the ring starts directly in the enabled state."
    const isEnabled = (this.features & feature.PROTOCOL_FEATURES) === 0n
    const wanted = vrings.map((vring) => vring.program(memory, isEnabled))
    const staying = wanted.map((ring, i) => (ring?.generation === this.served[i]?.generation ? ring : null))
    if (this.served.some((ring, i) => ring !== null && staying[i] === null)) await this.seat(staying)
    wanted.forEach((ring, i) => {
      if (ring !== null && staying[i] === null) ring.base = vrings[i].resume(memory)
    })
    await this.seat(wanted)
    this.discard()
    memory.release()
  }

  /** Takes everything away from the workers and gives it back. Never throws: where workers are gone they use nothing either. */
  async close(): Promise<void> {
    this.reset()
    for (const vring of this.vrings) this.call(vring, -1)
    await this.seat(this.vrings.map(() => null)).catch(() => {})
    this.discard()
    this.memory.close()
  }

  private async seat(rings: (RingProgram | null)[]): Promise<void> {
    const front = this.front(rings)
    const snapshot = inShort(front)
    if (snapshot === this.snapshot) return
    await this.hands.seat(front, this.features)
    const before = this.served
    this.snapshot = snapshot
    this.served = rings
    before.forEach((ring, i) => {
      if (ring !== null && rings[i] === null) this.vrings[i].next = this.hands.next(i >> 1, i & 1)
    })
  }

  private front(rings: (RingProgram | null)[]): FrontProgram | null {
    if (rings.every((ring) => ring === null)) return null
    const { features } = this
    return {
      table: this.memory.table,
      headerLength: feature.headerLength(features),
      mergeable: (features & feature.MRG_RXBUF) !== 0n,
      eventIndex: (features & feature.EVENT_IDX) !== 0n,
      pairs: Array.from({ length: rings.length / 2 }, (_, pair) => ({
        receive: rings[2 * pair],
        transmit: rings[2 * pair + 1],
      })),
    }
  }

  private discard(): void {
    for (const fd of this.dropped.splice(0)) this.host.descriptorClose(fd)
  }
}

/** Two snapshots that differ in anything but the bases of rings differ in this. */
function inShort(front: FrontProgram | null): string {
  if (front === null) return ''
  const { pairs, ...traits } = front
  const rings = pairs.flatMap(({ receive, transmit }) => [receive, transmit])
  const words = rings.map((ring) => (ring === null ? '' : Object.values({ ...ring, base: 0 }).join()))
  return [...Object.values(traits), ...words].join(';')
}
