/** Where guests land: a switch with a network behind NAT that leases addresses, a namespace on a TAP with offloads and one without, and a world outside. */
import { join } from 'node:path'
import { eventually, mustSync } from './command.ts'
import { type Configuration, Daemon } from './daemon.ts'
import { exchange, serveEcho } from './exchange.ts'
import { folder } from './folder.ts'
import { Guest, type GuestOptions } from './guest.ts'
import { cable, Namespace } from './namespace.ts'

export const GATEWAY = '10.0.2.2'
export const OUTSIDE = '192.0.2.10'
export const WORLD = '192.0.2.1'

/** The TAPs' namespaces. */
export const ON = '10.0.2.201'
export const OFF = '10.0.2.202'

/** MAC of a guest by its number, and the address that DHCP keeps for it; the link-local one follows from the MAC (RFC 4291, appendix A). */
export const mac = (number: number) => `52:54:00:00:00:0${number}`
export const leased = (number: number) => `10.0.2.1${number}`
export const linkLocal = (number: number) => `fe80::5054:ff:fe00:${number}`

/** The guests that an address is kept for. */
const guests = [1, 2, 3, 4, 5, 6]

export class Quay {
  readonly host = new Namespace('host')
  readonly world = new Namespace('world')
  readonly on = new Namespace('on')
  readonly off = new Namespace('off')
  readonly folder = folder('quay')
  readonly daemon: Daemon

  readonly workers: number

  private constructor(workers: number, configuration: (self: Quay) => Configuration) {
    this.workers = workers
    cable(this.host, 'up0', this.world, 'eth0')
    mustSync(...this.host.argv('ip', 'link', 'set', 'up0', 'up'))
    mustSync(...this.world.argv('ip', 'link', 'set', 'eth0', 'up'))
    mustSync(...this.world.argv('ip', 'addr', 'add', `${WORLD}/24`, 'dev', 'eth0'))
    this.daemon = new Daemon(configuration(this), this.host)
  }

  /** A running switch with these ports more; `path` makes the paths of sockets. */
  static async open(
    ports: (path: (name: string) => string) => Record<string, object>,
    workers = 1,
  ): Promise<Quay> {
    const quay = new Quay(workers, (self) => self.configuration(ports((name) => self.path(name))))
    await quay.daemon.up()
    for (const namespace of [quay.on, quay.off, quay.world]) await serveEcho(namespace)
    return quay
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  configuration(ports: Record<string, object>): Configuration {
    const kept = Object.fromEntries(guests.map((number) => [mac(number), leased(number)]))
    const dhcp = { range: '10.0.2.15-10.0.2.50', static: kept }
    const lan = {
      ...{
        mode: 'nat',
        subnet: '10.0.2.0/24',
        gateway: GATEWAY,
        dhcp,
        publish: [`tcp::8080-${leased(1)}:80`],
      },
      uplink: { nic: 'up0', address: `${OUTSIDE}/24`, gateway: WORLD },
    }
    const tap = (namespace: Namespace, address: string) => ({
      ...{ network: 'lan', type: 'tap', netns: namespace.name, ifname: 'eth0', address: `${address}/24` },
    })
    const taps = { on: tap(this.on, ON), off: { ...tap(this.off, OFF), offload: false } }
    return { workers: this.workers, networks: { lan }, ports: { ...taps, ...ports } }
  }

  /** Boots the guest of that number; its address is leased. */
  boot(number: number, options: Omit<GuestOptions, 'mac' | 'address'>): Promise<Guest> {
    return Guest.boot({ ...options, mac: mac(number), address: 'dhcp' })
  }

  /** Waits until a port is in a state. */
  async becomes(name: string, state: string): Promise<void> {
    await eventually(`${name} is ${state}`, async () => (await this.daemon.port(name)).state === state)
  }

  /** True if something was learned on that port. */
  async knows(name: string): Promise<boolean> {
    return (await this.daemon.macs()).some((row) => row.port === name)
  }
}

/** Waits until a guest reaches an address: after a change the first packets may be lost. */
/** A link-local address of IPv6 (with its interface) is there up to a second after the card is: Linux looks at links that often. */
export async function reaches(guest: Guest, address: string, bytes = 56): Promise<void> {
  const ping = address.includes(':') ? 'ping6' : 'ping'
  await eventually(`the guest reaches ${address}`, () =>
    guest.exec(`${ping} -c 1 -W 1 -s ${bytes} ${address}`).then(
      () => true,
      () => false,
    ),
  )
}

/** Sends random bytes from a guest or a namespace to the echo of an address and compares what comes back. */
export async function trade(from: Guest | Namespace, address: string, bytes: number): Promise<void> {
  if (from instanceof Namespace) return exchange(from, address, bytes)
  const sent = `head -c ${bytes} /dev/urandom > /tmp/sent`
  await from.exec(`${sent}; nc ${address} 7 < /tmp/sent > /tmp/back; cmp /tmp/sent /tmp/back`)
}
