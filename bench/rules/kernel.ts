/** The kernel as a router between veth pairs, its rules by iptables: its own (legacy), or nftables' translation of the same text. */
import { release } from 'node:os'
import type { Ground } from '../compare/ground.ts'
import { installed, type Peer, version } from '../compare/peer.ts'
import { prefix, type RulesJoint, restoreMs, settle, sides, timed } from './site.ts'

async function start(ground: Ground, program: string): Promise<RulesJoint> {
  const inside = { namespace: ground.s }
  for (const { end, ifname, network, address, gateway } of sides) {
    const peer = ['type', 'veth', 'peer', 'name', ifname, 'netns', ground[end]]
    await ground.run('ip', ['link', 'add', network, ...peer], inside)
    await ground.run('ip', ['address', 'add', `${gateway}/${prefix}`, 'dev', network], inside)
    await ground.run('ip', ['link', 'set', network, 'up'], inside)
    const outward = { namespace: ground[end] }
    await ground.run('ip', ['address', 'add', `${address}/${prefix}`, 'dev', ifname], outward)
    await ground.run('ip', ['link', 'set', ifname, 'up'], outward)
  }
  await ground.run('sysctl', ['-qw', 'net.ipv4.ip_forward=1'], inside)
  await settle(ground)
  const restore = (file: string) => timed(() => ground.run(program, ['--wait=10', file], inside, restoreMs))
  return { a: 'eth0', b: 'eth0', pids: [], restore }
}

function kernel(name: string, title: string, program: string): Peer<RulesJoint> {
  return {
    name,
    title,
    missing: () => (installed(program) ? null : 'install the package iptables'),
    version: () => `Linux ${release()} with iptables ${version(program, ['--version'], /v(\S+)/)}`,
    start: (ground) => start(ground, program),
  }
}

export const legacy = kernel('iptables', 'kernel, iptables', 'iptables-legacy-restore')
export const nft = kernel('nft', 'kernel, nft', 'iptables-nft-restore')
