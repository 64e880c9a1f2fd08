/** Temporary folders, named like the namespaces after the process that made them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defer } from './cleanup.ts'

export function folder(label: string): string {
  const path = mkdtempSync(join(tmpdir(), `bpt${process.pid}-${label}-`))
  defer(() => remove(path, 10))
  return path
}

/** A daemon that was told to end may write once more while its folder goes: rmSync looks for files only once, so it is called again. */
function remove(path: string, attempts: number): void {
  try {
    rmSync(path, { recursive: true, force: true, maxRetries: 2, retryDelay: 20 })
  } catch (error) {
    if (attempts === 0) throw error
    remove(path, attempts - 1)
  }
}
