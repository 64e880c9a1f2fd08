/** A run becomes one function: probes of its masks, and what is left to ask and to do of the rules that are found. */
import type { Asked } from './code.ts'
import { PROLOGUE, ruleCode } from './code.ts'
import type { Action } from './extension.ts'
import type { Key } from './key.ts'
import { WORDS } from './lookup.ts'
import type { LookupPlan } from './plan.ts'
import { bitWords, multiplier, placeOf, seed } from './probe.ts'
import * as x from './registers.ts'

/** Kinds of rules in one function. */
const KINDS = 16

/** Tables and words of a key are used in place of numbers that differ between rules of one kind. */
interface Kind {
  /** the statements, split where the numbers stand */
  texts: string[]
  rules: number[]
  numbers: number[][]
}

/** The function of a run whose rules are counted from `first` on; `lookup` and `table` say by which number it finds its data. */
export function runSource(
  keys: readonly Key[],
  actions: readonly Action[],
  first: number,
  lookup: number,
  table: (values: Int32Array) => number,
): string {
  const number = `${first}+k`
  const statements = keys.map(({ rest }, at) => ruleCode(rest as Asked[], number, actions[at]))
  const kinds = kindsOf(statements)
  const { bodies, prelude } = parametrise(kinds, keys.length, table)
  const volatile = keys.some(({ isPure }) => isPure) ? `x[${x.VOLATILE}]=1;` : ''
  const again = `if(x[${x.MET}]>${x.LOG_LENGTH}&&count())return ${x.SLOW};`
  const end = keys.length
  const loop =
    bodies.length <= KINDS
      ? `for(;k<${end};k=g.next()){${again}${choice(bodies, 0)}}`
      : `for(;k<${end};k=g.next()){${again}const r=F[V[k]>>4](k);if(r!==0)return r}`
  const parts: string[] = []
  for (let at = 0; bodies.length > KINDS && at < bodies.length; at += KINDS) {
    parts.push(`(function(k){${choice(bodies.slice(at, at + KINDS), at)}return 0})`)
  }
  const functions = parts.length > 0 ? `const F=[${parts.join()}];` : ''
  const body = `${PROLOGUE}${volatile}${probes(keys)}${loop}return ${x.CONTINUE}`
  return `(()=>{const g=G[${lookup}],B=g.bits;${prelude}${functions}return(function(){${body}})})()`
}

/** Statements by the kind of rule k. */
function choice(bodies: readonly string[], first: number): string {
  if (bodies.length === 1 && first === 0) return bodies[0]
  return `switch(V[k]){${bodies.map((body, at) => `case ${first + at}:{${body}}break;`).join('')}}`
}

/** Masks in the order of their first rules. */
function masksOf(keys: readonly Key[]): Map<string, Int32Array> {
  return new Map(keys.map(({ shape, masks }) => [shape, masks]))
}

/** Leaves in `k` the first rule that has the packet's key, the number of rules if none has. */
function probes(keys: readonly Key[]): string {
  const masks = [...masksOf(keys).values()]
  const used = [...Array(WORDS).keys()].filter((word) => masks.some((mask) => mask[word] !== 0))
  const words = bitWords(keysOf(keys).length)
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
  return `const ${loads};let k=${keys.length},h=0;${masks.map(probe).join('')}`
}

/** Keys that differ, each with its first rule. */
function keysOf(keys: readonly Key[]): { key: Key; rule: number }[] {
  const found = new Map<string, { key: Key; rule: number }>()
  keys.forEach((key, rule) => {
    if (!found.has(key.text)) found.set(key.text, { key, rule })
  })
  return [...found.values()]
}

