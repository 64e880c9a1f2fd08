/**
 * What it costs the frames that somebody looks: the same load goes on, he looks and looks away, second by second. A second of looking
 * is compared with the mean of those before and after it, so that what drifts, drifts for both.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Ground } from '../compare/ground.ts'
import type { Measurement } from '../compare/measurement.ts'
import type { Metric, Sample } from '../compare/metric.ts'
import { median } from '../compare/summary.ts'
import type { Load, ObserveJoint } from './site.ts'

/** Between looking and not looking. Who looks every second begins at once: so each counted second has one of its looks. */
const settleMs = 300
const windowSeconds = 1
/** A second of each, and twice at least. */
const turnsLeast = 2

/** Somebody who looks from `open` to `close`, again and again. */
export interface Watcher {
  open(): Promise<void>
  close(): Promise<void>
  /** what he has seen himself */
  figures?(): Sample
  leave?(): Promise<void>
}

/** A share of the rate without him, in per cent. */
type Share = Extract<Metric, `${string}Share`>

type Come = (ground: Ground, joint: ObserveJoint) => Promise<Watcher>

/** The rate while nobody looks, and while the watcher does, as a share of the former. */
async function compare(ground: Ground, load: Load, watcher: Watcher, turns: number) {
  const settle = () => sleep(settleMs, undefined, { signal: ground.signal })
  const alone = [await load.rate(windowSeconds)]
  const shares: number[] = []
  for (let turn = 0; turn < turns; turn++) {
    await watcher.open()
    await settle()
    const rate = await load.rate(windowSeconds)
    await watcher.close()
    await settle()
    alone.push(await load.rate(windowSeconds))
    shares.push((2 * rate) / (alone[turn] + alone[turn + 1]))
  }
  return { unwatched: median(alone), share: 100 * median(shares) }
}

async function take(
  ground: Ground,
  joint: ObserveJoint,
  seconds: number,
  metric: Share,
  come: Come,
): Promise<Sample> {
  const watcher = await come(ground, joint)
  try {
    const load = await joint.load(ground)
    try {
      const turns = Math.max(turnsLeast, Math.round(seconds / 2))
      const { unwatched, share } = await compare(ground, load, watcher, turns)
      return { ...watcher.figures?.(), unwatched, [metric]: share }
    } finally {
      await load.stop()
    }
  } finally {
    await watcher.leave?.()
  }
}

/** Measures one kind of watcher. */
export function watched(
  name: string,
  metric: Share,
  needs: Record<string, string>,
  come: Come,
): Measurement<ObserveJoint> {
  return { name, needs, take: (ground, joint, seconds) => take(ground, joint, seconds, metric, come) }
}
