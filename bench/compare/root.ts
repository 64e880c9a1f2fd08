/** The package's folder, found from the bundle as well as from the source. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

function climb(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'binding.gyp'))) folder = dirname(folder)
  return folder
}

export const root = climb()
