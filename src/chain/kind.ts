/**
 * Rules of one kind: their statements differ in numbers only. So there is one text for all, and a table of the numbers that differ.
 */

/** Keeps a table; its number. */
export type AddTable = (values: Int32Array) => number

export interface Kind {
  /** the statements, split where numbers stand */
  texts: string[]
  rules: number[]
  numbers: number[][]
}

/** Decimal integers that stand for values: no part of a name, no register's number. A minus belongs to one where nothing is to subtract from. */
const DIGITS = /(?<!x\[|[\w$.])(?:(?<![\w$.)\]]\s*)-)?\d+(?![\w.])/g
const INT32_MAX = 2 ** 31 - 1

/** A statement without its numbers, and those. */
export function shapeOf(statement: string): { shape: string; numbers: number[] } {
  const numbers: number[] = []
  const shape = statement.replace(DIGITS, (digits) => {
    if (Math.abs(Number(digits)) > INT32_MAX) return digits
    numbers.push(Number(digits))
    return '#'
  })
  return { shape, numbers }
}

/** Rules whose statements differ in numbers only are of one kind. */
export function kindsOf(statements: readonly string[]): Kind[] {
  const kinds = new Map<string, Kind>()
  statements.forEach((statement, rule) => {
    const { shape, numbers } = shapeOf(statement)
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
export function parametrise(kinds: readonly Kind[], count: number, table: AddTable) {
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
