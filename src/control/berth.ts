/**
 * Berths: where the lines of socket ports meet the switch. A peer that comes or goes is a change of the program like any other, so it
 * waits for its turn; what a worker says of a peer is passed on to its line.
 */

import { VHOST } from '../pipeline/program.ts'
import type { Device } from '../port/device.ts'
import { close } from '../port/device.ts'
import { type FrontProgram, LINE } from '../vhost/front.ts'
import { Calm } from './calm.ts'
import type { Crew } from './crew.ts'
import { DgramLine, type Line, StreamLine } from './line.ts'
import type { Member, Spec } from './member.ts'
import type { Plant } from './plant.ts'
import type { Log } from './switch.ts'
import { VhostLine } from './vhost.ts'

/** One change at a time. */
export type Turn = <T>(act: () => Promise<T>) => Promise<T>

export class Dock {
  readonly plant: Plant
  readonly crew: Crew
  readonly log: Log
  readonly turn: Turn

  constructor(plant: Plant, crew: Crew, log: Log, turn: Turn) {
    this.plant = plant
    this.crew = crew
    this.log = log
    this.turn = turn
    plant.line = (member) => this.line(member)
    crew.on('lost', ({ incarnation, errno }) => this.find(incarnation)?.lost(errno))
    crew.on('broken', ({ incarnation, why }) => this.find(incarnation)?.broken(why))
  }

  async swap(): Promise<void> {
    try {
      await this.crew.swap(this.plant.program())
    } catch {
      // A worker died. The crew told of it, and the switch ends: nobody here has to.
    }
  }

  private line(member: Member): Line | null {
    const { type } = member.spec
    if (type === 'vhost-user') return new VhostLine(new Berth(this, member))
    if (type === 'stream') return new StreamLine(new Berth(this, member))
    return type === 'dgram' ? new DgramLine(member.spec) : null
  }

  private find(incarnation: number): Line | null {
    return [...this.plant.members.values()].find((each) => each.incarnation === incarnation)?.line ?? null
  }
}

export class Berth {
  readonly log: Log
  private readonly dock: Dock
  private readonly member: Member

  constructor(dock: Dock, member: Member) {
    this.dock = dock
    this.member = member
    this.log = new Calm(dock.log)
  }

  get spec(): Spec {
    return this.member.spec
  }

  private get isHere(): boolean {
    const { plant, crew } = this.dock
    return plant.members.get(this.spec.name) === this.member && !crew.isEnding
  }

  /** Gives the port a device, and all workers know it afterwards. False: the port is gone, and what was brought is for the caller to close. */
  attach(device: Device): Promise<boolean> {
    const { dock, member } = this
    return dock.turn(async () => {
      if (!this.isHere) return false
      const { plant } = dock
      member.device = device
      if (device.kind === VHOST)
        member.memoryAt = plant.arena.allocate(`front/${member.incarnation}`, device.fds.length * LINE * 4).at
      this.say('')
      await dock.swap()
      this.log.info({ port: this.spec.name }, 'a peer is connected')
      return true
    })
  }

  /** Takes the port's device away and closes it: when this resolves, no worker uses anything of it, and its MACs are forgotten. */
  detach(why: string): Promise<void> {
    const { dock, member } = this
    return dock.turn(async () => {
      const { device } = member
      if (device === null || !this.isHere) return
      const { incarnation } = member
      dock.plant.suspend(member)
      await dock.swap()
      close(device)
      dock.plant.release(member, incarnation)
      this.log.info({ port: this.spec.name }, `${why}: the port waits for the next one`)
    })
  }

  /** Why the port is not up although it has a device; '' and it is. */
  say(reason: string): void {
    this.member.state = reason === '' ? 'up' : 'waiting'
    this.member.reason = reason
  }

  /** The OFFLOAD_ bits that the peer takes from now on. */
  offer(offloads: number): Promise<void> {
    const { dock, member } = this
    return dock.turn(async () => {
      if (!this.isHere || member.device === null || member.device.offloads === offloads) return
      member.device.offloads = offloads
      await dock.swap()
    })
  }

  /** Orders the workers to serve what a front-end lends, null for nothing any more. When it resolves, nothing of before is in use. */
  async seat(front: FrontProgram | null): Promise<void> {
    const { index: port, incarnation } = this.member
    await this.dock.crew.order({ type: 'front', port, incarnation, front })
  }

  /** The next avail entry of a ring of the device, NEXT_RECEIVE or NEXT_TRANSMIT of a pair; exact while no worker serves it. */
  next(pair: number, ring: number): number {
    const { plant } = this.dock
    return plant.arena.i32[(this.member.memoryAt >> 2) + pair * LINE + ring]
  }
}
