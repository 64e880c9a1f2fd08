/**
 * What CLI and API added: `<state>/runtime.yaml`. It survives restarts and reloads, and is replaced as a whole: written
 * beside, synced, renamed, so that a crash leaves the old one or the new one.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { parseDocument, stringify } from 'yaml'
import { Runtime, type RuntimeInput } from './added.ts'
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
  const beside = `${path}.new`
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
    const file = openSync(beside, 'w', 0o644)
    try {
      writeSync(file, `# Written by bridgeport: what its command line and API added.\n${stringify(contents)}`)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(beside, path)
    const folder = openSync(dirname(path), 'r')
    fsyncSync(folder)
    closeSync(folder)
  } catch (error) {
    discard(beside)
    throw new Refusal(path, (error as Error).message, 'make room for it or name another place with state:')
  }
}

/** Removes what a failed write left; what cannot be removed is overwritten by the next one. */
function discard(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // it was not even made
  }
}
