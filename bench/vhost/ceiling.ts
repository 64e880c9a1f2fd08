/** What no switch can exceed: dpdk-testpmd hands frames from one vhost port to the other and looks at none of them. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Ground } from '../compare/ground.ts'
import { installed, type Peer, version } from '../compare/peer.ts'
import { cores, environment, type VhostJoint } from './site.ts'

const startMs = 15_000

async function start(ground: Ground): Promise<VhostJoint> {
  const path = (name: string) => join(ground.folder, `${name}.sock`)
  const wire = { a: path('a'), b: path('b') }
  const ports = [`--vdev=net_vhost0,iface=${wire.a}`, `--vdev=net_vhost1,iface=${wire.b}`]
  const threads = `--lcores=0@${cores.switching},1@${cores.switching}`
  const rings = ['--txd=1024', '--rxd=1024', '--total-num-mbufs=16384', '--nb-cores=1']
  const forward = ['-i', '--auto-start', '--forward-mode=io', ...rings]
  const args = [threads, ...environment(ground, 'ceiling'), ...ports, '--', ...forward]
  const child = ground.spawn('dpdk-testpmd', args, { namespace: ground.s })
  await child.until(/testpmd> $/, startMs)
  await ground.appears(wire.b, () => existsSync(wire.a) && existsSync(wire.b))
  return { a: '', b: '', pids: [child.pid], wire }
}

export const ceiling: Peer<VhostJoint> = {
  name: 'testpmd',
  title: 'testpmd io',
  missing: () => (installed('dpdk-testpmd') ? null : 'install the package dpdk-dev'),
  version: () => `DPDK ${version('pkg-config', ['--modversion', 'libdpdk'], /(\S+)/)}`,
  start,
}
