/** What ports cost while nothing happens: CPU time of all threads of the daemon, to the nanosecond. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Ground } from '../compare/ground.ts'
import type { Measurement } from '../compare/measurement.ts'
import type { Sample } from '../compare/metric.ts'
import type { VhostJoint } from './site.ts'
import { worked } from './threads.ts'

/** What ended before has its threads settled by then. */
const calmMs = 500

/** Percent of one CPU. */
export async function idleness(ground: Ground, joint: VhostJoint, seconds: number): Promise<number> {
  const used = () =>
    joint.pids.reduce((sum, pid) => [...worked(pid).values()].reduce((total, ns) => total + ns, sum), 0)
  const before = { at: performance.now(), ns: used() }
  await sleep(seconds * 1000, undefined, { signal: ground.signal })
  return (used() - before.ns) / 1e4 / (performance.now() - before.at)
}

async function take(ground: Ground, joint: VhostJoint, seconds: number): Promise<Sample> {
  if (!joint.idles) return {}
  await sleep(calmMs, undefined, { signal: ground.signal })
  return { idleAlone: await idleness(ground, joint, seconds) }
}

export const idle: Measurement<VhostJoint> = { name: 'idle', needs: {}, take }
