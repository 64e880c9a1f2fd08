/**
 * What is left behind by reading very many rules: hundreds of megabytes, which V8 would leave there until gigabytes have come together.
 * The control thread can afford the tenths of a second that it takes to look.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

let gc: (() => void) | null = null

/** Frees what nobody refers to any more. */
export function collect(): void {
  if (gc === null) {
    setFlagsFromString('--expose-gc')
    gc = runInNewContext('gc') as () => void
    setFlagsFromString('--no-expose-gc')
  }
  gc()
}
