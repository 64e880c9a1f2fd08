/**
 * Forwarding rate of 60-byte frames: trafgen on one CPU sends as fast as it can, the far interface counts what arrives.
 *
 * The frames go to the receiver's MAC, which the switch has learned, under the EtherType 0x88b5 (IEEE 802, local
 * experimental): nobody listens to it, so the receiver's stack drops them in silence and no answer loads the way back. The
 * kernel bridge forwards in the sender's own context: there offered and received are the same by nature.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Counters, counters } from './counters.ts'
import { between, type Usage, usage } from './cpu.ts'
import type { End, Ground } from './ground.ts'
import type { Measurement } from './measurement.ts'
import type { Sample } from './metric.ts'
import type { Joint } from './peer.ts'

/** Ethernet's minimum without the checksum that the hardware adds: 14 bytes of header and 46 of payload. */
const payloadLength = 46
/** trafgen fills its ring and the switch's caches before anything is counted. */
const warmUpMs = 500
/** trafgen forks, and its fork outlives an impolite end of its parent: timeout(1) ends both should nobody else. */
const slackSeconds = 20

interface Reading {
  atMs: number
  cpu: Usage
  ingress: Counters
  egress: Counters
}

function count(ground: Ground, end: End, ifname: string): Counters {
  const found = counters(ground.proc(end, 'net/dev'), ifname)
  if (!found) throw new Error(`interface ${ifname} vanished from namespace ${end} during the measurement`)
  return found
}

function read(ground: Ground, joint: Joint): Reading {
  return {
    atMs: performance.now(),
    cpu: usage(joint.pids),
    ingress: count(ground, 'a', joint.a),
    egress: count(ground, 'b', joint.b),
  }
}

export async function mac(ground: Ground, end: End, ifname: string): Promise<string> {
  const output = await ground.run('ip', ['-json', 'link', 'show', 'dev', ifname], { namespace: ground[end] })
  return (JSON.parse(output) as { address: string }[])[0].address
}

/** Sends `frame` (trafgen's language) from namespace a as fast as one CPU can and counts what comes out in b. */
export async function flood(ground: Ground, joint: Joint, seconds: number, frame: string): Promise<Sample> {
  const file = join(ground.folder, 'frame.cfg')
  writeFileSync(file, `${frame}\n`)
  const options = ['--dev', joint.a, '--conf', file, '--cpus', '1', '--no-sock-mem', '--no-cpu-stats']
  const bound = ['--signal', 'KILL', String(Math.ceil(seconds) + slackSeconds)]
  const sender = ground.spawn('timeout', [...bound, 'trafgen', ...options], { namespace: ground.a })
  let before: Reading
  let after: Reading
  try {
    await sleep(warmUpMs, undefined, { signal: ground.signal })
    before = read(ground, joint)
    await sleep(seconds * 1000, undefined, { signal: ground.signal })
    after = read(ground, joint)
    if (sender.ended) throw new Error(`trafgen ended early: ${sender.output.trim()}`)
  } finally {
    sender.kill('SIGKILL')
  }
  return figures(before, after)
}

async function take(ground: Ground, joint: Joint, seconds: number): Promise<Sample> {
  const source = await mac(ground, 'a', joint.a)
  const destination = await mac(ground, 'b', joint.b)
  const frame = `{ eth(da=${destination}, sa=${source}, proto=0x88b5), fill(0x00, ${payloadLength}) }`
  return flood(ground, joint, seconds, frame)
}

function figures(before: Reading, after: Reading): Sample {
  const ms = after.atMs - before.atMs
  const received = after.egress.rxFrames - before.egress.rxFrames
  // A TAP counts as sent what the switch took, and as dropped what found its queue full.
  const taken = after.ingress.txFrames - before.ingress.txFrames
  const refused = after.ingress.txDrops - before.ingress.txDrops
  const used = between(before.cpu, after.cpu)
  if (received === 0) throw new Error('no frame arrived')
  const sample: Sample = {
    rate: received / ms,
    offered: (taken + refused) / ms,
    framesMachine: used.machine / (received / 1e6),
  }
  if (used.own !== null) sample.framesSwitch = used.own / (received / 1e6)
  return sample
}

export const rate: Measurement = { name: 'rate', needs: { trafgen: 'netsniff-ng' }, take }
