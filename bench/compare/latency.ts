/**
 * Round trips with ping: `ping -f`, where each request follows the last reply, so that the switch never sleeps for long; and
 * 1,000 a second, where it falls asleep in between and has to wake, as it does under ordinary load.
 */
import { addressB, type Ground } from './ground.ts'
import type { Measurement } from './measurement.ts'
import type { Sample } from './metric.ts'

/** Round trips per second of measuring: at 40 µs, the slowest peer's, a third of the time. */
const floodPerSecond = 8000
const pacedPerSecond = 1000
const slackMs = 10_000

/** Value at a fraction of ascending values: the smallest that at least that part does not exceed. */
function quantile(sorted: number[], fraction: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * fraction) - 1)]
}

async function take(ground: Ground, _joint: unknown, seconds: number): Promise<Sample> {
  const inside = { namespace: ground.a }
  const limitMs = seconds * 1000 + slackMs
  // -w ends a flood that loses its replies: it goes on at 100 a second then.
  const deadline = ['-w', String(Math.ceil(seconds * 2))]
  const flood = ['-f', '-q', ...deadline, '-c', String(Math.round(floodPerSecond * seconds)), addressB]
  const summary = await ground.run('ping', flood, inside, limitMs + seconds * 1000)
  const average = /= [\d.]+\/([\d.]+)\//.exec(summary)
  if (!average) throw new Error(`ping -f: no reply: ${summary.trim().split('\n').at(-2)}`)
  const paced = [
    '-i',
    String(1 / pacedPerSecond),
    '-c',
    String(Math.round(pacedPerSecond * seconds)),
    addressB,
  ]
  const lines = await ground.run(
    'ping',
    [...paced, '-w', String(Math.ceil(seconds * 2))],
    inside,
    limitMs * 2,
  )
  const times = [...lines.matchAll(/time=([\d.]+) ms/g)]
    .map(([, ms]) => Number(ms) * 1000)
    .sort((x, y) => x - y)
  if (times.length < (pacedPerSecond * seconds) / 2) throw new Error(`ping: only ${times.length} replies`)
  return { flood: Number(average[1]) * 1000, median: quantile(times, 0.5), p99: quantile(times, 0.99) }
}

export const latency: Measurement = { name: 'latency', needs: { ping: 'iputils-ping' }, take }
