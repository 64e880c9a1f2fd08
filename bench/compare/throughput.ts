/** TCP from namespace to namespace with iperf3, one stream and four, and the CPU time that a gigabyte costs. */
import { between, usage } from './cpu.ts'
import { addressB, type End, type Ground } from './ground.ts'
import type { Measurement } from './measurement.ts'
import type { Sample } from './metric.ts'
import type { Joint } from './peer.ts'

/** Time for connections to be set up and taken down on top of the transfer. */
const slackMs = 10_000

/** The part of iperf3's JSON that is read: what the receiver counted. */
interface Report {
  error?: string
  end: { sum_received: { bytes: number; bits_per_second: number } }
}

/** Who connects to whom, at which address, and who sends. */
export interface Route {
  client: End
  server: End
  address: string
  /** true: the server sends */
  reverse: boolean
  /** Gbit/s a stream at most; as much as goes unless given */
  bound?: number
}

/** One transfer of about `seconds` in `streams` connections; iperf3's server listens on its usual port, 5201. */
export async function transfer(ground: Ground, joint: Joint, seconds: number, streams: number, way: Route) {
  const listen = ['--server', '--one-off', '--forceflush']
  const server = ground.spawn('iperf3', listen, { namespace: ground[way.server] })
  await server.until(/Server listening/, slackMs)
  const client = ['--client', way.address, '--time', String(seconds), '--parallel', String(streams), '--json']
  if (way.reverse) client.push('--reverse')
  if (way.bound !== undefined) client.push('--bitrate', String(Math.ceil(way.bound * 1e9)))
  const before = usage(joint.pids)
  let output: string
  try {
    const inside = { namespace: ground[way.client] }
    output = await ground.run('iperf3', client, inside, seconds * 1000 + slackMs)
  } finally {
    await server.stop()
  }
  const used = between(before, usage(joint.pids))
  const report = JSON.parse(output) as Report
  if (report.error) throw new Error(`iperf3: ${report.error}`)
  const { bytes, bits_per_second: rate } = report.end.sum_received
  return { gigabits: rate / 1e9, gigabytes: bytes / 1e9, used }
}

async function take(ground: Ground, joint: Joint, seconds: number): Promise<Sample> {
  const way: Route = { client: 'a', server: 'b', address: addressB, reverse: false }
  const one = await transfer(ground, joint, seconds, 1, way)
  const four = await transfer(ground, joint, seconds, 4, way)
  const sample: Sample = {
    tcp1: one.gigabits,
    tcp4: four.gigabits,
    gigabyteMachine: one.used.machine / one.gigabytes,
  }
  if (one.used.own !== null) sample.gigabyteSwitch = one.used.own / one.gigabytes
  return sample
}

export const throughput: Measurement = { name: 'tcp', needs: { iperf3: 'iperf3' }, take }
