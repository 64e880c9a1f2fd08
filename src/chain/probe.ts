// Hot: which rules of a run have a key that the packet has, first to last. Cost: 3 ns a mask where none has (npm run bench).
import type { LookupPlan } from './plan.ts'

/** 2^32 / golden ratio, odd. */
const SPREAD = 0x9e3779b1 | 0

/**
 * A run's keys stand in one hash table, whatever their masks; rules of equal key are chained in their order. Generated code hashes the
 * packet under each mask and asks `bits`, one bit of several for each key, whether to look at all: what no rule means costs no more than
 * that. What is found for each mask is a cursor, and rules are taken from the cursors in their order.
 */
export class Probe {
  readonly bits: Int32Array
  private readonly x: Int32Array
  private readonly common: Int32Array
  private readonly words: Int32Array
  private readonly masks: Int32Array
  private readonly keys: Int32Array
  private readonly entries: Int32Array
  private readonly index: Int32Array
  private readonly shift: number
  private readonly end: number
  private readonly cursors: Int32Array
  private live = 0
  /** the rule that was taken last */
  private taken = 0

  constructor(plan: LookupPlan, x: Int32Array) {
    this.bits = plan.bits
    this.x = x
    this.common = plan.common
    this.words = plan.words
    this.masks = plan.masks
    this.keys = plan.keys
    this.entries = plan.entries
    this.index = plan.index
    this.shift = 1 + Math.clz32(plan.index.length)
    this.end = plan.entries[plan.entries.length - 2]
    this.cursors = new Int32Array(plan.masks.length / plan.words.length)
  }

  /** Looks for the packet's key under one mask; `best` is the first rule so far, the run's length if there is none. Returns it anew. */
  find(mask: number, hash: number, best: number): number {
    const { index, keys, words, masks, x } = this
    const width = words.length
    const stride = width + 2
    const last = index.length - 1
    let place = Math.imul(hash ^ (hash >>> 15), SPREAD) >>> this.shift
    if (best === this.end) this.live = 0
    for (let key = index[place]; key !== 0; place = (place + 1) & last, key = index[place]) {
      const at = (key - 1) * stride
      if (keys[at] !== mask) continue
      let w = 0
      while (w < width && (x[words[w]] & masks[mask * width + w]) === keys[at + 2 + w]) w++
      if (w < width) continue
      this.cursors[this.live++] = keys[at + 1]
      best = Math.min(best, this.entries[2 * keys[at + 1]])
      break
    }
    this.taken = best
    return best
  }

  /** Gives the registers the values of some key: what is run with them finds a rule. */
  aim(which: number): void {
    const { keys, words, common, x } = this
    for (let c = 0; c < common.length; c += 2) x[common[c]] = common[c + 1]
    const stride = words.length + 2
    const at = (which % (keys.length / stride)) * stride + 2
    for (let w = 0; w < words.length; w++) x[words[w]] = keys[at + w]
  }

  /** The rule behind the one that was taken last, the run's length if there is none. */
  next(): number {
    const { cursors, entries, live, taken } = this
    let best = this.end
    for (let c = 0; c < live; c++) {
      let entry = cursors[c]
      while (entries[2 * entry] <= taken) entry = entries[2 * entry + 1]
      cursors[c] = entry
      best = Math.min(best, entries[2 * entry])
    }
    this.taken = best
    return best
  }
}

/** Bits of a hash, from the top: a word of `bits`, then a bit in it. Words there are as many as this, a power of two. */
export function bitWords(keys: number): number {
  return Math.max(8, 1 << (32 - Math.clz32(Math.max(1, keys - 1) >> 1)))
}

/** An odd multiplier for each word of a key, and what a mask's hash begins with. */
export function multiplier(word: number): number {
  return (Math.imul(2 * word + 1, SPREAD) ^ (0x5bd1e995 << (2 * word))) | 1
}

export function seed(mask: number): number {
  return Math.imul(mask + 1, 0x7feb352d)
}

/** Where a hash is looked for first among `length` places. */
export function placeOf(hash: number, length: number): number {
  return Math.imul(hash ^ (hash >>> 15), SPREAD) >>> (1 + Math.clz32(length))
}
