/** Bridgeport as a user starts it: one network of mode nat, the guest on a TAP, and its uplink either the host or the host's card. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bridgeport as bridged } from '../compare/bridgeport.ts'
import { type Ground, mtu } from '../compare/ground.ts'
import type { Peer } from '../compare/peer.ts'
import { root } from '../compare/root.ts'
import {
  card,
  gateway,
  guest,
  host,
  type NatJoint,
  outside,
  outsidePrefix,
  prefix,
  published,
  routed,
  wire,
} from './site.ts'

const startMs = 20_000
/** The switch's own address on the card's network. */
const own = '198.51.100.10'

interface Uplink {
  yaml: string
  publishedAt: string
}

const behindHost: Uplink = { yaml: 'host', publishedAt: host }
const onCard: Uplink = {
  yaml: `{ nic: ${card}, address: ${own}/${outsidePrefix}, gateway: ${outside} }`,
  publishedAt: own,
}

function configuration(ground: Ground, uplink: Uplink): string {
  const tap = `network: bench, type: tap, netns: ${ground.a}`
  const listen = uplink === behindHost ? host : ''
  return [
    'http: "off"',
    `state: ${join(ground.folder, 'state')}`,
    'networks:',
    '  bench:',
    '    mode: nat',
    `    subnet: 10.2.0.0/${prefix}`,
    `    gateway: ${gateway}`,
    `    mtu: ${mtu}`,
    '    dhcp: { range: 10.2.1.0-10.2.255.250 }',
    `    uplink: ${uplink.yaml}`,
    `    publish: ["tcp:${listen}:${published}-${guest}:${published}"]`,
    'ports:',
    `  guest: { ${tap}, ifname: eth0, address: ${guest}/${prefix} }`,
    '',
  ].join('\n')
}

async function start(ground: Ground, uplink: Uplink): Promise<NatJoint> {
  await wire(ground)
  const file = join(ground.folder, 'bridgeport.yaml')
  writeFileSync(file, configuration(ground, uplink))
  const args = [join(root, 'bin/bridgeport.js'), 'up', '-c', file, '--socket', join(ground.folder, 'socket')]
  const daemon = ground.spawn(process.execPath, args, { namespace: ground.s })
  await daemon.until(/^ready$/m, startMs)
  await routed(ground)
  return { a: 'eth0', b: 'eth0', pids: [daemon.pid], publishedAt: uplink.publishedAt, pool: true }
}

const { missing, version } = bridged

export const bridgeport: Peer<NatJoint> = {
  name: 'bridgeport',
  title: 'Bridgeport',
  missing,
  version,
  start: (ground) => start(ground, behindHost),
}

export const bridgeportNic: Peer<NatJoint> = {
  name: 'bridgeport-nic',
  title: 'Bridgeport, uplink nic',
  missing,
  version,
  start: (ground) => start(ground, onCard),
}
