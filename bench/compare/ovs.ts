/**
 * Open vSwitch with its userspace (netdev) datapath: internal ports are TAPs that ovs-vswitchd reads.
 *
 * Database, sockets and logs lie in the ground's folder, so that an Open vSwitch that serves this host is not touched.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Invocation } from './child.ts'
import type { Ground } from './ground.ts'
import { installed, type Joint, type Peer, version } from './peer.ts'

const schema = '/usr/share/openvswitch/vswitch.ovsschema'
const startMs = 15_000

/** Open vSwitch's database server, which runs until the ground closes, and what talks to it. */
export interface Database {
  /** a file of this Open vSwitch */
  path(name: string): string
  /** how each of its programs is run */
  inside: Invocation
  /** what ovs-vswitchd connects to */
  address: string
  /** ovs-vsctl; without --no-wait it returns when ovs-vswitchd has done what it says */
  configure(args: string[]): Promise<string>
}

export async function database(ground: Ground): Promise<Database> {
  const path = (name: string) => join(ground.folder, name)
  const folders = ['OVS_RUNDIR', 'OVS_DBDIR', 'OVS_LOGDIR', 'OVS_SYSCONFDIR']
  const env = Object.fromEntries(folders.map((name) => [name, ground.folder]))
  const inside = { namespace: ground.s, env, cwd: ground.folder }
  const address = `unix:${path('db.sock')}`
  await ground.run('ovsdb-tool', ['create', path('conf.db'), schema], inside)
  const server = [path('conf.db'), `--remote=p${address}`, `--unixctl=${path('db.ctl')}`]
  ground.spawn('ovsdb-server', server, inside)
  await ground.appears('db.sock', () => existsSync(path('db.sock')))
  const configure = (args: string[]) =>
    ground.run('ovs-vsctl', [`--db=${address}`, '--timeout=15', ...args], inside, startMs + 1000)
  await configure(['--no-wait', 'init'])
  return { path, inside, address, configure }
}

async function start(ground: Ground): Promise<Joint> {
  const { path, inside, address, configure } = await database(ground)
  const daemon = ground.spawn('ovs-vswitchd', [address, `--unixctl=${path('switch.ctl')}`], inside)
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
