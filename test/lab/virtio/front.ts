/**
 * A vhost-user front-end, which lends rings and memory to the switch as QEMU or DPDK's virtio-user does: the same messages in the same
 * order, each a step after which it can vanish, and every one of them can be sent by hand and wrong.
 */
import { native } from '../../../src/memory/native.ts'
import { pause } from '../command.ts'
import * as feature from './feature.ts'
import type { Memory } from './memory.ts'
import * as message from './message.ts'
import type { Pair } from './pair.ts'

/** What a front-end wants of the switch, beside its memory and rings. */
export interface Wishes {
  memory: Memory
  pairs: Pair[]
  features?: bigint
  protocol?: bigint
  /** in which order it speaks */
  manner?: 'qemu' | 'dpdk'
  /** regions are added one by one instead of in one table */
  slots?: boolean
}

const PROTOCOL = feature.PROTOCOL_MQ | feature.PROTOCOL_REPLY_ACK

/** The other side closed the connection. */
export class Gone extends Error {}

export class Front {
  readonly fd: number
  /** what was agreed upon */
  features = 0n
  protocol = 0n
  #open = true

  constructor(fd: number) {
    this.fd = fd
  }

  static connect(path: string): Front {
    return new Front(native.unixConnect(path))
  }

  /** The same once somebody listens and has room for one more in his backlog. */
  static async meet(path: string): Promise<Front> {
    for (let left = 2000; ; left--) {
      try {
        return Front.connect(path)
      } catch (error) {
        if (left === 0) throw error
        await pause(5)
      }
    }
  }

  /** Sends bytes as they are. False if the switch takes no more now. */
  raw(bytes: Uint8Array, fds: number[] = []): boolean {
    try {
      return native.unixSend(this.fd, bytes, fds)
    } catch (error) {
      throw new Gone(String(error))
    }
  }

  send(request: number, payload: Uint8Array = Buffer.alloc(0), fds: number[] = [], flags = 0): void {
    const bytes = message.message(request, payload, message.VERSION | flags)
    if (!this.raw(bytes, fds)) throw new Error(`no room for request ${request}`)
  }

  /** Sends a request that is answered, and resolves to the answer's payload. */
  async ask(
    request: number,
    payload: Uint8Array = Buffer.alloc(0),
    fds: number[] = [],
  ): Promise<message.Message> {
    // Who has just sent a flood finds room only when the switch has read some of it.
    const bytes = message.message(request, payload)
    for (let left = 2000; !this.raw(bytes, fds); left--) {
      if (left === 0) throw new Error(`no room for request ${request}`)
      await pause(5)
    }
    const answer = await this.next()
    if (answer.request !== request || answer.flags !== (message.VERSION | message.REPLY))
      throw new Error(`request ${request} was answered by ${answer.request} with flags ${answer.flags}`)
    return answer
  }

  /** Sends a request; where it can be asked for, waits for the word that it worked. */
  async tell(request: number, payload: Uint8Array = Buffer.alloc(0), fds: number[] = []): Promise<void> {
    if ((this.protocol & feature.PROTOCOL_REPLY_ACK) === 0n) return this.send(request, payload, fds)
    this.send(request, payload, fds, message.NEED_REPLY)
    const { payload: status } = await this.next()
    if (status.readBigUInt64LE() !== 0n) throw new Error(`request ${request} was refused`)
  }

  /** The next message of the switch; rejects with Gone if it closed the connection. */
  async next(): Promise<message.Message> {
    const head = await this.#read(message.HEADER)
    const [request, flags, length] = [0, 4, 8].map((at) => head.bytes.readUInt32LE(at))
    const payload = length > 0 ? (await this.#read(length)).bytes : Buffer.alloc(0)
    return { request, flags, payload, fds: head.fds }
  }

  async #read(length: number): Promise<{ bytes: Buffer; fds: number[] }> {
    const parts: Buffer[] = []
    const fds: number[] = []
    for (let missing = length; missing > 0; ) {
      const got = this.#receive(missing)
      if (got === null) await readable(this.fd)
      else if (got.bytes.length === 0) throw new Gone('closed by the switch')
      else {
        parts.push(got.bytes)
        fds.push(...got.fds)
        missing -= got.bytes.length
      }
    }
    return { bytes: Buffer.concat(parts), fds }
  }

