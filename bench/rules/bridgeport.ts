/** Bridgeport as a user starts it: three routed networks, each with a TAP, and rules by `bridgeport rules restore`. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bridgeport as bridged } from '../compare/bridgeport.ts'
import { type Ground, mtu } from '../compare/ground.ts'
import type { Peer } from '../compare/peer.ts'
import { root } from '../compare/root.ts'
import { prefix, type RulesJoint, restoreMs, settle, sides, timed } from './site.ts'

const startMs = 20_000

function configuration(ground: Ground): string {
  const networks = sides.map(
    ({ network, subnet, gateway }) =>
      `  ${network}: { mode: routed, subnet: ${subnet}, gateway: ${gateway}, mtu: ${mtu}, uplink: none, dhcp: off, dns: off }\n`,
  )
  const ports = sides.map(
    ({ end, ifname, network, address }) =>
      `  ${network}-port: { network: ${network}, type: tap, netns: ${ground[end]}, ifname: ${ifname}, address: ${address}/${prefix} }\n`,
  )
  return (
    `http: "off"\nstate: ${join(ground.folder, 'state')}\n` +
    `networks:\n${networks.join('')}ports:\n${ports.join('')}`
  )
}

async function start(ground: Ground): Promise<RulesJoint> {
  const file = join(ground.folder, 'bridgeport.yaml')
  writeFileSync(file, configuration(ground))
  const program = join(root, 'bin/bridgeport.js')
  const socket = ['--socket', join(ground.folder, 'socket')]
  const daemon = ground.spawn(process.execPath, [program, 'up', '-c', file, ...socket], {
    namespace: ground.s,
  })
  await daemon.until(/^ready$/m, startMs)
  await settle(ground)
  const restore = (rules: string) => {
    const args = [program, 'rules', 'restore', ...socket, rules]
    return timed(() => ground.run(process.execPath, args, { namespace: ground.s }, restoreMs))
  }
  return { a: 'eth0', b: 'eth0', pids: [daemon.pid], restore }
}

const { name, title, missing, version } = bridged

export const bridgeport: Peer<RulesJoint> = { name, title, missing, version, start }
