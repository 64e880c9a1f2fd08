/**
 * A queue upon random rings. Whatever stands in them: nobody writes outside the guest's memory and the slots that were given, every frame is
 * accounted for, what breaks the rules has a name, and what does not is what a second reader finds.
 */
import { BLOCK_LENGTH, BURST, ERRORS, LENGTHS } from '../../../src/memory/block.ts'
import { DATA_AT, FRAME_LENGTH_MAX, STRIDE, VNET_LENGTH } from '../../../src/memory/pool.ts'
import { FAULTS } from '../../../src/vhost/fault.ts'
import { LINE, NEXT_RECEIVE, NEXT_TRANSMIT } from '../../../src/vhost/front.ts'
import { LENGTH } from '../../../src/vhost/layout.ts'
import { VhostQueue } from '../../../src/vhost/queue.ts'
import { Desk } from '../desk.ts'
import type { Random } from '../random.ts'
import { Expanse, PLACES } from './expanse.ts'
import { bytes, type Chain, disjoint, read } from './reading.ts'
import { WRITE } from './ring.ts'
import { type Areas, Wilds } from './wilds.ts'

const GUARD = 4096
const MARK = 0xa5
const mark = Buffer.alloc(GUARD, MARK)
/** bytes of a slot behind the longest frame */
const TAIL = STRIDE - DATA_AT - FRAME_LENGTH_MAX
const OUTSIDE = "something was written outside the guest's memory"
const SENT = [14, 60, 61, 1514, 9000, FRAME_LENGTH_MAX]

const desk = new Desk()
const { arena, pool } = desk
const memory = Buffer.from(arena.u8.buffer)
const lineAt = arena.allocate('ordeal/line', LINE * 4).at
const [before, vring, after, block, behind] = [GUARD, LENGTH, GUARD, BLOCK_LENGTH, GUARD].map(
  (length, i) => arena.allocate(`ordeal/${i}`, length).at,
)
const guards = [before, after, behind]
const slots = Array.from({ length: pool.count }, (_, i) => pool.frameAt(i))
for (const at of guards) memory.fill(MARK, at, at + GUARD)
for (const at of slots) memory.fill(MARK, at - DATA_AT, at - DATA_AT + STRIDE)

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}

function same(at: number, length: number): boolean {
  return memory.compare(mark, 0, length, at, at + length) === 0
}

export class Ordeal {
  states = 0
  frames = 0
  readonly faults = new Map<string, number>()
  /** Buffers were offered and not used: an honest driver leaves them as they are (virtio 1.2, 2.7.13), and we may have read them. */
  private isStale = false
  private readonly random: Random
  private readonly lands: Wilds[]
  private wilds: Wilds
  private readonly queue = new VhostQueue(arena, pool, lineAt, vring)

  constructor(random: Random) {
    this.random = random
    const orders = [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
    ]
    this.lands = PLACES.flatMap((places) =>
      orders.map((order) => new Wilds(new Expanse(places, order), random)),
    )
    this.wilds = this.lands[0]
    this.settle()
  }

  /** Another guest. */
  private settle(): void {
    this.isStale = false
    this.wilds = this.random.of(this.lands)
    this.queue.seat(this.wilds.front(), 0)
  }

  private next(word: number): number {
    return arena.i32[(lineAt >> 2) + word]
  }

  /** One state of both rings. */
  step(): void {
    if (this.random.once(2)) this.takes()
    else this.gives()
    this.states++
    this.audit()
    const { fault } = this.queue
    if (fault < 0 && !this.isStale && !this.random.once(8)) return
    if (fault >= 0) this.blame(FAULTS[fault].name)
    this.settle()
  }

  private blame(name: string): void {
    this.faults.set(name, (this.faults.get(name) ?? 0) + 1)
    const count = this.fill()
    check(this.queue.receive(pool, block, BURST) === 0, 'a queue at fault goes on receiving')
    check(this.queue.transmit(block, count) === 0, 'a queue at fault goes on sending')
    check(
      this.errors(count).every((error) => error === 6),
      'a queue at fault tells of something else',
    )
    this.release(count)
  }

