/**
 * A front-end's session, from its first message to its last. One message is handled at a time, and whoever wants the next one handled waits
 * for this one, workers included: a flood of messages holds up nobody but its sender.
 */
import { native } from '../memory/native.ts'
import * as feature from './feature.ts'
import { type Hands, Lending } from './lending.ts'
import { type Host, SLOTS } from './memory.ts'
import * as message from './message.ts'
import { Violation } from './violation.ts'
import { isDoorbell, type Virtqueue } from './virtqueue.ts'

/** What the port allows. */
export interface Terms {
  /** pairs of rings */
  queues: number
  /** the most that the guest's MTU may be */
  mtu: number
  /** whether checksums and segments are left to the other side */
  offload: boolean
}

/** What comes of a message. The descriptors are of whoever sends the answer, to close afterwards. */
export interface Outcome {
  answer: Buffer | null
  fds: number[]
  /** why the connection has to end, '' if it goes on */
  fault: string
}

/** Makes the payload of the answer once workers have what follows from the message. */
type Answer = () => Uint8Array
/** Answers nothing where only success is told. */
type Handler = (given: message.Message) => Answer | undefined

/** bytes of what a back-end notes of a ring for its successor: a head, and an entry for each descriptor */
const INFLIGHT_HEAD = 16
const INFLIGHT_ENTRY = 16
const INFLIGHT_ALIGN = 64
/** RFC 791: every module must be able to forward datagrams of 68 bytes */
const MTU_MIN = 68

export class Session {
  /** what the front-end tells its guest, 0 if it did not say */
  mtu = 0
  private readonly terms: Terms
  private readonly host: Host
  private readonly lending: Lending
  private readonly handlers: ReadonlyMap<number, Handler>
  private status = 0
  /** the channel by which we could ask the front-end something */
  private channel = -1
  /** descriptors that go out with the answer */
  private outgoing: number[] = []
  /** the message cannot be complied with, and that is no violation */
  private refused = false

  constructor(terms: Terms, hands: Hands, host: Host = native) {
    this.terms = terms
    this.host = host
    this.lending = new Lending(terms.queues, hands, host)
    this.handlers = new Map([...this.agreement(), ...this.device(), ...this.memory(), ...this.rings()])
  }

  /** The features of virtio that were agreed on, by name. */
  get features(): string[] {
    return feature.names(this.lending.features & ~feature.PROTOCOL_FEATURES)
  }

  /** How many pairs of rings run. */
  get running(): number {
    return this.lending.running
  }

  /** Does what a message says and owns its descriptors. Never throws; after a fault only `close` follows. */
  async handle(given: message.Message): Promise<Outcome> {
    try {
      const answer = await this.obey(given)
      return { answer, fds: this.outgoing.splice(0), fault: '' }
    } catch (error) {
      this.discard(this.outgoing.splice(0))
      return { answer: null, fds: [], fault: (error as Error).message }
    } finally {
      this.discard(given.fds.splice(0))
    }
  }

  /** Gives everything back. Never throws. */
  async close(): Promise<void> {
    await this.lending.close()
    if (this.channel >= 0) this.discard([this.channel])
    this.channel = -1
  }

  private async obey(given: message.Message): Promise<Buffer | null> {
    const { request, flags, payload } = given
    const head = { request, flags, length: payload.length }
    const wrong = message.misheaded(head) || message.misequipped(given)
    if (wrong !== '') throw new Violation(wrong)
    this.refused = false
    const answer = this.handlers.get(request)!(given)
    await this.lending.settle()
    if (answer) return message.answer(request, answer())
    if ((flags & message.NEED_ANSWER) === 0) return null
    return message.answer(request, message.u64Payload(this.refused ? 1n : 0n))
  }

  /** What is agreed on before anything is shared. Who connects owns the session, and RESET_OWNER is better ignored, says the protocol. */
  private agreement(): [number, Handler][] {
    const { queues, offload } = this.terms
    const offered = feature.offered(queues, offload)
    return [
      [message.GET_FEATURES, () => () => message.u64Payload(offered)],
      [message.SET_FEATURES, act(({ payload }) => this.lending.agree(chosen(payload, offered)))],
      [message.GET_PROTOCOL_FEATURES, () => () => message.u64Payload(feature.PROTOCOL)],
      // They change nothing here: every message says itself what it wants.
      [message.SET_PROTOCOL_FEATURES, act(({ payload }) => void chosen(payload, feature.PROTOCOL, hex))],
      [message.GET_QUEUE_NUM, ({ flags }) => this.count(flags)],
      [message.GET_MAX_MEM_SLOTS, () => () => message.u64Payload(BigInt(SLOTS))],
      [message.SET_OWNER, act(() => {})],
      [message.RESET_OWNER, act(() => {})],
    ]
  }

  /** The device as a whole, and migration, which was not offered. */
  private device(): [number, Handler][] {
    const refuse = act(() => this.refuse())
    return [
      [message.RESET_DEVICE, act(() => this.setStatus(0n))],
      [message.SET_STATUS, act(({ payload }) => this.setStatus(message.u64(payload)))],
      [message.GET_STATUS, () => () => message.u64Payload(BigInt(this.status))],
      [message.NET_SET_MTU, act(({ payload }) => this.setMtu(message.u64(payload)))],
      [message.SET_BACKEND_REQ_FD, act(({ fds }) => this.keepChannel(fds.shift()!))],
      [message.SET_LOG_BASE, refuse],
      [message.SET_LOG_FD, refuse],
      [message.SEND_RARP, refuse],
    ]
  }

