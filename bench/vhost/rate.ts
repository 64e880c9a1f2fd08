/** Frames a second between two ports, as dpdk-testpmd counts them: three lengths to a known MAC, and the shortest to an unknown one. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Ground } from '../compare/ground.ts'
import type { Measurement } from '../compare/measurement.ts'
import type { Sample } from '../compare/metric.ts'
import type { VhostJoint } from './site.ts'
import { learned, Testpmd, unknown } from './testpmd.ts'

/** A switch learns, its caches fill, and an OVS that flooded at first takes that back in its next round. */
const warmMs = 1000

export const needs = { 'dpdk-testpmd': 'dpdk-dev' }

async function one(
  testpmd: Testpmd,
  ground: Ground,
  joint: VhostJoint,
  seconds: number,
  length: number,
  destinations = learned,
): Promise<number> {
  await testpmd.circulate(length, destinations)
  await joint.pin?.(ground)
  await sleep(warmMs, undefined, { signal: ground.signal })
  const rate = await testpmd.count(seconds)
  await testpmd.stop()
  return rate
}

/** The shortest frames alone, for whoever has to know how much a switch takes. */
export async function reach(ground: Ground, joint: VhostJoint, seconds: number): Promise<number> {
  if (joint.wire === undefined) return 0
  const testpmd = await Testpmd.start(ground, joint.wire)
  const rate = await one(testpmd, ground, joint, seconds, 64)
  await testpmd.quit()
  return rate
}

async function take(ground: Ground, joint: VhostJoint, seconds: number): Promise<Sample> {
  if (joint.wire === undefined) return {}
  const sample: Sample = {}
  const testpmd = await Testpmd.start(ground, joint.wire)
  for (const length of [64, 512, 1518] as const)
    sample[`frames${length}`] = await one(testpmd, ground, joint, seconds, length)
  sample.flooded64 = await one(testpmd, ground, joint, seconds, 64, unknown)
  await testpmd.quit()
  return sample
}

export const rate: Measurement<VhostJoint> = { name: 'rate', needs, take }
