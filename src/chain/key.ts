/** Keys of rules: which registers must have which values, and what is left to ask of who has them. */
import type { Asked } from './code.ts'
import { type Condition, SLOW, STATIC } from './extension.ts'
import { WORDS } from './lookup.ts'

export interface Key {
  masks: Int32Array
  values: Int32Array
  /** what tells one mask from another, and one key */
  shape: string
  text: string
  /** what must hold besides the key */
  rest: Asked[]
  /** the key depends on more than the flow */
  isPure: boolean
}

/** The key of a rule that asks these conditions in this order; null if it has none. Those behind one that remembers wait for that one. */
export function keyOf(conditions: readonly Condition[]): Key | null {
  const slow = conditions.findIndex(({ nature }) => nature === SLOW)
  const masks = new Int32Array(WORDS)
  const values = new Int32Array(WORDS)
  const rest: Asked[] = []
  let isPure = false
  for (const [index, condition] of conditions.entries()) {
    const { key, nature, drops } = condition
    if (key === undefined || (slow >= 0 && index >= slow)) {
      rest.push(condition)
      continue
    }
    for (const { word, value, mask } of key) {
      const shared = masks[word] & mask
      // Two that contradict each other: the rule never matches, which plain code says at no cost.
      if ((values[word] & shared) !== (value & shared)) return null
      masks[word] |= mask
      values[word] |= value & mask
    }
    if (condition.rest !== undefined) rest.push({ text: condition.rest, nature, drops: drops ?? false })
    if (nature !== STATIC) isPure = true
  }
  if (masks.every((mask) => mask === 0)) return null
  return made(masks, values, rest, isPure)
}

function made(masks: Int32Array, values: Int32Array, rest: Asked[], isPure: boolean): Key {
  const shape = masks.join()
  return { masks, values, shape, text: `${shape}=${values.join()}`, rest, isPure }
}

/** The same rule found under a mask that asks for less; then all its conditions are asked of who is found. */
export function coarser(key: Key, masks: Int32Array, conditions: readonly Condition[]): Key {
  return made(
    masks,
    key.values.map((value, word) => value & masks[word]),
    [...conditions],
    key.isPure,
  )
}

/** True if who has a key under `masks` is asked for no more than under `finer`. */
export function isCoarser(masks: Int32Array, finer: Int32Array): boolean {
  return masks.every((mask, word) => (mask & finer[word]) === mask)
}