  /** Nothing outside was touched. */
  private audit(): void {
    check(pool.free === pool.count, `${pool.count - pool.free} frames are missing`)
    if (this.states % 4 === 0) check(this.wilds.expanse.whole, OUTSIDE)
    for (const at of guards) check(same(at, GUARD), 'something was written beside the list of buffers')
    // The stack gives the same few slots over and over.
    for (const at of this.states % 1000 === 0 ? slots : slots.slice(0, 4)) {
      check(same(at - DATA_AT, DATA_AT - VNET_LENGTH), 'something was written before a frame')
      check(same(at + FRAME_LENGTH_MAX, TAIL), 'something was written behind a frame')
    }
  }

  /** The guest transmits. */
  private takes(): void {
    const { wilds, queue, random } = this
    const { transmit: ring, tame, header } = wilds
    const start = this.next(NEXT_TRANSMIT)
    const offered = wilds.offer(ring, 0, start)
    const heads = this.heads(ring, start, offered)
    const longest = header + FRAME_LENGTH_MAX
    const chains = tame ? heads.map((head) => this.read(ring, head, 0, longest + 1)) : []
    let done = 0
    for (;;) {
      const got = queue.receive(pool, block, 1 + random.below(BURST))
      if (got <= 0) {
        check(got === 0 || queue.fault >= 0, `errno ${got} without a fault`)
        break
      }
      if (tame) for (let i = 0; i < got; i++) this.compare(chains[done + i], i)
      this.release(got)
      done += got
    }
    this.frames += done
    if (!tame) return
    const used = this.next(NEXT_TRANSMIT)
    if (queue.fault < 0) check(used === ((start + offered) & 0xffff), 'not all that was offered was used')
    else
      this.expect(
        offered > ring.size ? ['avail_jump'] : chains.slice(done).flatMap((chain) => this.wrong(chain)),
      )
    this.returned(ring, start, heads.slice(0, (used - start) & 0xffff))
  }

  /** Heads as they stand in avail, as many as there can be. */
  private heads({ size, avail }: Areas, start: number, offered: number): number[] {
    if (offered > size) return []
    const { view } = this.wilds.expanse
    return Array.from({ length: offered }, (_, i) =>
      view.getUint16(avail + 4 + 2 * ((start + i) & (size - 1)), true),
    )
  }

  private read({ size, descriptors }: Areas, head: number, direction: number, budget: number): Chain {
    if (head >= size) return { pairs: [], table: [], total: 0, strays: false, fault: 'head_range' }
    return read(this.wilds.expanse, { at: descriptors, count: size }, head, direction, budget)
  }

  /** What may be told of a chain that the guest transmits. */
  private wrong({ fault, total, strays }: Chain): string[] {
    const { header } = this.wilds
    if (fault !== '') return [fault]
    if (total < header) return ['chain_short']
    return strays && total <= header + FRAME_LENGTH_MAX ? ['address_range'] : []
  }

  private expect(faults: string[]): void {
    const { name } = FAULTS[this.queue.fault]
    check(faults.includes(name), `${name} is told of ${faults.join(', ') || 'what is right'}`)
  }

  /** A frame of the burst, and the chain that it came in. */
  private compare(chain: Chain, i: number): void {
    const { expanse, header } = this.wilds
    const wrong = this.wrong(chain)
    check(wrong.length === 0, `a frame came of ${wrong}`)
    const length = arena.i32[(block >> 2) + LENGTHS + i]
    const isLong = chain.total > header + FRAME_LENGTH_MAX
    check(
      length === (isLong ? -1 : chain.total - header),
      `a frame of ${length} bytes of a chain of ${chain.total}`,
    )
    if (isLong || this.wilds.touches(chain)) return
    const at = pool.frameAt(arena.i32[(block >> 2) + i])
    const wanted = bytes(expanse, chain.pairs)
    const isSame =
      memory.compare(wanted, 0, VNET_LENGTH, at - VNET_LENGTH, at) === 0 &&
      memory.compare(wanted, header, wanted.length, at, at + length) === 0
    check(isSame, 'a frame is not what the guest wrote')
  }

  /** Used tells of these heads, and the index of as many. */
  private returned({ size, used }: Areas, start: number, heads: number[]): void {
    const { view } = this.wilds.expanse
    check(
      view.getUint16(used + 2, true) === ((start + heads.length) & 0xffff) || heads.length === 0,
      "used's index is another",
    )
    heads.forEach((head, i) => {
      const at = used + 4 + 8 * ((start + i) & (size - 1))
      check(view.getUint32(at, true) === head, 'used names a head that was not offered')
    })
  }