  private memory(): [number, Handler][] {
    const { memory } = this.lending
    return [
      [message.SET_MEM_TABLE, act((given) => this.share(given))],
      [message.ADD_MEM_REG, act(({ payload, fds }) => memory.add(message.region(payload), fds[0]))],
      [message.REM_MEM_REG, act(({ payload }) => memory.remove(message.region(payload)))],
      [message.GET_INFLIGHT_FD, ({ payload }) => this.lendInflight(payload)],
      // We serve in order, and what the driver was told to be used says where to go on.
      [message.SET_INFLIGHT_FD, act(() => {})],
    ]
  }

  private rings(): [number, Handler][] {
    const { lending } = this
    const about = (turn: (vring: Virtqueue, value: number, payload: Buffer) => void) =>
      act(({ payload }) => {
        const { index, value } = message.state(payload)
        turn(lending.vring(index), value, payload)
      })
    return [
      [message.SET_VRING_NUM, about((vring, value) => vring.resize(value))],
      [message.SET_VRING_ADDR, about((vring, _, payload) => vring.place(message.addresses(payload)))],
      [message.SET_VRING_BASE, about((vring, value) => vring.rebase(value))],
      [message.SET_VRING_ENABLE, about((vring, value) => vring.enable(value))],
      [message.GET_VRING_BASE, ({ payload }) => this.stop(message.state(payload).index)],
      [message.SET_VRING_KICK, act((given) => lending.start(this.named(given), doorbell(given)))],
      [message.SET_VRING_CALL, act((given) => lending.call(this.named(given), doorbell(given)))],
      // Nothing is ever told by it: who breaks the rules is disconnected.
      [message.SET_VRING_ERR, act((given) => void this.named(given))],
    ]
  }

  /**
   * How many queues there are: QEMU and DPDK mean pairs, the front-ends made of rust-vmm, Cloud Hypervisor before all, mean rings. Those
   * ask of every message whether it worked, which has no meaning here and which QEMU does not.
   */
  private count(flags: number): Answer {
    const { queues } = this.terms
    const isRings = (flags & message.NEED_ANSWER) !== 0
    return () => message.u64Payload(BigInt(isRings ? 2 * queues : queues))
  }

  private refuse(): void {
    this.refused = true
  }

  /** The ring of a message that has a descriptor or says that it has none. */
  private named({ request, payload, fds }: message.Message): Virtqueue {
    const { index, none } = message.file(payload)
    if (none !== (fds.length === 0))
      throw new Violation(`${message.name(request)} says something else of its descriptors than it has`)
    return this.lending.vring(index)
  }

  /** Every ring stops with a status of 0. Where it stopped is remembered: QEMU resets a device and asks for that afterwards. */
  private setStatus(status: bigint): void {
    if (status > 255n) throw new Violation(`device status ${status}`)
    if (status === 0n) this.lending.reset()
    this.status = Number(status)
  }

  private setMtu(mtu: bigint): void {
    if (mtu < BigInt(MTU_MIN) || mtu > BigInt(this.terms.mtu)) this.refuse()
    else this.mtu = Number(mtu)
  }

  private keepChannel(fd: number): void {
    this.lending.drop(this.channel)
    this.channel = fd
  }

  private share({ payload, fds }: message.Message): void {
    const regions = message.regions(payload)
    if (regions === null) throw new Violation('SET_MEM_TABLE with fewer or more regions than it says')
    if (regions.length !== fds.length)
      throw new Violation(`SET_MEM_TABLE with ${regions.length} regions and ${fds.length} descriptors`)
    this.lending.memory.replace(regions, fds)
  }

  /** Hands out memory in which a back-end may note for its successor what it has not finished; we have nothing to note. */
  private lendInflight(payload: Buffer): Answer {
    const { queues, size } = message.inflight(payload)
    if (queues > this.lending.vrings.length) throw new Violation(`GET_INFLIGHT_FD for ${queues} vrings`)
    const each = Math.ceil((INFLIGHT_HEAD + size * INFLIGHT_ENTRY) / INFLIGHT_ALIGN) * INFLIGHT_ALIGN
    const length = Math.max(1, queues) * each
    this.outgoing.push(this.host.memoryCreate('bridgeport-inflight', length))
    return () => message.inflightPayload({ length: BigInt(length), offset: 0n, queues, size }, payload.length)
  }

  private stop(index: number): Answer {
    const vring = this.lending.vring(index)
    this.lending.stop(vring)
    return () => message.statePayload(vring.index, vring.next)
  }

  private discard(fds: number[]): void {
    for (const fd of fds) this.host.descriptorClose(fd)
  }
}

/** A handler that answers nothing. */
function act(turn: (given: message.Message) => void): Handler {
  return (given) => {
    turn(given)
    return undefined
  }
}

/** The features that a front-end chose of those that were offered; the others have a name. */
function chosen(payload: Buffer, offered: bigint, named = feature.names): bigint {
  const features = message.u64(payload)
  const foreign = features & ~offered
  if (foreign === 0n) return features
  throw new Violation(`features that were not offered: ${named(foreign).join(', ')}`)
}

function hex(features: bigint): string[] {
  return [`0x${features.toString(16)} of the protocol`]
}

/** Takes the eventfd out of a message, -1 if it has none. */
function doorbell({ request, fds }: message.Message): number {
  if (fds.length === 0) return -1
  if (!isDoorbell(fds[0]))
    throw new Violation(`${message.name(request)} with a descriptor that is no eventfd`)
  return fds.shift()!
}
