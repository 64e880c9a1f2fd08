/** Where this package lies: its addon and its bundles are below it. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the package that the module `url` belongs to; throws an Error if it was taken out of its package. */
export function home(url: string): string {
  const start = dirname(fileURLToPath(url))
  let folder = start
  while (!existsSync(join(folder, 'binding.gyp'))) {
    const above = dirname(folder)
    if (above === folder)
      throw new Error(`${start} is in no package of bridgeport: run it from its clone or install it`)
    folder = above
  }
  return folder
}
