/** pasta (of passt): a TAP in the guest's namespace, each of its flows spliced to a socket of the host. */
import type { Ground } from '../compare/ground.ts'
import { installed, type Peer, version } from '../compare/peer.ts'
import { gateway, guest, host, type NatJoint, prefix, published, routed, wire } from './site.ts'

async function start(ground: Ground, mtu: number): Promise<NatJoint> {
  await wire(ground)
  // It would make a user namespace, which has no rights over a network namespace of root's; so it stays root.
  const rights = ['--runas', '0', '--netns-only', '--foreground', '--quiet']
  const inside = ['--config-net', '--ns-ifname', 'eth0', '--ipv4-only', '--mtu', String(mtu)]
  const addresses = ['--address', guest, '--netmask', String(prefix), '--gateway', gateway]
  const ports = ['-t', String(published), '-u', 'none', '-T', 'none', '-U', 'none']
  const target = ['--netns', `/run/netns/${ground.a}`]
  const args = [...rights, ...inside, ...addresses, ...ports, ...target]
  const { pid } = ground.spawn('pasta', args, { namespace: ground.s })
  await routed(ground)
  return { a: 'eth0', b: 'eth0', pids: [pid], publishedAt: host }
}

const common = {
  missing: () => (installed('pasta') ? null : 'install the package passt'),
  version: () => `pasta ${version('pasta', ['--version'], /pasta (?!unknown)(\S+)/)}`,
}

export const pasta: Peer<NatJoint> = {
  name: 'pasta',
  title: 'pasta',
  ...common,
  start: (ground) => start(ground, 1500),
}

/** Its own default. */
export const pastaJumbo: Peer<NatJoint> = {
  name: 'pasta-65520',
  title: 'pasta, MTU 65520',
  ...common,
  start: (ground) => start(ground, 65_520),
}
