/** The kernel's bridge between two veth pairs: no process, everything runs in the sender's softirq. */
import { release } from 'node:os'
import type { Ground } from './ground.ts'
import type { Joint, Peer } from './peer.ts'

async function start(ground: Ground): Promise<Joint> {
  const inside = { namespace: ground.s }
  await ground.run('ip', ['link', 'add', 'br0', 'type', 'bridge'], inside)
  await ground.run('ip', ['link', 'set', 'br0', 'up'], inside)
  for (const end of ['a', 'b'] as const) {
    const names = [`port-${end}`, 'type', 'veth', 'peer', 'name', `veth-${end}`]
    await ground.run('ip', ['link', 'add', ...names], inside)
    await ground.run('ip', ['link', 'set', `port-${end}`, 'master', 'br0', 'up'], inside)
    await ground.plug(end, `veth-${end}`)
  }
  return { a: 'veth-a', b: 'veth-b', pids: [] }
}

export const bridge: Peer = {
  name: 'bridge',
  title: 'kernel bridge',
  missing: () => null,
  version: () => `Linux ${release()}`,
  start,
}
