/** What the forms of schema.ts are made of; each message says what may stand there. */
import * as z from 'zod'

/** A string that a parser accepts; `expected` is both the message and the description. */
export function text(expected: string, accepts: (value: string) => boolean, pattern?: RegExp) {
  const base = z.string(expected)
  const shaped = pattern === undefined ? base : base.regex(pattern, expected)
  return shaped.refine(accepts, expected).describe(expected)
}

export function integer(low: number, high: number) {
  const expected = `an integer from ${low} to ${high}`
  return z.int(expected).min(low, expected).max(high, expected).describe(expected)
}

export function choice<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(
    values,
    values.length === 1 ? values[0] : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`,
  )
}

export const flag = z.boolean('true or false')

export function mapping<T extends z.ZodRawShape>(shape: T) {
  const keys = Object.keys(shape).join(', ')
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys' ? `one of ${keys}` : `a mapping with the keys ${keys}`,
  })
}

export const off = <T extends z.ZodType>(schema: T, expected: string) =>
  z.union([z.literal('off'), schema], expected)
