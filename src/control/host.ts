/** The host around the switch: which addresses and routes it has that networks of the switch must not have too. */
import { readFileSync } from 'node:fs'
import { addresses, confine } from '../port/host.ts'
import { type Cidr, cidr, ipv4Text, overlap } from './address.ts'
import type { Configuration } from './configuration.ts'
import { Refusal } from './refusal.ts'

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

/** A network whose subnet the host reaches over another interface: one of the two would not be reached. Null if there is none. */
export function overlapping({ networks }: Configuration): { network: string; text: string } | null {
  const own = new Set([...networks.values()].map(({ host }) => host?.ifname))
  for (const { name, subnet, host } of networks.values()) {
    if (subnet === null || host === null) continue
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
 * Throws a Refusal for a network's host address that another interface of the host has already. `running` is what the
 * switch has now: an address may move from one of its own interfaces to another.
 */
export function vacate({ networks }: Configuration, running?: Configuration): void {
  const own = new Set(
    [...networks.values(), ...(running?.networks.values() ?? [])].map(({ host }) => host?.ifname),
  )
  const taken = addresses().filter(({ ifname }) => !own.has(ifname))
  const lines = [...networks.values()].flatMap(({ name, host }) => {
    const address = host?.address?.split('/')[0]
    const other = taken.find((each) => each.address === address)
    const expected = `expected one that ${other?.ifname} of the host does not have`
    return other === undefined
      ? []
      : [`networks.${name}: found the address ${address} for the host, ${expected}`]
  })
  if (lines.length > 0) throw Refusal.of(lines)
}

/** Makes sure again that the host does not route for networks that lead nowhere. Returns the interfaces where it did. */
export function confineAll({ networks }: Configuration): string[] {
  return [...networks.values()].flatMap(({ host }) => {
    try {
      return host !== null && confine(host.ifname) ? [host.ifname] : []
    } catch {
      return [] // /proc/sys is read-only by now, or the interface goes away at this moment
    }
  })
}
