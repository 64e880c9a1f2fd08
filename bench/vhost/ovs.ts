/**
 * Open vSwitch with DPDK: one thread that polls (PMD) on core 0, two bridges with two vhost-user ports each. One learns (NORMAL); the
 * other has the flows of a NAT: what comes from the guest is tracked, gets the outside's source and one hop less, and answers find back.
 * Nothing of them depends on the frame, so that each is one entry of its caches.
 */
import { existsSync, writeFileSync } from 'node:fs'
import type { Ground } from '../compare/ground.ts'
import { database } from '../compare/ovs.ts'
import { installed, type Peer, version } from '../compare/peer.ts'
import { cores, environment, type VhostJoint } from './site.ts'

/** Where Debian puts the program that is linked with DPDK, and where others do. */
const programs = ['/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk', '/usr/sbin/ovs-vswitchd.dpdk']

const source = '10.60.0.1'

/** MiB; 512 is what its frame buffers take for four ports. */
const memory = 512

/** Ports 1 and 2 of the NAT: ARP passes, so that the host outside answers for the gateway too. */
const flows = `
priority=10,arp,in_port=1,actions=output:2
priority=10,arp,in_port=2,actions=output:1
priority=10,ip,actions=ct(table=1,zone=1,nat)
table=1,priority=10,ip,in_port=1,ct_state=+trk+new,actions=ct(commit,zone=1,nat(src=${source})),dec_ttl,output:2
table=1,priority=10,ip,in_port=1,ct_state=+trk+est,actions=dec_ttl,output:2
table=1,priority=10,ip,in_port=2,ct_state=+trk+est,actions=dec_ttl,output:1
`

function bridge(name: string, ports: string[]): string[] {
  const words = ['--', 'add-br', name, '--', 'set', 'bridge', name, 'datapath_type=netdev']
  for (const [n, port] of ports.entries()) {
    const kind = ['type=dpdkvhostuser', `ofport_request=${n + 1}`]
    words.push('--', 'add-port', name, port, '--', 'set', 'interface', port, ...kind)
  }
  return words
}

async function start(ground: Ground): Promise<VhostJoint> {
  const { path, inside, address, configure } = await database(ground)
  const settings = [
    'dpdk-init=true',
    `dpdk-socket-mem=${memory}`,
    `dpdk-extra="${environment(ground, 'ovs')
      .filter((word) => !/^-m$|^\d+$|^--log-level/.test(word))
      .join(' ')}"`,
    `pmd-cpu-mask=${1 << cores.switching}`,
    'vhost-sock-dir=.',
  ]
  const other = settings.map((setting) => `other_config:${setting}`)
  await configure(['--no-wait', 'set', 'Open_vSwitch', '.', ...other])
  const [program = programs[0]] = programs.filter((file) => existsSync(file))
  const daemon = ground.spawn(program, [address, `--unixctl=${path('switch.ctl')}`], inside)
  await configure([...bridge('wire', ['wa', 'wb']), ...bridge('nat', ['na', 'nb'])].slice(1))
  const file = path('flows')
  writeFileSync(file, flows)
  const switching = path('nat.mgmt')
  await ground.appears(switching, () => existsSync(switching))
  await ground.run('ovs-ofctl', ['del-flows', switching], inside)
  await ground.run('ovs-ofctl', ['add-flows', switching, file], inside)
  return {
    a: '',
    b: '',
    pids: [daemon.pid],
    wire: { a: path('wa'), b: path('wb') },
    nat: { a: path('na'), b: path('nb'), source },
  }
}

export const ovs: Peer<VhostJoint> = {
  name: 'ovs-dpdk',
  title: 'OVS-DPDK',
  missing: () =>
    programs.some((file) => existsSync(file)) && installed('ovsdb-server')
      ? null
      : 'install the package openvswitch-switch-dpdk',
  version: () => `Open vSwitch ${version('ovs-vsctl', ['--version'], /(\d+\.\d+\S*)/)} with DPDK`,
  start,
}
