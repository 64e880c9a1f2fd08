/** A trial whose sides differ, made smaller as long as they differ in the same way. */
import { tidied } from './ruleset.ts'
import type { Difference, Trial } from './trial.ts'

/** Tries that are made at most. */
const TRIES = 200

/** Removes parts of a list, halves first, while `holds`. */
function reduce<T>(list: T[], holds: (list: T[]) => boolean): T[] {
  let kept = list
  for (let size = Math.max(1, kept.length >> 1); ; size >>= 1) {
    for (let at = kept.length - size; at > -size; at -= size) {
      const from = Math.max(0, at)
      const less = [...kept.slice(0, from), ...kept.slice(at + size)]
      if (less.length < kept.length && holds(less)) kept = less
    }
    if (size <= 1) return kept
  }
}

/** The smallest trial found that `differ` says the same kind of difference of, and that difference. */
export function shrink(
  trial: Trial,
  found: Difference,
  differ: (trial: Trial) => Difference | null,
): { trial: Trial; difference: Difference } {
  let tries = TRIES
  let best = { trial, difference: found }
  const holds = (next: Trial): boolean => {
    if (tries-- <= 0) return false
    const difference = differ(next)
    if (difference?.what !== found.what) return false
    best = { trial: next, difference }
    return true
  }
  const packets = () => reduce(best.trial.parcels, (parcels) => holds({ ...best.trial, parcels }))
  if (found.at >= 0) holds({ ...trial, parcels: trial.parcels.slice(0, found.at + 1) })
  const { written } = best.trial
  reduce(written.lines, (lines) =>
    holds({ ...best.trial, written: tidied({ ...best.trial.written, lines }) }),
  )
  packets()
  reduce(best.trial.written.lines, (lines) =>
    holds({ ...best.trial, written: tidied({ ...best.trial.written, lines }) }),
  )
  for (const { name, table } of best.trial.written.chains) {
    const chains = best.trial.written.chains.map((chain) =>
      chain.name === name && chain.table === table && chain.policy === 'DROP'
        ? { ...chain, policy: 'ACCEPT' }
        : chain,
    )
    if (chains.some((chain, n) => chain !== best.trial.written.chains[n]))
      holds({ ...best.trial, written: { ...best.trial.written, chains } })
  }
  packets()
  return best
}
