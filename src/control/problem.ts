/** What is wrong with an input, one line each: where, what stood there, and what may stand there. */
import type * as z from 'zod'

/** A mistake at a place of the input; `text` follows the path in the line. */
export interface Problem {
  path: readonly PropertyKey[]
  text: string
}

/** A path as people write it: networks.default.publish[0], quotes around what would be misread. */
export function pathText(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'the whole'
  return path
    .map((key, at) => {
      if (typeof key === 'number') return `[${key}]`
      const name = /^[\w-]+$/.test(String(key)) ? String(key) : JSON.stringify(String(key))
      return at === 0 ? name : `.${name}`
    })
    .join('')
}

/** A value as it stood there, in one short line. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') return 'a mapping'
  const text = typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? String(value))
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}

export function at(value: unknown, path: readonly PropertyKey[]): unknown {
  let here: unknown = value
  for (const key of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return undefined
    here = (here as Record<PropertyKey, unknown>)[key]
  }
  return here
}

export function found(value: unknown, expected: string): string {
  return `found ${shown(value)}, expected ${expected}`
}

const KINDS: Readonly<Record<string, string>> = {
  ...{ string: 'a text', number: 'a number', int: 'an integer', boolean: 'true or false' },
  ...{ array: 'a list', object: 'a mapping' },
}

/** What may stand there where a schema has no words of its own; safeParse() takes it as `error`. */
export function expected(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'unrecognized_keys') {
    const { shape = {} } = (issue.inst?._zod.def ?? {}) as { shape?: object }
    return `one of ${Object.keys(shape).join(', ')}`
  }
  if (issue.code === 'invalid_type') return KINDS[issue.expected]
  return issue.code === 'too_big' && issue.origin === 'string'
    ? `at most ${issue.maximum} characters`
    : undefined
}

type Issue = z.core.$ZodIssue

/** The branch of a union that was meant: the one whose own kind fits, so that its inner mistakes can be told. */
function branch(issue: Extract<Issue, { code: 'invalid_union' }>): Issue[] | null {
  const fitting = (issue.errors ?? []).filter((issues) =>
    issues.every((each) => each.code === 'unrecognized_keys' || each.path.length > 0),
  )
  return fitting.length === 0
    ? null
    : fitting.reduce((best, next) => (next.length < best.length ? next : best))
}

/** Turns zod's issues into problems; `input` is what was validated, `prefix` where it stands. */
export function problems(
  issues: readonly Issue[],
  input: unknown,
  prefix: readonly PropertyKey[] = [],
): Problem[] {
  const result: Problem[] = []
  const add = (path: readonly PropertyKey[], text: string) => {
    const full = [...prefix, ...path]
    if (!result.some((each) => pathText(each.path) === pathText(full))) result.push({ path: full, text })
  }
  const walk = (issue: Issue, base: readonly PropertyKey[]): void => {
    const path = [...base, ...issue.path]
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) add([...path, key], `unknown key, expected ${issue.message}`)
    } else if (issue.code === 'invalid_key') {
      add(path, found(path.at(-1), issue.issues[0]?.message ?? issue.message))
    } else if (issue.code === 'invalid_union') {
      const meant = branch(issue)
      if (meant === null) add(path, found(at(input, path), issue.message))
      else for (const inner of meant) walk(inner, path)
    } else add(path, found(at(input, path), issue.message))
  }
  for (const issue of issues) walk(issue, [])
  return result
}
