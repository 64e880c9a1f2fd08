/** Bridgeport itself: the daemon as a user starts it, one internal network, two TAPs in namespaces. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { addressA, addressB, type End, type Ground, mtu, prefix } from './ground.ts'
import type { Joint, Peer } from './peer.ts'
import { root } from './root.ts'

const startMs = 20_000

function configuration(ground: Ground): string {
  const port = (end: End, address: string) =>
    `  ${end}: { network: bench, type: tap, netns: ${ground[end]}, ifname: eth0, address: ${address}/${prefix} }\n`
  return (
    `http: "off"\nstate: ${join(ground.folder, 'state')}\n` +
    `networks:\n  bench: { mode: internal, subnet: 10.77.0.0/${prefix}, mtu: ${mtu} }\n` +
    `ports:\n${port('a', addressA)}${port('b', addressB)}`
  )
}

async function start(ground: Ground): Promise<Joint> {
  const file = join(ground.folder, 'bridgeport.yaml')
  writeFileSync(file, configuration(ground))
  const args = [join(root, 'bin/bridgeport.js'), 'up', '-c', file, '--socket', join(ground.folder, 'socket')]
  const daemon = ground.spawn(process.execPath, args, { namespace: ground.s })
  await daemon.until(/^ready$/m, startMs)
  return { a: 'eth0', b: 'eth0', pids: [daemon.pid] }
}

function version(): string {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  try {
    const stdio: ['ignore', 'pipe', 'ignore'] = ['ignore', 'pipe', 'ignore']
    const describe = ['describe', '--always', '--dirty']
    return `Bridgeport ${version} (${execFileSync('git', describe, { cwd: root, encoding: 'utf8', stdio }).trim()})`
  } catch {
    return `Bridgeport ${version}`
  }
}

export const bridgeport: Peer = {
  name: 'bridgeport',
  title: 'Bridgeport',
  missing: () =>
    ['bin/bridgeport.js', 'dist/cli.js'].every((path) => existsSync(join(root, path)))
      ? null
      : 'build it first: npm run build',
  version,
  start,
}
