/**
 * A session without a socket and without workers: messages come from a text, one a line, and what comes of each is written behind it:
 *
 *   SET_VRING_KICK 0 ? = 0 : 256@0+/- -/- ! why
 *
 * `?` asks whether it worked. `=` is followed by the answer, `:` by what workers were told, pair by pair the ring that the guest receives
 * from and the one that it transmits on: entries@next, then + if it is enabled; `!` by why the connection ends.
 */
import { closeSync, openSync, readdirSync } from 'node:fs'
import { native } from '../../../src/memory/native.ts'
import * as feature from '../../../src/vhost/feature.ts'
import type { FrontProgram, RingProgram } from '../../../src/vhost/front.ts'
import * as message from '../../../src/vhost/message.ts'
import { Session, type Terms } from '../../../src/vhost/session.ts'
import { Memory } from './memory.ts'
import { addresses, region, table, u32, u64 } from './message.ts'
import { Pair } from './pair.ts'

/** What sessions have of native and have not given back. */
const held = { mappings: 0, tables: 0 }

/** Native, and who has what of it. */
const host = {
  ...native,
  guestMap: (...given: Parameters<typeof native.guestMap>) =>
    counted('mappings', 1, native.guestMap(...given)),
  guestUnmap: (mapping: number) => counted('mappings', -1, native.guestUnmap(mapping)),
  guestTable: (...given: Parameters<typeof native.guestTable>) =>
    counted('tables', 1, native.guestTable(...given)),
  guestFree: (table: number) => counted('tables', -1, native.guestFree(table)),
}

function counted<T>(what: keyof typeof held, change: number, result: T): T {
  held[what] += change
  return result
}

export class Stage {
  readonly session: Session
  readonly memory: Memory
  readonly pairs: Pair[]
  /** what workers were told, and the features that went with it */
  readonly fronts: (FrontProgram | null)[] = []
  features = 0n
  /** where workers say that a ring stopped */
  next = (pair: number, direction: number): number => 100 + 2 * pair + direction
  /** makes workers fail */
  broken = false
  /** looks at what workers are told while it is in force */
  watch = (_: FrontProgram | null): void => {}
  private readonly terms: Terms

  constructor(terms: Partial<Terms> = {}, memory = new Memory(), pairs?: Pair[]) {
    this.terms = { queues: 2, mtu: 1500, offload: true, ...terms }
    this.memory = memory
    this.pairs = pairs ?? Array.from({ length: this.terms.queues }, () => new Pair(memory))
    const hands = {
      seat: (front: FrontProgram | null, features: bigint) => this.seat(front, features),
      next: (pair: number, direction: number) => this.next(pair, direction),
    }
    this.session = new Session(this.terms, hands, host)
  }

  private async seat(front: FrontProgram | null, features: bigint): Promise<void> {
    await null
    if (this.broken) throw new Error('a worker is gone')
    this.watch(front)
    this.fronts.push(front && { ...front, pairs: front.pairs.map((pair) => ({ ...pair })) })
    this.features = features
  }

  /** The same guest with another session. */
  another(): Stage {
    return new Stage(this.terms, this.memory, this.pairs)
  }

  /** Says what stands in the lines and returns them with what came of it; blank ones go. */
  async play(text: string): Promise<string[]> {
    const lines = text.split('\n').map((line) => line.trim().replace(/\s+/g, ' '))
    const played: string[] = []
    for (const line of lines) if (line !== '') played.push(await this.line(line.replace(/ (=|:|!) .*$/, '')))
    return played
  }

  private async line(said: string): Promise<string> {
    const [name, ...words] = said.split(' ').filter((word) => word !== '?')
    const request = (message as unknown as Record<string, number>)[name]
    const flags = said.endsWith(' ?') ? 9 : 1
    const told = this.fronts.length
    const { payload, fds } = this.compose(request, words)
    const { answer, fds: sent, fault } = await this.session.handle({ request, flags, payload, fds })
    for (const fd of sent) closeSync(fd)
    const fronts = this.fronts.slice(told).map((front) => ` : ${shown(front)}`)
    const end = fault === '' ? '' : ` ! ${fault}`
    return `${said}${answer === null ? '' : ` = ${read(answer)}`}${fronts.join('')}${end}`
  }

