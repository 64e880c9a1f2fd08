/** The two loads: 60-byte frames from TAP to TAP as fast as one CPU can send them, and 64-byte frames between two guests. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { counters } from '../compare/counters.ts'
import type { Ground } from '../compare/ground.ts'
import { mac } from '../compare/rate.ts'
import type { Pair } from '../vhost/site.ts'
import { cores } from '../vhost/site.ts'
import { learned, Testpmd } from '../vhost/testpmd.ts'
import { pin } from '../vhost/threads.ts'
import type { Load } from './site.ts'

/** Ethernet's minimum without the checksum that the hardware adds: 14 bytes of header and 46 of payload. */
const payloadLength = 46
/** Until caches are filled and whatever compiles has compiled. */
const warmMs = 1000
/** timeout(1) ends trafgen and its fork should nobody else. */
const mostSeconds = 120

/** From eth0 in namespace a to eth0 in namespace b. */
export async function taps(ground: Ground): Promise<Load> {
  const [source, destination] = [await mac(ground, 'a', 'eth0'), await mac(ground, 'b', 'eth0')]
  const file = join(ground.folder, 'frame.cfg')
  writeFileSync(
    file,
    `{ eth(da=${destination}, sa=${source}, proto=0x88b5), fill(0x00, ${payloadLength}) }\n`,
  )
  const options = ['--dev', 'eth0', '--conf', file, '--cpus', '1', '--no-sock-mem', '--no-cpu-stats']
  const bound = ['--signal', 'KILL', String(mostSeconds)]
  const sender = ground.spawn('timeout', [...bound, 'trafgen', ...options], { namespace: ground.a })
  await sleep(warmMs, undefined, { signal: ground.signal })
  const arrived = () => {
    const found = counters(ground.proc('b', 'net/dev'), 'eth0')
    if (found === null || sender.ended) throw new Error(`the load ended early: ${sender.output.trim()}`)
    return found.rxFrames
  }
  return {
    rate: async (seconds) => {
      const before = { at: performance.now(), frames: arrived() }
      await sleep(seconds * 1000, undefined, { signal: ground.signal })
      return (arrived() - before.frames) / (performance.now() - before.at)
    },
    stop: async () => sender.kill('SIGKILL'),
  }
}

/** Round and round between two guests; the thread that forwards has its core alone. */
export async function guests(ground: Ground, pid: number, pair: Pair): Promise<Load> {
  const testpmd = await Testpmd.start(ground, pair)
  await testpmd.circulate(64, learned)
  await pin(ground, pid, cores.switching)
  await sleep(warmMs, undefined, { signal: ground.signal })
  return {
    rate: async (seconds) => (await testpmd.count(seconds)) * 1000,
    stop: () => testpmd.quit(),
  }
}