export function lookupPlan(keys: readonly Key[]): LookupPlan {
  const masks = masksOf(keys)
  const numbers = new Map([...masks.keys()].map((shape, m) => [shape, m]))
  const words = [...Array(WORDS).keys()].filter((word) =>
    [...masks.values()].some((mask) => mask[word] !== 0),
  )
  const distinct = keysOf(keys)
  const bits = new Int32Array(bitWords(distinct.length))
  const index = new Int32Array(Math.max(16, 2 << (32 - Math.clz32(distinct.length - 1))))
  const top = Math.clz32(bits.length) + 1
  const table: number[] = []
  distinct.forEach(({ key, rule }, number) => {
    const m = numbers.get(key.shape)!
    table.push(m, rule, ...words.map((word) => key.values[word]))
    let hash = seed(m)
    for (const word of words) hash = (hash + Math.imul(key.values[word], multiplier(word))) | 0
    bits[hash >>> top] |= 1 << (hash >>> (top - 5))
    let place = placeOf(hash, index.length)
    while (index[place] !== 0) place = (place + 1) & (index.length - 1)
    index[place] = number + 1
  })
  return {
    words: Int32Array.from(words),
    masks: Int32Array.from([...masks.values()].flatMap((mask) => words.map((word) => mask[word]))),
    keys: Int32Array.from(table),
    following: follow(keys),
    index,
    bits,
  }
}

function follow(keys: readonly Key[]): Int32Array {
  const following = new Int32Array(keys.length)
  const later = new Map<string, number>()
  for (let rule = keys.length - 1; rule >= 0; rule--) {
    const { text } = keys[rule]
    following[rule] = later.get(text) ?? keys.length
    later.set(text, rule)
  }
  return following
}

/** Decimal integers that stand for values: no part of a name, no register's number. A minus belongs to one where nothing is to subtract from. */
const NUMBER = /(?<!x\[|[\w$.])(?:(?<![\w$.)\]]\s*)-)?\d+(?![\w.])/g
const INT32_MAX = 2 ** 31 - 1

/** Rules whose statements differ in numbers only are of one kind. */
function kindsOf(statements: readonly string[]): Kind[] {
  const kinds = new Map<string, Kind>()
  statements.forEach((statement, rule) => {
    const numbers: number[] = []
    const shape = statement.replace(NUMBER, (digits) => {
      if (Math.abs(Number(digits)) > INT32_MAX) return digits
      numbers.push(Number(digits))
      return '#'
    })
    const kind = kinds.get(shape)
    if (kind === undefined) kinds.set(shape, { texts: shape.split('#'), rules: [rule], numbers: [numbers] })
    else {
      kind.rules.push(rule)
      kind.numbers.push(numbers)
    }
  })
  return [...kinds.values()]
}

/** Bodies of the kinds over `V`, which kind rule k is of, and `P`, the numbers that differ. */
function parametrise(kinds: readonly Kind[], count: number, table: (values: Int32Array) => number) {
  const columns = kinds.map(({ numbers }) =>
    numbers[0].flatMap((value, at) => (numbers.every((each) => each[at] === value) ? [] : [at])),
  )
  const width = Math.max(...columns.map((each) => each.length))
  const values = new Int32Array(width * count)
  const bodies = kinds.map(({ texts, rules, numbers }, kind) => {
    rules.forEach((rule, n) => {
      columns[kind].forEach((column, at) => {
        values[rule * width + at] = numbers[n][column]
      })
    })
    const place = (at: number) => (at === 0 ? `P[k*${width}]` : `P[k*${width}+${at}]`)
    return texts.reduce((text, next, at) => {
      const column = columns[kind].indexOf(at - 1)
      return `${text}${column < 0 ? String(numbers[0][at - 1]) : place(column)}${next}`
    })
  })
  const which = new Int32Array(count)
  kinds.forEach(({ rules }, kind) => {
    for (const rule of rules) which[rule] = kind
  })
  const prelude = `${width > 0 ? `const P=T[${table(values)}];` : ''}${kinds.length > 1 ? `const V=T[${table(which)}];` : ''}`
  return { bodies, prelude }
}
