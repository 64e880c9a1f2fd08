/** The program in load/, built for this machine and run: the guests of what testpmd cannot measure. */
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Ground } from '../compare/ground.ts'
import { root } from '../compare/root.ts'
import { cores, devices, environment, type Pair, type VhostJoint } from './site.ts'

export const needs = { cc: 'gcc', 'pkg-config': 'pkg-config', 'dpdk-testpmd': 'dpdk-dev' }

const program = join(root, 'dist/bench/load')
const buildMs = 60_000
/** Start and end of DPDK, and the second that it does not count. */
const slackMs = 15_000
/** By then frames flow. */
const flowMs = 600

let built: Promise<unknown> | null = null

/** Compiles once a run. */
async function build(ground: Ground): Promise<void> {
  const compile = async () => {
    const found = await ground.run('pkg-config', ['--cflags', '--libs', 'libdpdk'])
    mkdirSync(dirname(program), { recursive: true })
    const sources = ['main', 'arp', 'flows', 'echo'].map((name) => join(root, `bench/vhost/load/${name}.c`))
    const args = ['-O3', '-o', program, ...sources, ...found.trim().split(/\s+/)]
    await ground.run('cc', args, {}, buildMs)
  }
  built ??= compile().catch((error: Error) => {
    built = null
    throw new Error(`what makes frames needs the package libdpdk-dev: ${error.message}`)
  })
  await built
}

/** Runs it for about `seconds` and resolves to the line it prints. */
export async function load<T>(
  ground: Ground,
  joint: VhostJoint,
  pair: Pair,
  words: (string | number)[],
  seconds: number,
): Promise<T> {
  await build(ground)
  const thread = `--lcores=0@${cores.guests}`
  const args = [thread, ...environment(ground, 'load'), ...devices(pair), '--', ...words.map(String)]
  const child = ground.spawn(program, args)
  if (joint.pin) {
    await sleep(flowMs, undefined, { signal: ground.signal })
    await joint.pin(ground)
  }
  const output = await child.finish(seconds * 1000 + slackMs)
  const line = output.split('\n').findLast((text) => text.startsWith('{'))
  if (line === undefined) throw new Error(`load: no result: ${output.trim().split('\n').at(-1)}`)
  return JSON.parse(line) as T
}
