/** Looks at a text in iptables-save's format without putting it in force: what `rules check` does, with a daemon or without. */
import { check } from '../chain/check.ts'
import { type Finding, lint } from '../chain/lint.ts'
import { Misread } from '../chain/misread.ts'
import { restore } from '../chain/restore.ts'
import { Refusal } from './refusal.ts'

/** What a daemon knows that a text does not say. */
export interface Surroundings {
  /** the type of a set, null if there is none of that name */
  typeOf: (name: string) => string | null
  /** true if something bears the name */
  known: (name: string) => boolean
}

/** Without a daemon every set may exist, and every name may be borne. */
const ANYTHING: Surroundings = { typeOf: () => '', known: () => true }

/** A mistake in a text, told with the file that it stands in. The compiler's own Error is what does not fit; any other is a defect. */
export function refuse(error: unknown, path = ''): unknown {
  if (!(error instanceof Error)) return error
  if (!(error instanceof Misread) && error.constructor !== Error) return error
  return Refusal.of([path === '' ? error.message : `${path}: ${error.message}`])
}

/** What may be wrong with a text that would be accepted; throws a Refusal with the place of the mistake for one that would not. */
export function examine(text: string, { typeOf, known } = ANYTHING): Finding[] {
  try {
    const ruleset = restore(text)
    check(ruleset, typeOf)
    return lint(ruleset, known)
  } catch (error) {
    throw refuse(error)
  }
}
