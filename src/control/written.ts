/**
 * Texts beside the configuration: rules and sets. What is in force is the file that the configuration names, or what `restore` put in
 * its place: that is kept in the state folder under a first line that says which contents of the file it replaced, and holds until
 * the file has others.
 */
import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { replace } from './durable.ts'
import { Refusal } from './refusal.ts'

/** A text and where it comes from; `path` is '' for what came through command line or API and is kept nowhere. */
export interface Written {
  path: string
  text: string
}

export type Kind = 'rules' | 'sets'

/** What of a kind is in force, and what is needed to tell at the next reload whether its file has changed. */
export interface Companion {
  written: Written | null
  /** of the file's contents, NONE if the configuration names none */
  digest: string
  /** what was kept in the state folder is of other contents of the file, and to be forgotten once this is in force */
  outdated: boolean
}

/** 100,000 rules have about 10 MB; more than this is something else. */
export const TEXT_LENGTH_MAX = 64 * 2 ** 20
const NONE = 'none'
const NAMES: Record<Kind, string> = { rules: 'rules.v4', sets: 'sets.save' }
const HEAD = '# bridgeport: holds until the file that it replaced is another than '

export function pathIn(state: string, kind: Kind): string {
  return join(state, NAMES[kind])
}

function contents(path: string): string | null {
  try {
    const text = readFileSync(path, 'utf8')
    if (text.length > TEXT_LENGTH_MAX) throw new Refusal(path, 'longer than 64 MiB', 'shorten it')
    return text
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return null
    if (error instanceof Refusal) throw error
    throw new Refusal(path, code === 'EISDIR' ? 'it is a directory' : message, 'make it readable')
  }
}

/** The file of a kind that a configuration names, by a path relative to its own folder, '' for the working one. Throws a Refusal. */
export function read(name: string | undefined, configuration: string): Written | null {
  if (name === undefined) return null
  const path = resolve(dirname(configuration), name)
  const text = contents(path)
  if (text === null) throw new Refusal(path, 'there is no such file', 'write it or name another one')
  return { path, text }
}

function digestOf(file: Written | null): string {
  return file === null ? NONE : `sha256 ${createHash('sha256').update(file.text).digest('hex')}`
}

/** What is in force of a kind: the file, or what holds in its place. Throws a Refusal. */
export function decide(kind: Kind, file: Written | null, state: string): Companion {
  const digest = digestOf(file)
  const path = pathIn(state, kind)
  const text = contents(path)
  if (text === null) return { written: file, digest, outdated: false }
  const head = `${HEAD}${digest}\n`
  const isHeld = text.startsWith(head)
  return { written: isHeld ? { path, text: text.slice(head.length) } : file, digest, outdated: !isHeld }
}

/** Keeps `text` in the place of a file's contents. Throws a Refusal, and then what was kept stands. */
export function keep(kind: Kind, text: string, digest: string, state: string): Written {
  const path = pathIn(state, kind)
  replace(path, `${HEAD}${digest}\n${text}`)
  return { path, text }
}

/** Adds a line to what is kept. Throws a Refusal; a line that came to its end in part only has no line break. */
export function append(kind: Kind, line: string, state: string): void {
  const path = pathIn(state, kind)
  try {
    const file = openSync(path, 'a')
    try {
      writeSync(file, line)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw new Refusal(path, (error as Error).message, 'make room for it or name another place with state:')
  }
}

/** Forgets what was kept; what cannot be removed is outdated at the next look, too. */
export function forget(kind: Kind, state: string): void {
  try {
    rmSync(pathIn(state, kind), { force: true })
  } catch {
    // the folder is read-only: it said so when something was to be written
  }
}
