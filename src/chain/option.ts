/** Options as they stand in rules, and whose they are. */
import type { Form, MatchKind, TargetKind } from './extension.ts'

/** A match or target whose options may follow. */
export interface Loaded {
  kind: MatchKind | TargetKind
  options: Options
  data: unknown
  column: number
  /** options that were given already */
  said: string[]
}

/** An option by the name that its extension knows it by. */
export interface Option {
  name: string
  form: Exclude<Form, string>
}

/** Options by every name that they have. */
export type Options = Map<string, Option>

/** Options that belong to no extension. */
export const COMMON = optionsOf({
  '-j': { words: 1 },
  '-g': { words: 1 },
  '-m': { words: 1 },
  '-c': { words: 2 },
  '-4': { words: 0 },
  '--jump': '-j',
  '--goto': '-g',
  '--match': '-m',
  '--set-counters': '-c',
  '--ipv4': '-4',
})

const known = new Map<MatchKind | TargetKind, Options>()

/** An extension whose name stood at the column, ready for its options. */
export function loaded(kind: MatchKind | TargetKind, column: number): Loaded {
  let options = known.get(kind)
  if (options === undefined) {
    options = optionsOf(kind.options)
    known.set(kind, options)
  }
  return { kind, options, data: kind.begin(), column, said: [] }
}

function optionsOf(forms: Record<string, Form>): Options {
  const options: Options = new Map()
  for (const [name, form] of Object.entries(forms))
    if (typeof form !== 'string') options.set(name, { name, form })
  for (const [name, form] of Object.entries(forms)) {
    const meant = typeof form === 'string' ? options.get(form) : undefined
    if (meant) options.set(name, meant)
  }
  return options
}
