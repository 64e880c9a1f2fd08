/** The package's version, from its package.json. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { home } from '../memory/package.ts'

function read(): string {
  const text = readFileSync(join(home(import.meta.url), 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

export const version: string = read()
