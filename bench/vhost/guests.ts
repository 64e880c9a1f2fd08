/** Two QEMU guests: TCP between them, and before that what a switch costs while both are connected and nothing happens. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Ground } from '../compare/ground.ts'
import type { Measurement } from '../compare/measurement.ts'
import type { Sample } from '../compare/metric.ts'
import { Guest } from './guest.ts'
import { idleness } from './idle.ts'
import { macs, type VhostJoint } from './site.ts'

const addresses = ['10.80.0.1', '10.80.0.2']
/** A guest that has booted still says who it is: IPv6's neighbours and multicast groups. */
const calmMs = 1500
const slackMs = 15_000

/** The part of iperf3's JSON that is read: what the receiver counted. */
interface Report {
  error?: string
  end: { sum_received: { bits_per_second: number } }
}

async function take(ground: Ground, joint: VhostJoint, seconds: number): Promise<Sample> {
  const { guests } = joint
  if (guests === undefined) return {}
  const boot = (plug: typeof guests.a, n: number) => Guest.boot(ground, plug, macs[n], `${addresses[n]}/24`)
  const [a, b] = await Promise.all([boot(guests.a, 0), boot(guests.b, 1)])
  const sample: Sample = {}
  if (joint.idles) {
    await sleep(calmMs, undefined, { signal: ground.signal })
    sample.idleGuests = await idleness(ground, joint, seconds)
  }
  const text = await a.run(
    `iperf3 --client ${addresses[1]} --time ${Math.ceil(seconds)} --json`,
    seconds * 1000 + slackMs,
  )
  const report = JSON.parse(text) as Report
  if (report.error) throw new Error(`iperf3: ${report.error}`)
  sample.guestTcp = report.end.sum_received.bits_per_second / 1e9
  await Promise.all([a.stop(), b.stop()])
  return sample
}

const needs = { 'qemu-system-x86_64': 'qemu-system-x86' }

export const guests: Measurement<VhostJoint> = { name: 'guests', needs, take }
