/**
 * The DHCP server under a crowd: 2,000 exchanges a second (DISCOVER to ACK) by perfdhcp, each of a client never seen before, while TCP flows
 * through the NAT at half of the speed that it has alone. (At full speed two CPUs are busy anyway, and what perfdhcp takes of them is
 * missing: that is shown too, but it says little of the server.) Peers serve one guest at most; only Bridgeport is measured.
 */
import type { Ground } from '../compare/ground.ts'
import type { Measurement } from '../compare/measurement.ts'
import type { Sample } from '../compare/metric.ts'
import { type Route, transfer } from '../compare/throughput.ts'
import { gateway, type NatJoint, outside } from './site.ts'

const perSecond = 2000
const slackMs = 10_000
/** perfdhcp's clients in one run: more than exchanges, so that each is new. */
const clients = 60_000
/** perfdhcp begins before what it disturbs is counted, and ends after. */
const aroundSeconds = 2

interface Crowd {
  /** exchanges completed a second */
  rate: number
  /** messages without an answer, OFFERs and ACKs */
  lost: number
  /** the slowest answer, ms */
  delay: number
}

/** What perfdhcp says at its end: two blocks, DISCOVER to OFFER and REQUEST to ACK. Its own rate counts the wait for stragglers too. */
export function read(output: string, seconds: number): Crowd {
  const all = (pattern: RegExp) => [...output.matchAll(pattern)].map((match) => Number(match[1]))
  const drops = all(/^drops: (\d+)/gm)
  const answers = all(/^received packets: (\d+)/gm)
  if (drops.length !== 2 || answers.length !== 2)
    throw new Error(`perfdhcp: no statistics: ${output.trim().split('\n').at(-1)}`)
  const delay = Math.max(...all(/^max delay: ([\d.]+) ms/gm))
  return { rate: answers[1] / seconds, lost: drops[0] + drops[1], delay }
}

/** Runs `work` amid a crowd whose clients have MACs of their own, `first` being a byte of them. */
async function amid<T>(
  ground: Ground,
  joint: NatJoint,
  seconds: number,
  first: string,
  work: () => Promise<T>,
) {
  const period = Math.ceil(seconds) + aroundSeconds
  const load = ['-r', String(perSecond), '-p', String(period), '-R', String(clients), '-W', '1000000']
  const options = ['-4', ...load, '-b', `mac=00:0c:${first}:00:00:00`, '-l', joint.a, gateway]
  const crowd = ground.spawn('perfdhcp', options, { namespace: ground.a })
  const result = await work()
  // Its status is not 0 when something was lost, which is a figure, not a failure.
  await crowd.finish(period * 1000 + slackMs).catch(() => {})
  return { result, crowd: read(crowd.output, period) }
}

async function take(ground: Ground, joint: NatJoint, seconds: number): Promise<Sample> {
  if (!joint.pool) return {}
  const way: Route = { client: 'a', server: 'b', address: outside, reverse: false }
  const most = await transfer(ground, joint, seconds, 1, way)
  const paced: Route = { ...way, bound: most.gigabits / 2 }
  const quiet = await transfer(ground, joint, seconds, 1, paced)
  const half = await amid(ground, joint, seconds, '01', () => transfer(ground, joint, seconds, 1, paced))
  const full = await amid(ground, joint, seconds, '02', () => transfer(ground, joint, seconds, 1, way))
  return {
    leases: half.crowd.rate,
    leasesLost: half.crowd.lost,
    leaseDelay: half.crowd.delay,
    meanwhile: (100 * half.result.gigabits) / quiet.gigabits,
    meanwhileFull: (100 * full.result.gigabits) / most.gigabits,
  }
}

const needs = { perfdhcp: 'kea-admin', iperf3: 'iperf3' }

export const dhcp: Measurement<NatJoint> = { name: 'dhcp', needs, take }
