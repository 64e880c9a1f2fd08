/** Temporary folders, named like the namespaces after the process that made them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defer } from './cleanup.ts'

export function folder(label: string): string {
  const path = mkdtempSync(join(tmpdir(), `bpt${process.pid}-${label}-`))
  // A daemon that was told to end may still be writing there.
  defer(() => rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 }))
  return path
}
