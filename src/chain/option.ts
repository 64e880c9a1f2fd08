/** Options as they stand in rules, and whose they are. */
import type { Form, MatchKind, TargetKind } from './extension.ts'

/** A match or target whose options may follow. */
export interface Loaded {
  kind: MatchKind | TargetKind
  data: unknown
  column: number
  said: Set<string>
}

/** An option as it stands in the rule: what it is called, and the extension that takes it, null for those that belong to none. */
export interface Found {
  option: string
  form: Exclude<Form, string>
  owner: Loaded | null
}

/** Options that belong to no extension. */
export const COMMON: Record<string, Form> = {
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
}

/** The option that a name stands for. */
export function resolve(options: Record<string, Form>, text: string): Omit<Found, 'owner'> | null {
  if (!Object.hasOwn(options, text)) return null
  const form = options[text]
  return typeof form === 'string' ? resolve(options, form) : { option: text, form }
}