  #receive(length: number) {
    try {
      return native.unixReceive(this.fd, length)
    } catch (error) {
      throw new Gone(String(error))
    }
  }

  /** Resolves once the switch has closed the connection; what it says until then is ignored. */
  async closed(): Promise<void> {
    try {
      for (;;) {
        const { fds } = await this.next()
        for (const fd of fds) native.descriptorClose(fd)
      }
    } catch (error) {
      if (!(error instanceof Gone)) throw error
    }
  }

  /** Everything until the rings run; an answer to the last question says that all before was done. */
  async start(wishes: Wishes): Promise<void> {
    for await (const _ of this.steps(wishes));
    if ((this.protocol & feature.PROTOCOL_REPLY_ACK) === 0n) await this.ask(feature.GET_FEATURES)
  }

  /** The same step by step: yields the request that was just dealt with. */
  async *steps(wishes: Wishes): AsyncGenerator<number> {
    yield* this.negotiate(wishes)
    yield* this.share(wishes)
    // QEMU enables rings before it starts them, DPDK when all run.
    const early = wishes.manner !== 'dpdk'
    for (const [number, pair] of wishes.pairs.entries()) {
      if (early) yield* this.#permit([2 * number, 2 * number + 1])
      yield* this.seat(2 * number, pair, 0)
      yield* this.seat(2 * number + 1, pair, 1)
    }
    if (!early) yield* this.#permit(Array.from({ length: 2 * wishes.pairs.length }, (_, index) => index))
  }

  async *#permit(indices: number[]): AsyncGenerator<number> {
    for (const index of indices) {
      await this.enable(index, true)
      yield feature.SET_VRING_ENABLE
    }
  }

  /** Everything until the rings run in one go, nothing asked and no answer waited for. */
  async rush(wishes: Wishes, features: bigint): Promise<void> {
    this.send(feature.SET_FEATURES, message.u64(features))
    for await (const _ of this.share(wishes));
    for (const [number, pair] of wishes.pairs.entries()) {
      for (const way of [0, 1]) for await (const _ of this.seat(2 * number + way, pair, way));
    }
  }

  async *negotiate({ pairs, manner = 'qemu', ...wishes }: Wishes): AsyncGenerator<number> {
    if (manner === 'dpdk') {
      this.send(feature.SET_OWNER)
      yield feature.SET_OWNER
    }
    const offered = (await this.ask(feature.GET_FEATURES)).payload.readBigUInt64LE()
    yield feature.GET_FEATURES
    if ((offered & feature.PROTOCOL) !== 0n) {
      const { payload } = await this.ask(feature.GET_PROTOCOL_FEATURES)
      yield feature.GET_PROTOCOL_FEATURES
      const agreed = payload.readBigUInt64LE() & (wishes.protocol ?? PROTOCOL)
      this.send(feature.SET_PROTOCOL_FEATURES, message.u64(agreed))
      this.protocol = agreed
      yield feature.SET_PROTOCOL_FEATURES
    }
    if ((this.protocol & feature.PROTOCOL_MQ) !== 0n) {
      const queues = (await this.ask(feature.GET_QUEUE_NUM)).payload.readBigUInt64LE()
      if (queues < BigInt(pairs.length)) throw new Error(`${pairs.length} pairs wanted, ${queues} are there`)
      yield feature.GET_QUEUE_NUM
    }
    if (manner === 'qemu') {
      await this.tell(feature.SET_OWNER)
      yield feature.SET_OWNER
    }
    this.features = offered & ((wishes.features ?? pairs[0]?.features ?? feature.USUAL) | feature.PROTOCOL)
    await this.tell(feature.SET_FEATURES, message.u64(this.features))
    yield feature.SET_FEATURES
  }

  async *share({ memory, slots = false }: Wishes): AsyncGenerator<number> {
    const fds = memory.regions.map(({ fd }) => fd)
    if (!slots) {
      await this.tell(feature.SET_MEM_TABLE, message.table(memory), fds)
      yield feature.SET_MEM_TABLE
      return
    }
    await this.ask(feature.GET_MAX_MEM_SLOTS)
    yield feature.GET_MAX_MEM_SLOTS
    for (const region of memory.regions) {
      await this.tell(feature.ADD_MEM_REG, Buffer.concat([message.u64(0n), message.region(region)]), [
        region.fd,
      ])
      yield feature.ADD_MEM_REG
    }
  }

  /** Starts a ring: 0 is the one that the guest receives from, 1 the one that it transmits on. */
  async *seat(index: number, pair: Pair, way: number): AsyncGenerator<number> {
    const lane = pair.lanes[way]
    await this.tell(feature.SET_VRING_NUM, message.u32(index, lane.ring.size))
    yield feature.SET_VRING_NUM
    await this.tell(feature.SET_VRING_BASE, message.u32(index, lane.ring.seen))
    yield feature.SET_VRING_BASE
    await this.tell(feature.SET_VRING_ADDR, message.addresses(index, lane))
    yield feature.SET_VRING_ADDR
    await this.tell(feature.SET_VRING_CALL, message.u64(BigInt(index)), [lane.call])
    yield feature.SET_VRING_CALL
    await this.tell(feature.SET_VRING_KICK, message.u64(BigInt(index)), [lane.kick])
    yield feature.SET_VRING_KICK
  }

  enable(index: number, on: boolean): Promise<void> {
    return this.tell(feature.SET_VRING_ENABLE, message.u32(index, on ? 1 : 0))
  }

  /** Stops a ring; resolves to the index of avail that the switch would have looked at next. */
  async stop(index: number): Promise<number> {
    const { payload } = await this.ask(feature.GET_VRING_BASE, message.u32(index, 0))
    return payload.readUInt32LE(4)
  }

  /** Goes away without a word. */
  vanish(): void {
    if (this.#open) native.descriptorClose(this.fd)
    this.#open = false
  }
}

/** Resolves once there is something to read, or nobody any more to write it. */
export function readable(fd: number, timeoutMs = 5000): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (error?: Error) => {
      clearTimeout(timer)
      native.watchClose(watch)
      if (error) reject(error)
      else resolve()
    }
    const timer = setTimeout(() => finish(new Error(`nothing to read for ${timeoutMs} ms`)), timeoutMs)
    const watch = native.watchOpen(fd, () => finish())
  })
}
