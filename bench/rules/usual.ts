/** What the usual few rules cost a connection under way: frames a second, and TCP, beside the same router with none. */
import type { Ground } from '../compare/ground.ts'
import type { Measurement } from '../compare/measurement.ts'
import type { Sample } from '../compare/metric.ts'
import { type Route, transfer } from '../compare/throughput.ts'
import { established } from './flows.ts'
import { needs, received, write } from './rate.ts'
import { far, type RulesJoint } from './site.ts'
import { ports, small } from './text.ts'

const accept = `-p udp -m udp --dport ${ports.first}:${ports.last}`

async function take(ground: Ground, joint: RulesJoint, seconds: number): Promise<Sample> {
  const way: Route = { client: 'a', server: 'b', address: far.address, reverse: false }
  const both = async () => {
    const frames = await received(ground, joint, seconds, await established(ground))
    const { gigabits } = await transfer(ground, joint, seconds, 1, way)
    return { frames, gigabits }
  }
  const none = await both()
  await joint.restore(write(ground, small(accept)))
  const usual = await both()
  return {
    noneFrames: none.frames,
    usualFrames: usual.frames,
    noneTcp: none.gigabits,
    usualTcp: usual.gigabits,
  }
}

export const usual: Measurement<RulesJoint> = {
  name: 'usual',
  needs: { ...needs, iperf3: 'iperf3' },
  take,
}