  /** The payload and the descriptors of a message. */
  compose(request: number, words: string[]): { payload: Buffer; fds: number[] } {
    const [index = 0, value = 0] = words.map(Number)
    const { memory, pairs } = this
    switch (request) {
      case message.SET_MEM_TABLE:
        return { payload: table(memory), fds: memory.regions.map(({ fd }) => again(fd)) }
      case message.ADD_MEM_REG:
      case message.REM_MEM_REG: {
        const { fd } = memory.regions[index]
        const fds = request === message.ADD_MEM_REG ? [again(fd)] : []
        return { payload: Buffer.concat([u64(0n), region(memory.regions[index])]), fds }
      }
      case message.SET_VRING_ADDR:
        return { payload: addresses(index, pairs[(index >> 1) % pairs.length].lanes[index & 1]), fds: [] }
      case message.SET_VRING_KICK:
      case message.SET_VRING_CALL:
      case message.SET_VRING_ERR:
        if (words[1] === 'none') return { payload: u64(BigInt(index) | 0x100n), fds: [] }
        return { payload: u64(BigInt(index)), fds: [native.doorbellCreate()] }
      case message.SET_BACKEND_REQ_FD:
        return { payload: Buffer.alloc(0), fds: [native.doorbellCreate()] }
      case message.GET_INFLIGHT_FD:
      case message.SET_INFLIGHT_FD: {
        const fds = request === message.SET_INFLIGHT_FD ? [native.memoryCreate('inflight', 64)] : []
        return {
          payload: message.inflightPayload({ length: 0n, offset: 0n, queues: index, size: value }, 24),
          fds,
        }
      }
      case message.SET_LOG_BASE:
        return { payload: u64(4096n, 0n), fds: [native.memoryCreate('log', 4096)] }
      case message.SET_LOG_FD:
        return { payload: Buffer.alloc(0), fds: [native.doorbellCreate()] }
    }
    const [length] = message.RULES.get(request)?.lengths ?? [0]
    if (length === 0) return { payload: Buffer.alloc(0), fds: [] }
    const isState = [message.SET_VRING_NUM, message.SET_VRING_BASE, message.GET_VRING_BASE].includes(request)
    if (isState || request === message.SET_VRING_ENABLE) return { payload: u32(index, value), fds: [] }
    return { payload: u64(BigInt(words[0] ?? 0)), fds: [] }
  }

  /** Ends the session, and takes the guest away. */
  async close(): Promise<void> {
    await this.session.close()
    for (const pair of this.pairs) pair.close()
    this.memory.close()
  }
}

/** Another descriptor of a file. */
export function again(fd: number): number {
  return openSync(`/proc/self/fd/${fd}`, 'r+')
}

/** Descriptors of this process, and what sessions have of native. */
export function holdings(): { descriptors: number; mappings: number; tables: number } {
  return { descriptors: readdirSync('/proc/self/fd').length, ...held }
}

export function shown(front: FrontProgram | null): string {
  if (front === null) return 'nothing'
  return front.pairs.map(({ receive, transmit }) => `${ring(receive)}/${ring(transmit)}`).join(' ')
}

function ring(program: RingProgram | null): string {
  if (program === null) return '-'
  return `${program.size}@${program.base}${program.enabled ? '+' : ''}`
}

/** An answer's payload: what was offered by name, a ring's number with what is said of it, numbers. */
function read(answer: Buffer): string {
  const { request } = message.header(answer)
  const payload = answer.subarray(message.HEADER)
  if (request === message.GET_VRING_BASE) return Object.values(message.state(payload)).join(' ')
  if (request === message.GET_INFLIGHT_FD) return Object.values(message.inflight(payload)).join(' ')
  const value = message.u64(payload)
  if (request === message.GET_FEATURES) return feature.names(value).length > 20 ? 'all' : 'some'
  return request === message.GET_PROTOCOL_FEATURES ? `0x${value.toString(16)}` : String(value)
}
