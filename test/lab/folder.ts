/** Temporary folders, named like the namespaces after the process that made them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defer } from './cleanup.ts'

export function folder(label: string): string {
  const path = mkdtempSync(join(tmpdir(), `bpt${process.pid}-${label}-`))
  defer(() => rmSync(path, { recursive: true, force: true }))
  return path
}
