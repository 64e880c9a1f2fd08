/**
 * Bridgeport as a user starts it: one worker, and in one daemon all that is measured: two ports of a network without addresses, two
 * routed networks with a rule that translates between them, and two ports for QEMU. As its second row, QEMU on its TAPs.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bridgeport as bridged } from '../compare/bridgeport.ts'
import type { Ground } from '../compare/ground.ts'
import type { Peer } from '../compare/peer.ts'
import { root } from '../compare/root.ts'
import { cores, type VhostJoint } from './site.ts'
import { pin } from './threads.ts'

const startMs = 20_000

/** The outside network's gateway: what comes from the guest has this source there. */
const source = '10.60.0.1'

const rules = `*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o outside -j SNAT --to-source ${source}
COMMIT
`

/** A frame of 1,518 bytes, without the check sequence, carries 1,504. */
const mtu = 1504

async function up(ground: Ground, networks: string[], ports: string[]): Promise<number> {
  const file = join(ground.folder, 'bridgeport.yaml')
  writeFileSync(join(ground.folder, 'rules.v4'), rules)
  const head = ['http: "off"', `state: ${join(ground.folder, 'state')}`, 'workers: 1']
  const body = ['networks:', ...networks, 'ports:', ...ports, '']
  const translated = networks.some((line) => line.includes('outside')) ? ['rules: rules.v4'] : []
  writeFileSync(file, [...head, ...translated, ...body].join('\n'))
  const args = [join(root, 'bin/bridgeport.js'), 'up', '-c', file, '--socket', join(ground.folder, 'socket')]
  const daemon = ground.spawn(process.execPath, args, { namespace: ground.s })
  await daemon.until(/^ready$/m, startMs)
  return daemon.pid
}

async function start(ground: Ground): Promise<VhostJoint> {
  const path = (name: string) => join(ground.folder, `${name}.sock`)
  const port = (name: string, network: string) =>
    `  ${name}: { network: ${network}, type: vhost-user, path: ${path(name)} }`
  const routed = (start: string) =>
    `{ mode: routed, subnet: ${start}.0/24, gateway: ${start}.1, uplink: none, dhcp: off, dns: off }`
  const networks = [
    `  wire: { mode: internal, mtu: ${mtu} }`,
    `  inside: ${routed('10.50.0')}`,
    `  outside: ${routed('10.60.0')}`,
    '  guests: { mode: internal }',
  ]
  const names = { wa: 'wire', wb: 'wire', na: 'inside', nb: 'outside', ga: 'guests', gb: 'guests' }
  const pid = await up(
    ground,
    networks,
    Object.entries(names).map(([name, network]) => port(name, network)),
  )
  let pinned = false
  return {
    a: '',
    b: '',
    pids: [pid],
    wire: { a: path('wa'), b: path('wb') },
    nat: { a: path('na'), b: path('nb'), source },
    guests: { a: { socket: path('ga') }, b: { socket: path('gb') } },
    idles: true,
    pin: async () => {
      if (pinned) return
      pinned = true
      await pin(ground, pid, cores.switching)
    },
  }
}

async function startTap(ground: Ground): Promise<VhostJoint> {
  const port = (name: string) => `  ${name}: { network: guests, type: qemu-tap, ifname: ${name} }`
  const pid = await up(ground, ['  guests: { mode: internal }'], [port('ga'), port('gb')])
  return { a: '', b: '', pids: [pid], guests: { a: { ifname: 'ga' }, b: { ifname: 'gb' } } }
}

const { missing, version } = bridged

export const bridgeport: Peer<VhostJoint> = {
  name: 'bridgeport',
  title: 'Bridgeport',
  missing,
  version,
  start,
}

export const bridgeportTap: Peer<VhostJoint> = {
  name: 'bridgeport-tap',
  title: 'Bridgeport, qemu-tap',
  missing,
  version,
  start: startTap,
}
