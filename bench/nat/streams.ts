/** TCP through a NAT with iperf3: to the outside, from the outside, and in through a published port; 1, 4 and 16 streams. */
import type { Ground } from '../compare/ground.ts'
import type { Measurement } from '../compare/measurement.ts'
import type { Sample, Stream } from '../compare/metric.ts'
import { type Route, transfer } from '../compare/throughput.ts'
import { type NatJoint, outside } from './site.ts'

const counts = [1, 4, 16] as const

/** `out`, the plainest, also says what a gigabyte costs. */
async function take(
  ground: Ground,
  joint: NatJoint,
  seconds: number,
  kind: 'out' | 'back' | 'in',
  way: Route,
) {
  const sample: Sample = {}
  for (const count of counts) {
    const { gigabits, gigabytes, used } = await transfer(ground, joint, seconds, count, way)
    const name: Stream = `${kind}${count}`
    sample[name] = gigabits
    if (name !== 'out1') continue
    sample.gigabyteMachine = used.machine / gigabytes
    if (used.own !== null) sample.gigabyteSwitch = used.own / gigabytes
  }
  return sample
}

const needs = { iperf3: 'iperf3' }
const outward: Route = { client: 'a', server: 'b', address: outside, reverse: false }

export const out: Measurement<NatJoint> = {
  name: 'out',
  needs,
  take: (ground, joint, seconds) => take(ground, joint, seconds, 'out', outward),
}

export const back: Measurement<NatJoint> = {
  name: 'back',
  needs,
  take: (ground, joint, seconds) => take(ground, joint, seconds, 'back', { ...outward, reverse: true }),
}

export const inward: Measurement<NatJoint> = {
  name: 'in',
  needs,
  take: (ground, joint, seconds) => {
    const way: Route = { client: 'b', server: 'a', address: joint.publishedAt, reverse: false }
    return take(ground, joint, seconds, 'in', way)
  },
}
