/** What checks of a configuration share: how a mistake is told, who has what, and which addresses a subnet's hosts may have. */
import * as address from './address.ts'
import type { Cidr } from './configuration.ts'
import { shown } from './problem.ts'

export type Report = (path: readonly PropertyKey[], text: string) => void

/** `networks.lab` with the place it comes from, for a line that names two things. */
export function named(section: string, thing: { name: string; origin: string }): string {
  const where = { file: 'of the file', runtime: 'added at run time', run: 'of a running `bridgeport run`' }[
    thing.origin
  ]
  return `${section}.${thing.name} ${where}`
}

/** First of two claims on the same thing; the second is told who has it. */
export class Claims {
  private readonly holders = new Map<string, string>()

  /** The holder of `key`, or null after `holder` has become it. */
  take(key: string, holder: string): string | null {
    const other = this.holders.get(key)
    if (other === undefined) this.holders.set(key, holder)
    return other ?? null
  }
}

/** An address that a host of the subnet may have; true when it is one. */
export function inside(path: readonly PropertyKey[], text: string, range: Cidr, report: Report): boolean {
  const value = address.ipv4(text.split('/')[0]) as number
  const [first, last] = [address.networkOf(range), address.broadcastOf(range)]
  if (address.contains(range, value) && value !== first && value !== last) return true
  const expected = `an address from ${address.ipv4Text(first + 1)} to ${address.ipv4Text(last - 1)}`
  report(path, `found ${shown(text)}, expected ${expected} (the network has ${range.text})`)
  return false
}
