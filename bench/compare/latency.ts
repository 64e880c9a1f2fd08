/**
 * Round trips with ping: `ping -f`, where each request follows the last reply, so that the switch never sleeps for long; and
 * 1,000 a second, where it falls asleep in between and has to wake, as it does under ordinary load.
 */
import { addressB, type Ground } from './ground.ts'
import type { Measurement } from './measurement.ts'
import type { Sample } from './metric.ts'

const pacedPerSecond = 1000
const slackMs = 10_000

/** Value at a fraction of ascending values: the smallest that at least that part does not exceed. */
function quantile(sorted: number[], fraction: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * fraction) - 1)]
}

async function take(ground: Ground, _joint: unknown, seconds: number): Promise<Sample> {
  const inside = { namespace: ground.a }
  // A deadline and no count: with both, ping takes a single lost reply for a failure.
  const deadline = ['-w', String(Math.ceil(seconds)), addressB]
  const limitMs = Math.ceil(seconds) * 1000 + slackMs
  const summary = await ground.run('ping', ['-f', '-q', ...deadline], inside, limitMs)
  const average = /= [\d.]+\/([\d.]+)\//.exec(summary)
  if (!average) throw new Error(`ping -f: no reply: ${summary.trim().split('\n').at(-2)}`)
  const lines = await ground.run('ping', ['-i', String(1 / pacedPerSecond), ...deadline], inside, limitMs)
  const times = [...lines.matchAll(/time=([\d.]+) ms/g)]
    .map(([, ms]) => Number(ms) * 1000)
    .sort((x, y) => x - y)
  if (times.length < (pacedPerSecond * seconds) / 2) throw new Error(`ping: only ${times.length} replies`)
  return { flood: Number(average[1]) * 1000, median: quantile(times, 0.5), p99: quantile(times, 0.99) }
}

export const latency: Measurement = { name: 'latency', needs: { ping: 'iputils-ping' }, take }
