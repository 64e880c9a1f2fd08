/** Forwarding rate of 60-byte frames against the number of rules that they meet. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Ground } from '../compare/ground.ts'
import type { Measurement } from '../compare/measurement.ts'
import type { Sample } from '../compare/metric.ts'
import { flood } from '../compare/rate.ts'
import { established, fresh } from './flows.ts'
import type { RulesJoint } from './site.ts'
import { many } from './text.ts'

export const needs = { trafgen: 'netsniff-ng', nft: 'nftables' }

export function write(ground: Ground, text: string): string {
  const file = join(ground.folder, 'rules.v4')
  writeFileSync(file, text)
  return file
}

/** Frames received, in thousands a second. */
export async function received(
  ground: Ground,
  joint: RulesJoint,
  seconds: number,
  frames: string,
): Promise<number> {
  const { rate } = await flood(ground, joint, seconds, frames)
  if (rate === undefined) throw new Error('nothing was counted')
  return rate
}

async function takeRate(ground: Ground, joint: RulesJoint, seconds: number): Promise<Sample> {
  const sample: Sample = {}
  for (const count of [0, 10, 100, 1000, 10_000] as const) {
    await joint.restore(write(ground, many(count)))
    sample[`rules${count}`] = await received(ground, joint, seconds, await established(ground))
  }
  for (const count of [1000, 10_000] as const) {
    await joint.restore(write(ground, many(count, 1, 'wide')))
    sample[`wide${count}`] = await received(ground, joint, seconds, await established(ground))
  }
  return sample
}

async function takeFresh(ground: Ground, joint: RulesJoint, seconds: number): Promise<Sample> {
  const sample: Sample = {}
  for (const count of [0, 1000, 10_000] as const) {
    await joint.restore(write(ground, many(count)))
    sample[`fresh${count}`] = await received(ground, joint, seconds, await fresh(ground))
  }
  return sample
}

/** Frames of flows under way. */
export const rate: Measurement<RulesJoint> = { name: 'rate', needs, take: takeRate }

/** Each frame the first of its flow. */
export const first: Measurement<RulesJoint> = { name: 'first', needs, take: takeFresh }
