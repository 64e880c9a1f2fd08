/**
 * What CLI and API added: `<state>/runtime.yaml`. It survives restarts and reloads, and is replaced as a whole.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseDocument, stringify } from 'yaml'
import { Runtime, type RuntimeInput } from './added.ts'
import { replace } from './durable.ts'
import { unavailable } from './pending.ts'
import { pathText, problems } from './problem.ts'
import { Refusal } from './refusal.ts'

export type Contents = { [K in keyof RuntimeInput]-?: NonNullable<RuntimeInput[K]> }

const REMEDY = 'mend the file or remove it'

function empty(): Contents {
  return { networks: {}, ports: {}, macs: [], publish: [], processes: {} }
}

export function pathIn(state: string): string {
  return join(state, 'runtime.yaml')
}

/** Reads the file; one that does not exist is empty. Throws a Refusal with a line for each mistake. */
export function read(path: string): Contents {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return empty()
    throw new Refusal(path, (error as Error).message, 'make it readable')
  }
  const document = parseDocument(text)
  if (document.errors.length > 0) throw new Refusal(path, document.errors[0].message.split('\n')[0], REMEDY)
  const value: unknown = document.toJS() ?? {}
  const result = Runtime.safeParse(value)
  const found = result.success ? unavailable(result.data) : problems(result.error.issues, value)
  if (found.length > 0 || !result.success)
    throw Refusal.of(found.map((each) => `${path}: ${pathText(each.path)}: ${each.text}; ${REMEDY}`))
  return { ...empty(), ...(result.data as Partial<Contents>) }
}

/** Replaces the file. Throws a Refusal, and then the old contents stand. */
export function write(path: string, contents: Contents): void {
  replace(path, `# Written by bridgeport: what its command line and API added.\n${stringify(contents)}`)
}
