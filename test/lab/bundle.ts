/** Programs that a test runs in another thread or process: TypeScript bundled to one plain file, since Node 20 runs no other. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildSync } from 'esbuild'
import { defer } from './cleanup.ts'

const root = join(import.meta.dirname ?? '', '../..')

/** Bundles a file, named relative to the repository, and returns the bundle's path. It finds the addon as if it lay in src/. */
export function bundle(path: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'bridgeport-'))
  defer(() => rmSync(folder, { recursive: true, force: true }))
  const outfile = join(folder, 'bundle.mjs')
  buildSync({
    entryPoints: [join(root, path)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    minifySyntax: true,
    external: ['esbuild'],
    define: { 'import.meta.url': JSON.stringify(pathToFileURL(join(root, 'src/index.ts')).href) },
  })
  return outfile
}