  /** The guest receives. */
  private gives(): void {
    const { wilds, queue } = this
    const { receive: ring, tame, header } = wilds
    const start = this.next(NEXT_RECEIVE)
    const offered = wilds.offer(ring, WRITE, start)
    const heads = this.heads(ring, start, offered)
    const count = this.fill()
    const length = arena.i32[(block >> 2) + LENGTHS]
    const chains = tame ? heads.map((head) => this.read(ring, head, WRITE, FRAME_LENGTH_MAX + header)) : []
    const first = chains.length > 0 ? this.read(ring, heads[0], WRITE, length + header) : null
    const isPlain = tame && !chains.some((chain) => wilds.touches(chain))
    const taken = queue.transmit(block, count)
    const errors = this.errors(count)
    check(taken === errors.filter((error) => error === 0).length, `${taken} were taken, and ${errors} told`)
    check(
      errors.every((error) => [0, 6, 11, 90].includes(error)),
      `errors ${errors}`,
    )
    const used = (this.next(NEXT_RECEIVE) - start) & 0xffff
    check(queue.fault < 0 || (taken === 0 && used === 0), 'frames were given to a ring at fault')
    this.isStale = used !== offered
    if (isPlain) {
      this.returned(ring, start, heads.slice(0, used))
      if (queue.fault < 0) this.lengths(ring, start, used, errors)
      else if (offered > ring.size) this.expect(['avail_jump'])
      if (count === 1 && taken === 1 && used === 1 && first) this.given(first, length)
    }
    this.release(count)
    this.frames += taken
  }

  /** The bytes that used tells of are those of the frames that were taken, one after the other. */
  private lengths({ size, used }: Areas, start: number, count: number, errors: number[]): void {
    const { view } = this.wilds.expanse
    let chain = 0
    errors.forEach((error, i) => {
      if (error !== 0) return
      let left = arena.i32[(block >> 2) + LENGTHS + i] + this.wilds.header
      while (left > 0 && chain < count)
        left -= view.getUint32(used + 8 + 8 * ((start + chain++) & (size - 1)), true)
      check(left === 0, `a frame whose buffers are ${left} bytes short`)
    })
    check(chain === count, 'a buffer was used for nothing')
  }

  /** The one frame stands in the one chain that was used, unless parts of that are the same bytes. */
  private given(chain: Chain, length: number): void {
    const { expanse, header } = this.wilds
    check(chain.fault === '' && !chain.strays, 'a frame went where it cannot')
    if (!disjoint([...chain.pairs, ...chain.table])) return
    const got = bytes(expanse, chain.pairs)
    const at = pool.frameAt(arena.i32[block >> 2])
    const buffers = header > VNET_LENGTH ? got.readUint16LE(VNET_LENGTH) : 1
    check(buffers === 1, `one frame in ${buffers} buffers`)
    check(memory.compare(got, 0, VNET_LENGTH, at - VNET_LENGTH, at) === 0, 'another header')
    check(memory.compare(got, header, header + length, at, at + length) === 0, 'another frame')
  }

  /** Frames in a burst block, as they happen to be in their slots; returns how many. */
  private fill(): number {
    const { random } = this
    const count = random.once(2) ? 1 : 1 + random.below(4)
    for (let i = 0; i < count; i++) {
      arena.i32[(block >> 2) + i] = pool.take()
      arena.i32[(block >> 2) + LENGTHS + i] = random.once(64) ? FRAME_LENGTH_MAX : random.of(SENT.slice(0, 5))
    }
    return count
  }

  private errors(count: number): number[] {
    return Array.from(arena.i32.subarray((block >> 2) + ERRORS, (block >> 2) + ERRORS + count))
  }

  private release(count: number): void {
    for (let i = count; i-- > 0; ) pool.give(arena.i32[(block >> 2) + i])
  }

  close(): void {
    this.queue.close()
    for (const { expanse } of this.lands) {
      check(expanse.whole, OUTSIDE)
      expanse.close()
    }
  }
}
