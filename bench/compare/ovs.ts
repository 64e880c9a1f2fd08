/**
 * Open vSwitch with its userspace (netdev) datapath: internal ports are TAPs that ovs-vswitchd reads.
 *
 * Database, sockets and logs lie in the ground's folder, so that an Open vSwitch that serves this host is not touched.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Ground } from './ground.ts'
import { installed, type Joint, type Peer, version } from './peer.ts'

const schema = '/usr/share/openvswitch/vswitch.ovsschema'
const startMs = 15_000

async function start(ground: Ground): Promise<Joint> {
  const path = (name: string) => join(ground.folder, name)
  const folders = ['OVS_RUNDIR', 'OVS_DBDIR', 'OVS_LOGDIR', 'OVS_SYSCONFDIR']
  const env = Object.fromEntries(folders.map((name) => [name, ground.folder]))
  const inside = { namespace: ground.s, env, cwd: ground.folder }
  const database = `unix:${path('db.sock')}`
  await ground.run('ovsdb-tool', ['create', path('conf.db'), schema], inside)
  const server = [path('conf.db'), `--remote=p${database}`, `--unixctl=${path('db.ctl')}`]
  ground.spawn('ovsdb-server', server, inside)
  await ground.appears('db.sock', () => existsSync(path('db.sock')))
  const configure = (args: string[]) =>
    ground.run('ovs-vsctl', [`--db=${database}`, '--timeout=15', ...args], inside, startMs + 1000)
  await configure(['--no-wait', 'init'])
  const daemon = ground.spawn('ovs-vswitchd', [database, `--unixctl=${path('switch.ctl')}`], inside)
  const port = (name: string) => [
    '--',
    'add-port',
    'br0',
    name,
    '--',
    'set',
    'interface',
    name,
    'type=internal',
  ]
  const bridge = ['add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev']
  // Without --no-wait this returns when ovs-vswitchd has made the interfaces.
  await configure([...bridge, ...port('ovs-a'), ...port('ovs-b')])
  await ground.plug('a', 'ovs-a')
  await ground.plug('b', 'ovs-b')
  return { a: 'ovs-a', b: 'ovs-b', pids: [daemon.pid] }
}

export const ovs: Peer = {
  name: 'ovs',
  title: 'OVS netdev',
  missing: () =>
    installed('ovs-vswitchd') && installed('ovsdb-server') ? null : 'install the package openvswitch-switch',
  version: () => `Open vSwitch ${version('ovs-vswitchd', ['--version'], /(\d+\.\d+\S*)/)}`,
  start,
}
