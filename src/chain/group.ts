/**
 * Which rules become lookups. A run is a number of consecutive rules with keys; it costs a probe for each mask, whatever its length, where
 * plain code costs a little for each rule. So there must be rules enough for each mask, and few of the same key: those would be asked one
 * after the other, which plain code does better.
 */
import type { Condition } from './extension.ts'
import { coarser, isCoarser, type Key, keyOf, type Way } from './key.ts'

/** A run of that many rules is worth a lookup, and as many again for each further mask. */
const RUN = 8
const RULES_PER_MASK = 8

/** Rules of one key that are few among `count`. */
function few(count: number): number {
  return Math.max(4, count >> 6)
}

export interface Run {
  first: number
  keys: Key[]
}

type Chain = readonly (readonly Condition[])[]

/** The runs of a chain whose rules ask these conditions, in their order. */
export function runsOf(chain: Chain): Run[] {
  return segments(keysOf(chain)).flatMap(({ first, keys: segment }) => {
    const common = coarse(segment, chain.slice(first, first + segment.length))
    const chosen = isWorth(common) ? common : withoutRare(common)
    return segments(withoutCrowds(chosen))
      .filter((run) => isWorth(run.keys))
      .map((run) => ({ first: first + run.first, keys: run.keys }))
  })
}

/** Keys of equality where they tell rules apart, else also of what holds ranges. */
function keysOf(chain: Chain): (Key | null)[] {
  const keys = chain.map((conditions) => keyOf(conditions))
  const texts = counts(keys, ({ text }) => text)
  const limit = few(chain.length)
  return keys.map((key, at) => {
    const tells = key?.ways.every(({ text }) => texts.get(text)! <= limit)
    return tells ? key : (keyOf(chain[at], true) ?? key)
  })
}

/** Consecutive rules with keys. */
function segments(keys: readonly (Key | null)[]): Run[] {
  const found: Run[] = []
  let run: Run | null = null
  keys.forEach((key, at) => {
    if (key === null) run = null
    else if (run !== null) run.keys.push(key)
    else found.push((run = { first: at, keys: [key] }))
  })
  return found.filter((each) => each.keys.length >= RUN)
}

function isWorth(keys: readonly Key[]): boolean {
  const shapes = counts(keys, ({ shape }) => shape)
  return keys.length >= RUN && keys.length >= shapes.size * RULES_PER_MASK
}

/** How often each text occurs. */
function counts(keys: readonly (Key | null)[], textOf: (way: Way) => string): Map<string, number> {
  const found = new Map<string, number>()
  for (const key of keys) {
    if (key === null) continue
    for (const way of key.ways) {
      const text = textOf(way)
      found.set(text, 1 + (found.get(text) ?? 0))
    }
  }
  return found
}

/** Rules of rare masks go under a common one that asks for less, as long as no key gets crowded. */
function coarse(keys: readonly Key[], chain: Chain): Key[] {
  const shapes = counts(keys, ({ shape }) => shape)
  const texts = counts(keys, ({ text }) => text)
  const common = new Map<string, Int32Array>()
  for (const { ways } of keys) {
    for (const { shape, masks } of ways) if (shapes.get(shape)! >= RULES_PER_MASK) common.set(shape, masks)
  }
  const bySize = [...common.values()].sort((a, b) => bitsOf(b) - bitsOf(a))
  return keys.map((key, at) => {
    if (key.ways.length > 1 || common.has(key.ways[0].shape)) return key
    const masks = bySize.find((each) => isCoarser(each, key.ways[0].masks))
    if (masks === undefined) return key
    const wider = coarser(key, masks, chain[at])
    const [{ text }] = wider.ways
    const alike = 1 + (texts.get(text) ?? 0)
    if (alike > few(keys.length)) return key
    texts.set(text, alike)
    return wider
  })
}

function bitsOf(masks: Int32Array): number {
  let bits = 0
  for (let mask of masks) for (; mask !== 0; mask &= mask - 1) bits++
  return bits
}

function withoutRare(keys: readonly Key[]): (Key | null)[] {
  const shapes = counts(keys, ({ shape }) => shape)
  return keys.map((key) => (key.ways.every(({ shape }) => shapes.get(shape)! >= RULES_PER_MASK) ? key : null))
}

function withoutCrowds(keys: readonly (Key | null)[]): (Key | null)[] {
  const texts = counts(keys, ({ text }) => text)
  const limit = few(keys.length)
  return keys.map((key) => (key?.ways.every(({ text }) => texts.get(text)! <= limit) ? key : null))
}
