/** Files that are replaced as a whole: written beside, synced, renamed, so that a crash leaves the old one or the new one. */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { Refusal } from './refusal.ts'

/** Replaces the file. Throws a Refusal, and then the old contents stand. */
export function replace(path: string, text: string): void {
  const beside = `${path}.new`
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
    const file = openSync(beside, 'w', 0o644)
    try {
      const bytes = Buffer.from(text)
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
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
