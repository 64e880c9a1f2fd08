// Hot: where a neighbour is found.
/**
 * The index of the neighbours by network and address: linear probing in the writer's own memory, at most half full. Removal moves
 * what stands behind the gap, so no tombstones gather however many entries come and go. Multipliers are secret.
 */

/** int32 of a neighbour, and where its key and address stand; the key's upper bits are network + 1 */
export const WORDS = 16
export const KEY = 0
export const ADDRESS = 1

export class Places {
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

  enter(n: number): void {
    let place = this.homeOf(n)
    while (this.index[place] !== 0) place = (place + 1) & this.mask
    this.index[place] = n
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
  }
}
