/** Keys of rules: which registers must have which values, and what is left to ask of who has them. */
import type { Asked } from './code.ts'
import { type Condition, type KeyPart, SLOW, STATIC } from './extension.ts'
import { WORDS } from './lookup.ts'

interface Masked {
  masks: Int32Array
  values: Int32Array
}

/** One way to have a key. */
export interface Way extends Masked {
  /** what tells one mask from another, and one key */
  shape: string
  text: string
}

export interface Key {
  /** a packet that the rule is for has one of these */
  ways: Way[]
  /** what must hold besides */
  rest: Asked[]
  /** the key depends on more than the flow */
  isPure: boolean
}

/** More ways are not worth their places in the table. */
const WAYS = 16

/**
 * The key of a rule that asks these conditions in this order, with `covers` also by blocks that hold ranges; null if it has none. Conditions
 * behind one that remembers wait for that one.
 */
export function keyOf(conditions: readonly Condition[], covers = false): Key | null {
  const slow = conditions.findIndex(({ nature }) => nature === SLOW)
  const rest: Asked[] = []
  let isPure = false
  let ways: Masked[] = [{ masks: new Int32Array(WORDS), values: new Int32Array(WORDS) }]
  for (const [index, condition] of conditions.entries()) {
    const { key, nature, drops } = condition
    const isAsked = slow < 0 || index < slow
    const lists = isAsked && covers ? (condition.covers ?? []) : []
    if (key === undefined || !isAsked) rest.push(condition)
    else {
      ways = narrowed(ways, [key])
      if (condition.rest !== undefined) rest.push({ text: condition.rest, nature, drops: drops ?? false })
    }
    for (const list of lists) if (ways.length * list.length <= WAYS) ways = narrowed(ways, list)
    if (nature !== STATIC && isAsked && (key !== undefined || lists.length > 0)) isPure = true
  }
  // No way at all: parts contradict each other and the rule never matches, which plain code says at no cost.
  if (ways.length === 0 || ways.some(({ masks }) => masks.every((mask) => mask === 0))) return null
  return { ways: ways.map(wayOf), rest, isPure }
}

/** Each way with the parts of each list, as far as they do not contradict. */
function narrowed(ways: readonly Masked[], lists: readonly KeyPart[][]): Masked[] {
  return ways.flatMap((each) =>
    lists.flatMap((list) => {
      const masks = each.masks.slice()
      const values = each.values.slice()
      for (const { word, value, mask } of list) {
        const shared = masks[word] & mask
        if ((values[word] & shared) !== (value & shared)) return []
        masks[word] |= mask
        values[word] |= value & mask
      }
      return { masks, values }
    }),
  )
}

function wayOf({ masks, values }: Masked): Way {
  const shape = masks.join()
  return { masks, values, shape, text: `${shape}=${values.join()}` }
}

/** The same rule found under a mask that asks for less; then all its conditions are asked of who is found. */
export function coarser(key: Key, masks: Int32Array, conditions: readonly Condition[]): Key {
  const values = key.ways[0].values.map((value, word) => value & masks[word])
  return { ways: [wayOf({ masks, values })], rest: [...conditions], isPure: key.isPure }
}

/** True if who has a key under `masks` is asked for no more than under `finer`. */
export function isCoarser(masks: Int32Array, finer: Int32Array): boolean {
  return masks.every((mask, word) => (mask & finer[word]) === mask)
}
