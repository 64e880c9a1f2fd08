/** Guests behind a daemon's NAT and the world before it: kernels in namespaces, a veth as the card. */
import { mustSync } from './command.ts'
import { type Configuration, Daemon } from './daemon.ts'
import { cable, Namespace } from './namespace.ts'

export const GATEWAY = '10.0.2.2'
export const OUTSIDE = '192.0.2.10'
export const WORLD = '192.0.2.1'
export const guestAddress = (number: number) => `10.0.2.${15 + number}`

export interface Outdoors {
  guests: Namespace[]
  world: Namespace
  daemon: Daemon
  /** the same switch with other settings of its network */
  with(network: object): Configuration
}

/** Two guests, 10.0.2.15 and .16, a world 192.0.2.1 and .2, and the switch between them, 192.0.2.10. */
export async function outdoors(network: object = {}, more: Partial<Configuration> = {}): Promise<Outdoors> {
  const guests = [new Namespace('guest'), new Namespace('other')]
  const world = new Namespace('world')
  const host = new Namespace('host')
  cable(host, 'up0', world, 'eth0')
  mustSync(...host.argv('ip', 'link', 'set', 'up0', 'up'))
  mustSync(...world.argv('ip', 'link', 'set', 'eth0', 'up'))
  for (const address of [WORLD, '192.0.2.2'])
    mustSync(...world.argv('ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0'))
  const uplink = { nic: 'up0', address: `${OUTSIDE}/24`, gateway: WORLD }
  const tap = (namespace: Namespace, number: number) => ({
    network: 'lan',
    type: 'tap',
    netns: namespace.name,
    ifname: 'eth0',
    address: `${guestAddress(number)}/24`,
  })
  const configuration = (settings: object): Configuration => {
    const plain = { mode: 'nat', subnet: '10.0.2.0/24', gateway: GATEWAY, dhcp: 'off', dns: 'off', uplink }
    const ports = { guest: tap(guests[0], 0), other: tap(guests[1], 1) }
    return { networks: { lan: { ...plain, ...settings } }, ports, ...more }
  }
  const daemon = await Daemon.start(configuration(network), host)
  for (const guest of guests) await guest.attempt(['ip', 'route', 'add', 'default', 'via', GATEWAY])
  return { guests, world, daemon, with: configuration }
}

/** Frames that a port's packets were dropped for, by reason, from the daemon's metrics. */
export async function drops(daemon: Daemon): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const line of (await daemon.ask('/metrics')).split('\n')) {
    const [, reason, count] = /drop\w*\{.*reason="(\w+)".*\} (\d+)$/.exec(line) ?? []
    if (reason !== undefined) counts[reason] = (counts[reason] ?? 0) + Number(count)
  }
  return counts
}
