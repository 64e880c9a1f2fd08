/**
 * The ground of a NAT: a guest's namespace, the host that translates, and the outside.
 *
 *     a: guest, MTU 1500 ── the NAT, in namespace s (up0, 198.51.100.1) ── veth ── b: outside (eth0, 198.51.100.2)
 *
 * What the guest sends to 203.0.113.0/24 arrives outside too, and ends there without an answer.
 */
import { readFileSync } from 'node:fs'
import type { Ground } from '../compare/ground.ts'
import type { Joint } from '../compare/peer.ts'

/** The guest's network, where a peer leaves the choice; a /16, so that its DHCP pool has room for a crowd. */
export const guest = '10.2.0.15'
export const gateway = '10.2.0.1'
export const prefix = 16

export const host = '198.51.100.1'
export const outside = '198.51.100.2'
export const outsidePrefix = 24
/** Where nobody answers, ICMP errors included: their cost is no part of forwarding. */
export const sink = '203.0.113.9'
export const card = 'up0'

/** TCP port of the guest that is published as the same port outside: iperf3's own. */
export const published = 5201

export interface NatJoint extends Joint {
  /** address outside, at which the published port leads to the guest */
  publishedAt: string
  /** true where a DHCP server has a pool for a crowd */
  pool?: boolean
}

/** The host's card and the outside behind it; the host may forward, answer ping sockets, and use every port. */
export async function wire(ground: Ground): Promise<void> {
  const ip = (namespace: string, ...args: string[]) => ground.run('ip', args, { namespace })
  const peer = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', ground.b]
  await ip(ground.s, 'link', 'add', card, ...peer)
  await ip(ground.s, 'address', 'add', `${host}/${outsidePrefix}`, 'dev', card)
  await ip(ground.b, 'address', 'add', `${outside}/${outsidePrefix}`, 'dev', 'eth0')
  await ip(ground.s, 'link', 'set', card, 'up')
  await ip(ground.b, 'link', 'set', 'eth0', 'up')
  await ip(ground.s, 'route', 'add', 'default', 'via', outside)
  const set = (namespace: string, value: string) => ground.run('sysctl', ['-qw', value], { namespace })
  // slirp4netns and pasta answer pings by such sockets and connect from ephemeral ports; a guest's client has as many of them.
  await set(ground.s, 'net.ipv4.ping_group_range=0 2147483647')
  for (const namespace of [ground.a, ground.s])
    await set(namespace, 'net.ipv4.ip_local_port_range=1024 65535')
}

/** Waits for the guest's default route: a peer sets it last. */
export async function routed(ground: Ground): Promise<void> {
  await ground.appears("the guest's default route", () =>
    /^\S+\t00000000\t/m.test(readFileSync(ground.proc('a', 'net/route'), 'latin1')),
  )
}
