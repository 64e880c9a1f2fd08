/** The usual Node way, as a baseline: bench/duplex in a process of its own. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Ground } from './ground.ts'
import type { Joint, Peer } from './peer.ts'
import { root } from './root.ts'

const bundle = join(root, 'dist/bench/duplex.js')
const addon = join(root, 'build/Release/bridgeport.node')

async function start(ground: Ground): Promise<Joint> {
  const relay = ground.spawn(process.execPath, [bundle, 'duplex-a', 'duplex-b'], { namespace: ground.s })
  await relay.until(/^ready$/m, 10_000)
  await ground.plug('a', 'duplex-a')
  await ground.plug('b', 'duplex-b')
  return { a: 'duplex-a', b: 'duplex-b', pids: [relay.pid] }
}

export const duplex: Peer = {
  name: 'duplex',
  title: 'Node streams',
  missing: () => (existsSync(bundle) && existsSync(addon) ? null : 'build it first: npm run build'),
  version: () => `Node ${process.versions.node}`,
  start,
}
