/** Tuple space: the keys of a run in a hash table, and the code that hashes a packet under each mask. See probe.ts. */
import type { Key, Way } from './key.ts'
import { WORDS } from './lookup.ts'
import type { LookupPlan } from './plan.ts'
import { bitWords, multiplier, placeOf, seed } from './probe.ts'

/** Masks in the order of their first rules. */
function masksOf(keys: readonly Key[]): Map<string, Int32Array> {
  return new Map(keys.flatMap(({ ways }) => ways.map(({ shape, masks }) => [shape, masks] as const)))
}

/** Words that keys have, apart from those that all have alike: these are asked once for all. */
function wordsOf(keys: readonly Key[]): { used: number[]; common: number[] } {
  const ways = keys.flatMap((key) => key.ways)
  const [first] = ways
  const all = [...Array(WORDS).keys()].filter((word) => ways.some(({ masks }) => masks[word] !== 0))
  const isCommon = (word: number) =>
    ways.every(
      ({ masks, values }) => masks[word] === first.masks[word] && values[word] === first.values[word],
    )
  const used = all.filter((word) => !isCommon(word))
  return used.length === 0 ? { used: all, common: [] } : { used, common: all.filter(isCommon) }
}

/** Leaves in `k` the first rule that has the packet's key, the number of rules if none has; ends the run at once for who can have none. */
export function probes(keys: readonly Key[]): string {
  const masks = [...masksOf(keys).values()]
  const { used, common } = wordsOf(keys)
  const [{ values }] = keys[0].ways
  const others = common.map((word) => `(x[${word}]&${masks[0][word]})!==${values[word]}`)
  const guard = others.length > 0 ? `if(${others.join('||')})return 0;` : ''
  const words = bitWords(distinctOf(keys).length)
  const top = Math.clz32(words) + 1
  const loads = used.map((word) => `a${word}=x[${word}]`).join()
  const probe = (mask: Int32Array, m: number) => {
    const products = used
      .filter((word) => mask[word] !== 0)
      .map(
        (word) =>
          `Math.imul(${mask[word] === -1 ? `a${word}` : `a${word}&${mask[word]}`},${multiplier(word)})`,
      )
    const hash = products.reduce((sum, each) => `(${sum}+${each}|0)`, String(seed(m)))
    return `h=${hash};if(B[h>>>${top}]>>>(h>>>${top - 5})&1)k=g.find(${m},h,k);`
  }
  return `${guard}const ${loads};let k=${keys.length},h=0;${masks.map(probe).join('')}`
}

/** Ways that differ, each with its first entry: entries are all ways of all rules, in the rules' order. */
function distinctOf(keys: readonly Key[]): { way: Way; entry: number }[] {
  const found = new Map<string, { way: Way; entry: number }>()
  keys
    .flatMap(({ ways }) => ways)
    .forEach((way, entry) => {
      if (!found.has(way.text)) found.set(way.text, { way, entry })
    })
  return [...found.values()]
}

export function lookupPlan(keys: readonly Key[]): LookupPlan {
  const masks = masksOf(keys)
  const numbers = new Map([...masks.keys()].map((shape, m) => [shape, m]))
  const { used: words, common } = wordsOf(keys)
  const [{ values }] = keys[0].ways
  const distinct = distinctOf(keys)
  const bits = new Int32Array(bitWords(distinct.length))
  const index = new Int32Array(Math.max(16, 2 << (32 - Math.clz32(distinct.length - 1))))
  const top = Math.clz32(bits.length) + 1
  const table: number[] = []
  distinct.forEach(({ way, entry }, number) => {
    const m = numbers.get(way.shape)!
    table.push(m, entry, ...words.map((word) => way.values[word]))
    let hash = seed(m)
    for (const word of words) hash = (hash + Math.imul(way.values[word], multiplier(word))) | 0
    bits[hash >>> top] |= 1 << (hash >>> (top - 5))
    let place = placeOf(hash, index.length)
    while (index[place] !== 0) place = (place + 1) & (index.length - 1)
    index[place] = number + 1
  })
  return {
    common: Int32Array.from(common.flatMap((word) => [word, values[word]])),
    words: Int32Array.from(words),
    masks: Int32Array.from([...masks.values()].flatMap((mask) => words.map((word) => mask[word]))),
    keys: Int32Array.from(table),
    entries: entriesOf(keys),
    index,
    bits,
  }
}

function entriesOf(keys: readonly Key[]): Int32Array {
  const all = keys.flatMap(({ ways }, rule) => ways.map(({ text }) => ({ rule, text })))
  const entries = new Int32Array(2 * all.length + 2)
  entries[2 * all.length] = keys.length
  const later = new Map<string, number>()
  for (let entry = all.length - 1; entry >= 0; entry--) {
    const { rule, text } = all[entry]
    entries[2 * entry] = rule
    entries[2 * entry + 1] = later.get(text) ?? all.length
    later.set(text, entry)
  }
  return entries
}
