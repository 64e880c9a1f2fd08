/**
 * Which rules become lookups. A run is a number of consecutive rules with keys; it costs a probe for each mask, whatever its length, where
 * plain code costs a little for each rule. So there must be rules enough for each mask, and few of the same key: those would be asked one
 * after the other, which plain code does better.
 */
import type { Condition } from './extension.ts'
import { coarser, isCoarser, type Key, keyOf } from './key.ts'

/** A run of that many rules is worth a lookup, and as many again for each further mask. */
const RUN = 8
const RULES_PER_MASK = 8
/** Rules of one key. */
const ALIKE = 4

export interface Run {
  first: number
  keys: Key[]
}

/** The runs of a chain whose rules ask these conditions, in their order. */
export function runsOf(chain: readonly (readonly Condition[])[]): Run[] {
  const keys = chain.map(keyOf)
  return segments(keys).flatMap(({ first, keys: segment }) => {
    const common = coarse(segment, chain.slice(first, first + segment.length))
    const chosen = isWorth(common) ? common : withoutRare(common)
    return segments(withoutCrowds(chosen))
      .filter((run) => isWorth(run.keys))
      .map((run) => ({ first: first + run.first, keys: run.keys }))
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

function isWorth(keys: readonly (Key | null)[]): boolean {
  const shapes = new Set(keys.flatMap((key) => key?.shape ?? []))
  return keys.length >= RUN && keys.length >= shapes.size * RULES_PER_MASK
}

/** How often each text occurs. */
function counts(texts: readonly string[]): Map<string, number> {
  const found = new Map<string, number>()
  for (const text of texts) found.set(text, 1 + (found.get(text) ?? 0))
  return found
}

/** Rules of rare masks go under a common one that asks for less, as long as no key gets crowded. */
function coarse(keys: readonly Key[], conditions: readonly (readonly Condition[])[]): Key[] {
  const shapes = counts(keys.map(({ shape }) => shape))
  const texts = counts(keys.map(({ text }) => text))
  const common = new Map<string, Int32Array>()
  for (const { shape, masks } of keys) if (shapes.get(shape)! >= RULES_PER_MASK) common.set(shape, masks)
  const bySize = [...common.values()].sort((a, b) => bitsOf(b) - bitsOf(a))
  return keys.map((key, at) => {
    if (common.has(key.shape)) return key
    const masks = bySize.find((each) => isCoarser(each, key.masks))
    if (masks === undefined) return key
    const wider = coarser(key, masks, conditions[at])
    const alike = 1 + (texts.get(wider.text) ?? 0)
    if (alike > ALIKE) return key
    texts.set(wider.text, alike)
    return wider
  })
}

function bitsOf(masks: Int32Array): number {
  let bits = 0
  for (let mask of masks) for (; mask !== 0; mask &= mask - 1) bits++
  return bits
}

function withoutRare(keys: readonly Key[]): (Key | null)[] {
  const shapes = counts(keys.map(({ shape }) => shape))
  return keys.map((key) => (shapes.get(key.shape)! >= RULES_PER_MASK ? key : null))
}

function withoutCrowds(keys: readonly (Key | null)[]): (Key | null)[] {
  const texts = counts(keys.flatMap((key) => key?.text ?? []))
  return keys.map((key) => (key !== null && texts.get(key.text)! <= ALIKE ? key : null))
}
