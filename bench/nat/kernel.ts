/** The kernel as a router: the guest behind a veth pair, masquerade and DNAT by nftables. No process: softirqs do the work. */
import { writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import type { Ground } from '../compare/ground.ts'
import { installed, type Peer } from '../compare/peer.ts'
import { card, gateway, guest, host, type NatJoint, prefix, published, wire } from './site.ts'

const rules = `table ip bench {
  chain out { type nat hook postrouting priority srcnat; oifname "${card}" masquerade; }
  chain in { type nat hook prerouting priority dstnat; iifname "${card}" tcp dport ${published} dnat to ${guest}; }
}
`

async function start(ground: Ground): Promise<NatJoint> {
  await wire(ground)
  const inside = { namespace: ground.s }
  const peer = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', ground.a]
  await ground.run('ip', ['link', 'add', 'guest', ...peer], inside)
  await ground.run('ip', ['address', 'add', `${gateway}/${prefix}`, 'dev', 'guest'], inside)
  await ground.run('ip', ['link', 'set', 'guest', 'up'], inside)
  const guestward = { namespace: ground.a }
  await ground.run('ip', ['address', 'add', `${guest}/${prefix}`, 'dev', 'eth0'], guestward)
  await ground.run('ip', ['link', 'set', 'eth0', 'up'], guestward)
  await ground.run('ip', ['route', 'add', 'default', 'via', gateway], guestward)
  await ground.run('sysctl', ['-qw', 'net.ipv4.ip_forward=1'], inside)
  const file = join(ground.folder, 'rules.nft')
  writeFileSync(file, rules)
  await ground.run('nft', ['--file', file], inside)
  return { a: 'eth0', b: 'eth0', pids: [], publishedAt: host }
}

export const kernel: Peer<NatJoint> = {
  name: 'kernel',
  title: 'kernel masquerade',
  missing: () => (installed('nft') ? null : 'install the package nftables'),
  version: () => `Linux ${release()}`,
  start,
}
