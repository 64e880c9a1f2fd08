/**
 * The DHCP server under a crowd: 2,000 exchanges a second (DISCOVER to ACK) by perfdhcp, each of a client never seen before, while another
 * port sends half of what the switch forwards at most. (At the most itself, whatever perfdhcp takes of few CPUs is missing: that would be
 * measured, not the server.) Peers have a server of their own for one guest at most; only Bridgeport is measured.
 */
import type { Ground } from '../compare/ground.ts'
import type { Measurement } from '../compare/measurement.ts'
import type { Sample } from '../compare/metric.ts'
import { forward } from './rate.ts'
import { gateway, type NatJoint, second as source } from './site.ts'

const perSecond = 2000
const slackMs = 10_000
/** perfdhcp's clients in one run: more than exchanges, so that each is new. */
const clients = 60_000
/** perfdhcp begins before what it disturbs is counted, and ends after. */
const headSeconds = 1
const tailSeconds = 1

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

async function take(ground: Ground, joint: NatJoint, seconds: number): Promise<Sample> {
  const { second } = joint
  if (second === undefined) return {}
  const flooded = { ...joint, a: second }
  const most = await forward(ground, flooded, seconds, { port: 40_001, source })
  const pace = { source, perSecond: ((most.rate ?? 0) * 1000) / 2 }
  const quiet = await forward(ground, flooded, seconds, { port: 40_002, ...pace })
  const period = Math.ceil(seconds) + headSeconds + tailSeconds
  const load = ['-r', String(perSecond), '-p', String(period), '-R', String(clients), '-W', '1000000']
  const inside = { namespace: ground.a }
  const crowd = ground.spawn('perfdhcp', ['-4', ...load, '-l', joint.a, gateway], inside)
  const meanwhile = await forward(ground, flooded, seconds, { port: 40_003, ...pace })
  // Its status is not 0 when something was lost, which is a figure, not a failure.
  await crowd.finish(period * 1000 + slackMs).catch(() => {})
  const { rate, lost, delay } = read(crowd.output, period)
  const sample: Sample = { leases: rate, leasesLost: lost, leaseDelay: delay }
  if (quiet.rate && meanwhile.rate) sample.rateMeanwhile = (100 * meanwhile.rate) / quiet.rate
  return sample
}

const needs = { perfdhcp: 'kea-admin', trafgen: 'netsniff-ng' }

export const dhcp: Measurement<NatJoint> = { name: 'dhcp', needs, take }
