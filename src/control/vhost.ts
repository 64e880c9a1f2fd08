/**
 * The line of a vhost-user port: it makes the socket, has a session with each front-end that comes, one after the other, and has workers
 * serve what the front-end lends. A front-end that breaks the rules is disconnected, counted by what it did, and may come again.
 */
import { VHOST } from '../pipeline/program.ts'
import { Channel } from '../port/channel.ts'
import * as device from '../port/device.ts'
import { FAULTS, PROTOCOL } from '../vhost/fault.ts'
import { offloads } from '../vhost/feature.ts'
import type { FrontProgram } from '../vhost/front.ts'
import type { Hands } from '../vhost/lending.ts'
import { Peer } from '../vhost/peer.ts'
import { Session } from '../vhost/session.ts'
import type { Berth } from './berth.ts'
import { type Line, socketOf } from './line.ts'
import { mtuOf } from './member.ts'
import type { SocketRow } from './rows.ts'

const NOBODY = 'no guest is connected'
const IDLE = 'a guest is connected, and its driver does not run'

/**
 * Who was disconnected for what he did is taken again after a while that grows with every time in a row, in milliseconds: each connection
 * costs every worker two changes of its program.
 */
const PAUSE_MS = 10
const PAUSE_MAX_MS = 100

export class VhostLine implements Line {
  private readonly berth: Berth
  private channel: Channel | null = null
  private peer: Peer | null = null
  private session: Session | null = null
  private isAttached = false
  /** OFFLOAD_ bits that the device says it takes */
  private takes = 0
  private isClosed = false
  /** faults in a row */
  private row = 0
  private readonly faults: Record<string, number> = {}
  private fault = ''

  constructor(berth: Berth) {
    this.berth = berth
  }

  open(): null {
    this.channel = new Channel(socketOf(this.berth.spec), (fd) => this.greet(fd))
    this.channel.open()
    return null
  }

  private greet(fd: number): void {
    const { spec } = this.berth
    const hands: Hands = {
      seat: (front, features) => this.seat(front, features),
      next: (pair, direction) => this.berth.next(pair, direction),
    }
    const session = new Session({ queues: spec.queues, mtu: mtuOf(spec), offload: spec.offload }, hands)
    const peer = new Peer(fd, session, (fault) => {
      if (this.peer !== peer) return
      this.peer = null
      if (fault !== '') this.blame(FAULTS[PROTOCOL].name, fault)
      void this.part(fault)
    })
    this.session = session
    this.peer = peer
    this.berth.say(IDLE)
  }

  /** What the front-end lends becomes the device, with the first ring that runs; the device stays until the front-end goes. */
  private async seat(front: FrontProgram | null, features: bigint): Promise<void> {
    // Who closed the line made sure that workers have nothing of the port any more.
    if (this.isClosed) return
    if (front === null) {
      await this.berth.seat(null)
      this.berth.say(IDLE)
      return
    }
    const takes = offloads(features)
    if (!this.isAttached) await this.attach(takes)
    else if (takes !== this.takes) await this.berth.offer(takes)
    this.takes = takes
    await this.berth.seat(front)
    this.berth.say('')
  }

  private async attach(takes: number): Promise<void> {
    const pairs = new Array<number>(this.berth.spec.queues).fill(-1)
    this.isAttached = await this.berth.attach(device.socket(VHOST, pairs, takes))
    if (!this.isAttached) throw new Error('the port was removed')
  }

  private blame(name: string, what: string): void {
    if (this.isClosed) return
    this.faults[name] = (this.faults[name] ?? 0) + 1
    this.fault = what
    this.berth.log.warn({ port: this.berth.spec.name, reason: name }, `the guest is disconnected: ${what}`)
  }

  /** The front-end is gone, and everything that it lent is given back. */
  private async part(fault: string): Promise<void> {
    this.session = null
    await this.berth.detach(fault === '' ? 'the guest is gone' : 'the guest was disconnected')
    this.isAttached = false
    this.berth.say(NOBODY)
    this.row = fault === '' ? 0 : this.row + 1
    if (this.row === 0) this.channel?.done()
    else setTimeout(() => this.channel?.done(), Math.min(PAUSE_MS * this.row, PAUSE_MAX_MS))
  }

  /** Its descriptors are watched on the control thread. */
  lost(): void {}

  broken(why: number): void {
    const { peer } = this
    if (peer === null) return
    this.peer = null
    const { name, meaning } = FAULTS[why]
    this.blame(name, meaning)
    void peer.end().then(() => this.part(meaning))
  }

  told(): Pick<SocketRow, 'guest' | 'faults' | 'fault'> {
    const { session, faults, fault } = this
    const guest = session && { queues: session.running, features: session.features, mtu: session.mtu }
    return { guest, faults, fault }
  }

  close(): void {
    this.isClosed = true
    this.channel?.close()
    void this.peer?.end()
    this.peer = null
  }

  leave(): void {
    this.channel?.leave()
  }
}
