/** UDP through conntrack and SNAT, 1,024 flows and 100,000, each answered once: frames that arrive with the translated source. */
import type { Ground } from '../compare/ground.ts'
import type { Measurement } from '../compare/measurement.ts'
import type { Sample } from '../compare/metric.ts'
import { load, needs } from './load.ts'
import type { VhostJoint } from './site.ts'

/** What load says of flows. */
export interface Flows {
  seconds: number
  sent: number
  received: number
  /** of those received: how many came from the address that they had to */
  translated: number
  /** of those looked at: how many had a wrong checksum */
  wrong: number
}

/** Millions a second, and only of a switch that translated every frame and repaired its checksums. */
export function judged({ seconds, received, translated, wrong }: Flows): number {
  if (received === 0) throw new Error('no frame arrived')
  if (translated !== received) throw new Error(`${received - translated} of ${received} were not translated`)
  if (wrong > 0) throw new Error(`${wrong} frames had a wrong checksum`)
  return received / seconds / 1e6
}

async function take(ground: Ground, joint: VhostJoint, seconds: number): Promise<Sample> {
  const { nat } = joint
  if (nat === undefined) return {}
  const sample: Sample = {}
  for (const count of [1024, 100_000] as const) {
    const flows = await load<Flows>(ground, joint, nat, ['flows', count, seconds, nat.source], seconds)
    sample[`flows${count}`] = judged(flows)
  }
  return sample
}

export const nat: Measurement<VhostJoint> = { name: 'nat', needs, take }
