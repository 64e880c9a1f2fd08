/** Bridgeport as a user starts it, with the load's ports of one type or the other among its hundred. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bridgeport as bridged } from '../compare/bridgeport.ts'
import { addressA, addressB, type Ground, prefix } from '../compare/ground.ts'
import { installed, type Peer } from '../compare/peer.ts'
import { root } from '../compare/root.ts'
import { many } from '../rules/text.ts'
import { guests, taps } from './load.ts'
import { connect, counts, network, nowhere, type ObserveJoint } from './site.ts'

const startMs = 30_000

const http = '127.0.0.1:9477'

/** Three ports are the load's and the one that has the connections. */
function idle(): string[] {
  return Array.from({ length: counts.ports - 3 }, (_, n) => `  p${n}: { network: ${network}, type: tap }`)
}

async function up(ground: Ground, ports: string[]): Promise<{ pid: number; socket: string }> {
  writeFileSync(join(ground.folder, 'rules.v4'), many(counts.rules))
  const lines = [
    ...[`http: ${http}`, `state: ${join(ground.folder, 'state')}`, 'workers: 1', 'rules: rules.v4'],
    'conntrack: { timeouts: { udp: 1h } }',
    ...['networks:', `  ${network}: { mode: internal, subnet: 10.77.0.0/${prefix}, gateway: 10.77.0.254 }`],
    '  out: { mode: nat, subnet: 10.9.0.0/24, gateway: 10.9.0.1 }',
    'ports:',
    `  talker: { network: out, type: tap, netns: ${ground.a}, ifname: eth1, address: dhcp }`,
    ...[...idle(), ...ports, ''],
  ]
  const file = join(ground.folder, 'bridgeport.yaml')
  writeFileSync(file, lines.join('\n'))
  await ground.run('ip', ['route', 'add', 'blackhole', nowhere], { namespace: ground.s })
  const socket = join(ground.folder, 'socket')
  const args = [join(root, 'bin/bridgeport.js'), 'up', '-c', file, '--socket', socket]
  const daemon = ground.spawn(process.execPath, args, { namespace: ground.s })
  await daemon.until(/^ready$/m, startMs)
  await connect(ground, socket)
  return { pid: daemon.pid, socket }
}

async function start(ground: Ground): Promise<ObserveJoint> {
  const end = (name: 'a' | 'b', address: string) =>
    `  ${name}: { network: ${network}, type: tap, netns: ${ground[name]}, ifname: eth0, address: ${address}/${prefix} }`
  const { pid, socket } = await up(ground, [end('a', addressA), end('b', addressB)])
  // The switch learns where both ends are.
  await ground.reach(addressB)
  return { a: 'eth0', b: 'eth0', pids: [pid], socket, page: `http://${http}/`, load: taps }
}

async function startVhost(ground: Ground): Promise<ObserveJoint> {
  const path = (name: string) => join(ground.folder, `${name}.sock`)
  const port = (name: string) => `  ${name}: { network: ${network}, type: vhost-user, path: ${path(name)} }`
  const { pid, socket } = await up(ground, [port('a'), port('b')])
  const load = (where: Ground) => guests(where, pid, { a: path('a'), b: path('b') })
  return { a: '', b: '', pids: [pid], socket, page: `http://${http}/`, load }
}

const { name, title, missing, version } = bridged

/** Who is seen through the sender's eyes: without it there is no load. */
function lacks(program: string, debian: string): string | null {
  return missing() ?? (installed(program) ? null : `${program} is missing; install the package ${debian}`)
}

export const bridgeport: Peer<ObserveJoint> = {
  name,
  title: `${title}, TAPs`,
  missing: () => lacks('trafgen', 'netsniff-ng'),
  version,
  start,
}

export const bridgeportVhost: Peer<ObserveJoint> = {
  name: 'bridgeport-vhost',
  title: `${title}, vhost-user`,
  missing: () => lacks('dpdk-testpmd', 'dpdk-dev'),
  version,
  start: startVhost,
}
