/**
 * Lines: what stands behind a port that is a socket. A line makes the socket, tells its berth of peers that come, and hears of those
 * that went; what happens in the switch meanwhile is the berth's.
 */
import { bind, Channel, remove } from '../port/channel.ts'
import * as device from '../port/device.ts'
import { DGRAM, STREAM } from '../port/queue.ts'
import { EPROTO } from '../port/stream.ts'
import { FAULTS, FRAME_LENGTH } from '../vhost/fault.ts'
import type { Berth } from './berth.ts'
import type { Spec } from './member.ts'
import type { SocketRow } from './rows.ts'

export interface Line {
  /** Makes the socket or begins to look for it. Returns the device of a port that is up at once, null where a peer has to come. Throws a NativeError. */
  open(): device.Device | null
  /** A worker found that nothing comes any more over the device's descriptor, and why. */
  lost(errno: number): void
  /** A worker found that the front-end broke the rules of its rings; `why` is a number of vhost/fault.ts, and nothing of it is in use any more. */
  broken(why: number): void
  /** What listings say of its guest and of what guests did; absent where nothing can be said. */
  told?(): Pick<SocketRow, 'guest' | 'faults' | 'fault'>
  /** Takes no peer any more and gives back everything but the device, which no worker uses any more. */
  close(): void
  /** On the way out in a hurry: removes the socket's file, and nothing else. */
  leave(): void
}

/** What a channel needs of a port's settings; throws a NativeError for an owner that there is not. */
export function socketOf({ path, role, mode, owner }: Spec): ConstructorParameters<typeof Channel>[0] {
  return { path, role, mode, owner: device.userId(owner) }
}

/** QEMU's `-netdev stream`: the connection itself is the device. */
export class StreamLine implements Line {
  private readonly berth: Berth
  private channel: Channel | null = null
  /** how often a peer sent what is no frame */
  private faults = 0

  constructor(berth: Berth) {
    this.berth = berth
  }

  open(): null {
    this.channel = new Channel(socketOf(this.berth.spec), (fd) => void this.greet(fd))
    this.channel.open()
    return null
  }

  private async greet(fd: number): Promise<void> {
    const connection = device.socket(STREAM, [fd], 0)
    // The port may have gone before its turn came.
    if (!(await this.berth.attach(connection))) device.close(connection)
  }

  lost(errno: number): void {
    if (errno === EPROTO) this.faults++
    const why = errno === EPROTO ? FAULTS[FRAME_LENGTH].meaning : 'the peer is gone'
    void this.berth.detach(why).then(() => this.channel?.done())
  }

  broken(): void {}

  told(): ReturnType<NonNullable<Line['told']>> {
    const { name, meaning } = FAULTS[FRAME_LENGTH]
    const { faults: count } = this
    return count === 0
      ? { guest: null, faults: {}, fault: '' }
      : { guest: null, faults: { [name]: count }, fault: meaning }
  }

  close(): void {
    this.channel?.close()
  }

  leave(): void {
    this.channel?.leave()
  }
}

/** QEMU's `-netdev dgram`: a bound socket, whoever is at the other end. */
export class DgramLine implements Line {
  private readonly spec: Spec
  private isBound = false

  constructor(spec: Spec) {
    this.spec = spec
  }

  open(): device.Device {
    const { path, mode, owner } = socketOf(this.spec)
    const fd = bind(path, mode, owner)
    this.isBound = true
    return device.socket(DGRAM, [fd], 0)
  }

  lost(): void {}

  broken(): void {}

  close(): void {
    if (this.isBound) remove(this.spec.path)
    this.isBound = false
  }

  leave(): void {
    if (this.isBound) remove(this.spec.path)
  }
}
