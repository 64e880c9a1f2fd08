/** QEMU's usual way: a TAP for each guest, in a bridge of the kernel. vhost=off, as for all: not every kernel has vhost-net. */
import { bridge as bridged } from '../compare/bridge.ts'
import type { Ground } from '../compare/ground.ts'
import type { Peer } from '../compare/peer.ts'
import type { VhostJoint } from './site.ts'

async function start(ground: Ground): Promise<VhostJoint> {
  const inside = { namespace: ground.s }
  await ground.run('ip', ['link', 'add', 'br0', 'type', 'bridge'], inside)
  await ground.run('ip', ['link', 'set', 'br0', 'up'], inside)
  for (const name of ['ga', 'gb']) {
    await ground.run('ip', ['tuntap', 'add', name, 'mode', 'tap', 'vnet_hdr'], inside)
    await ground.run('ip', ['link', 'set', name, 'master', 'br0', 'up'], inside)
  }
  return { a: '', b: '', pids: [], guests: { a: { ifname: 'ga' }, b: { ifname: 'gb' } } }
}

export const bridge: Peer<VhostJoint> = {
  name: 'bridge',
  title: 'kernel TAP + bridge',
  missing: bridged.missing,
  version: bridged.version,
  start,
}
