// Hot: where a neighbour is found.
/**
 * The numbers of the neighbours, and their index by network and address: linear probing in the writer's own memory, at most half full. Removal moves
 * what stands behind the gap, so no tombstones gather however many entries come and go. Multipliers are secret.
 */

/** int32 of a neighbour, and where its key and address stand; the key's upper bits are network + 1 */
export const WORDS = 16
export const KEY = 0
export const ADDRESS = 1
/** of entry 0: the highest number ever given out */
export const TOP = 15

export class Places {
  /** the numbers that are entered, in no order, and how many */
  readonly live: Int32Array
  count = 0
  /** by number: its position among the live ones */
  private readonly position: Int32Array
  /** numbers that were given back, first in first out */
  private readonly free: Int32Array
  private freeHead = 0
  private freeCount = 0
  private readonly words: Int32Array
  private readonly index: Int32Array
  private readonly mask: number
  private readonly seedA: number
  private readonly seedB: number

  constructor(words: Int32Array, capacity: number, seedA: number, seedB: number) {
    const places = 2 ** Math.ceil(Math.log2(2 * capacity + 2))
    this.words = words
    this.index = new Int32Array(places)
    this.mask = places - 1
    this.free = new Int32Array(capacity)
    this.live = new Int32Array(capacity)
    this.position = new Int32Array(capacity + 1)
    this.seedA = seedA
    this.seedB = seedB
  }

  private home(zone: number, address: number): number {
    const h = Math.imul(address ^ Math.imul(zone, this.seedA), this.seedB)
    return (h ^ (h >>> 15)) & this.mask
  }

  private homeOf(n: number): number {
    return this.home(this.words[n * WORDS] >> 8, this.words[n * WORDS + ADDRESS])
  }

  /** The number of the entry with that address in zone `network + 1`, 0 if there is none. */
  find(zone: number, address: number): number {
    const { index, mask, words } = this
    for (let place = this.home(zone, address); ; place = (place + 1) & mask) {
      const n = index[place]
      if (n === 0) return 0
      if (words[n * WORDS + ADDRESS] === address && words[n * WORDS] >> 8 === zone) return n
    }
  }

  /** A number that nobody has, the one given back longest ago; 0 if all are taken. */
  take(): number {
    const { free, words } = this
    if (words[TOP] < free.length) return ++words[TOP]
    if (this.freeCount === 0) return 0
    const n = free[this.freeHead]
    this.freeHead = this.freeHead + 1 === free.length ? 0 : this.freeHead + 1
    this.freeCount--
    return n
  }

  give(n: number): void {
    const tail = this.freeHead + this.freeCount++
    this.free[tail >= this.free.length ? tail - this.free.length : tail] = n
  }

  enter(n: number): void {
    let place = this.homeOf(n)
    while (this.index[place] !== 0) place = (place + 1) & this.mask
    this.index[place] = n
    this.position[n] = this.count
    this.live[this.count++] = n
  }

  /** Takes a number out; what stands behind it moves up, so that no gap ends a search. */
  leave(n: number): void {
    const { index, mask } = this
    let gap = this.homeOf(n)
    while (index[gap] !== n) gap = (gap + 1) & mask
    for (let place = (gap + 1) & mask; index[place] !== 0; place = (place + 1) & mask) {
      const other = index[place]
      if (((place - this.homeOf(other)) & mask) < ((place - gap) & mask)) continue
      index[gap] = other
      gap = place
    }
    index[gap] = 0
    const last = this.live[--this.count]
    this.live[this.position[n]] = last
    this.position[last] = this.position[n]
  }
}
