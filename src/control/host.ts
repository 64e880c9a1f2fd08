/** The host around the switch: which addresses and routes it has that networks of the switch must not have too. */
import { readFileSync } from 'node:fs'
import { addresses, confine } from '../port/host.ts'
import { type Cidr, cidr, ipv4Text, overlap } from './address.ts'
import type { Configuration, NetworkConfiguration } from './configuration.ts'
import { Refusal } from './refusal.ts'
import { endsOf } from './uplink.ts'
import { hasHostLink, uplinkIfname, written } from './wiring.ts'

/** The host's IPv4 routes: proc_net(5), addresses in the kernel's byte order. */
function routes(): { ifname: string; range: Cidr }[] {
  const swap = (hex: string) => Number.parseInt((hex.match(/../g) as string[]).reverse().join(''), 16) | 0
  const lines = readFileSync('/proc/net/route', 'utf8').trim().split('\n').slice(1)
  return lines.flatMap((line) => {
    const [ifname, destination, , , , , , netmask] = line.split('\t')
    const prefix = (swap(netmask) >>> 0).toString(2).replaceAll('0', '').length
    const range = cidr(`${ipv4Text(swap(destination))}/${prefix}`)
    return range === null || prefix === 0 ? [] : [{ ifname, range }]
  })
}

/** The interfaces of a network on the host: its own and the end of its link. */
function interfacesOf(network: NetworkConfiguration): string[] {
  const own = network.host === null ? [] : [network.host.ifname]
  return hasHostLink(network) ? [...own, uplinkIfname(network)] : own
}

/** A network whose subnet the host reaches over another interface: one of the two would not be reached. Null if there is none. */
export function overlapping({ networks }: Configuration): { network: string; text: string } | null {
  const own = new Set([...networks.values()].flatMap(interfacesOf))
  for (const each of networks.values()) {
    const { name, subnet } = each
    if (subnet === null || interfacesOf(each).length === 0) continue
    const other = routes().find(({ ifname, range }) => !own.has(ifname) && overlap(range, subnet))
    if (other !== undefined)
      return {
        network: name,
        text: `network ${name} has ${subnet.text}, the host routes ${other.range.text} over ${other.ifname}`,
      }
  }
  return null
}

/**
 * Throws a Refusal for an address of a network on the host that another interface of the host has already. `running` is what the
 * switch has now: an address may move from one of its own interfaces to another.
 */
export function vacate({ networks }: Configuration, running?: Configuration): void {
  const all = [...networks.values(), ...(running?.networks.values() ?? [])]
  const own = new Set(all.flatMap(interfacesOf))
  const taken = addresses().filter(({ ifname }) => !own.has(ifname))
  const lines = [...networks.values()].flatMap((network) => {
    const link = written(network)
    const ends = [network.host?.address?.split('/')[0], link === null ? '' : ipv4Text(endsOf(link).host)]
    return ends.flatMap((address) => {
      const other = taken.find((each) => each.address === address)
      const expected = `expected one that ${other?.ifname} of the host does not have`
      return other === undefined
        ? []
        : [`networks.${network.name}: found the address ${address} for the host, ${expected}`]
    })
  })
  if (lines.length > 0) throw Refusal.of(lines)
}

/** Interfaces of the host at which a network ends: nobody reaches it through the host, also on a host that forwards. */
export function ending({ networks }: Configuration): string[] {
  const isOpen = new Set(['bridged', 'routed'])
  return [...networks.values()].flatMap(({ host, mode }) =>
    host === null || isOpen.has(mode) ? [] : [host.ifname],
  )
}

/** Makes sure again that the host does not route what enters by a network's interface on it. Returns the interfaces where it did. */
export function confineAll({ networks }: Configuration): string[] {
  return [...networks.values()].flatMap(({ host, mode }) => {
    try {
      return host !== null && mode !== 'bridged' && confine(host.ifname) ? [host.ifname] : []
    } catch {
      return [] // /proc/sys is read-only by now, or the interface goes away at this moment
    }
  })
}
