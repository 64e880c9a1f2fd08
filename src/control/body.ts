/** Sets as they lie in the arena: slots that stay, and bodies that are laid anew whenever a set is replaced whole. */
import type { Creation } from '../chain/creation.ts'
import type { Arena } from '../memory/arena.ts'
import * as shape from '../table/shape.ts'
import { Refusal } from './refusal.ts'

/** Slots: as many sets as there may be, and one that stands for whichever body is being filled. */
const SETS_MAX = 1023
const REGION = 'sets'

const TYPES = {
  'hash:ip': shape.HASH_IP,
  'hash:net': shape.HASH_NET,
  'hash:ip,port': shape.HASH_IP_PORT,
  'hash:net,port': shape.HASH_NET_PORT,
  'bitmap:port': shape.BITMAP_PORT,
  'list:set': shape.LIST_SET,
}

/** A region of the arena that holds a set's entries. */
export interface Body {
  region: string
  at: number
}

/** A set of a list. */
export interface Listed {
  name: string
  /** milliseconds of the workers' clock, 0 for good */
  deadline: number
}

/** A set. `at` is its slot, bytes. */
export interface Held {
  made: Creation
  at: number
  body: Body
  /** of a list, in order; late ones go with a sweep */
  members: readonly Listed[]
}

export function isLate(deadline: number, now: number): boolean {
  return deadline !== 0 && ((deadline - now) | 0) <= 0
}

/** When that begins now ends; 0 for good. */
export function deadlineOf(seconds: number | null, now: number): number {
  return seconds === null || seconds === 0 ? 0 : (now + seconds * 1000) | 0 || 1
}

export class Bodies {
  readonly arena: Arena
  private readonly slots: number
  private readonly taken = new Set<number>()
  private number = 0

  constructor(arena: Arena) {
    this.arena = arena
    this.slots = arena.allocate(REGION, (SETS_MAX + 1) * shape.SLOT).at
  }

  /** A slot that no set has. */
  slot(name: string): number {
    for (let at = this.slots + shape.SLOT; at <= this.slots + SETS_MAX * shape.SLOT; at += shape.SLOT) {
      if (this.taken.has(at)) continue
      this.taken.add(at)
      return at
    }
    throw new Refusal(`set ${name}`, `there are ${SETS_MAX} sets already`, 'destroy one before')
  }

  release(at: number): void {
    this.taken.delete(at)
  }

  /** The empty body of such a set. */
  lay(made: Creation): Body {
    const { type, maxelem, netmask, timeout, first, last } = made
    const timeoutMs = timeout === null ? -1 : timeout * 1000
    const wanted = { type: TYPES[type], capacity: maxelem, timeoutMs, netmask, first, last }
    const region = `set/${++this.number}`
    try {
      const { at } = this.arena.allocate(region, shape.lengthOf(wanted))
      shape.lay(this.arena, at, wanted)
      return { region, at }
    } catch (error) {
      throw new Refusal(`set ${made.name}`, (error as Error).message, 'write a smaller maxelem')
    }
  }

  free(body: Body): void {
    this.arena.free(body.region)
  }

  /** The slot in which a body stands that is being filled, and that no rule asks. */
  desk(body: Body): number {
    this.arena.i32[this.slots >> 2] = body.at >> 2
    return this.slots
  }

  /** Fills an empty list. */
  enlist(body: Body, members: readonly { at: number; deadline: number }[]): void {
    const words = new Int32Array(this.arena.buffer, body.at, shape.HEADER + 2 * members.length)
    members.forEach(({ at, deadline }, i) => {
      words[shape.HEADER + 2 * i] = at >> 2
      words[shape.HEADER + 2 * i + 1] = deadline
    })
    words[shape.COUNT] = members.length
  }

  /** Takes what is late out of a list. Its place stays and leads to no set: deadlines wrap, and would be to come again some day. */
  retire(held: Held, now: number): void {
    const words = this.arena.i32
    const body = held.body.at >> 2
    for (let at = body + shape.HEADER; at < body + shape.HEADER + 2 * words[body + shape.COUNT]; at += 2) {
      if (!isLate(words[at + 1], now)) continue
      Atomics.store(words, at, body + shape.NOWHERE)
      Atomics.store(words, at + 1, 0)
    }
    held.members = held.members.filter(({ deadline }) => !isLate(deadline, now))
  }

  /** Entries that found no room, by the SET target's doing. */
  refused(at: number): number {
    const body = this.arena.i32[at >> 2]
    return body === 0 ? 0 : this.arena.i32[body + shape.REFUSED]
  }
}
