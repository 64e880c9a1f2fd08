/** What a gateway hands out and publishes lies in its network, and nothing is promised twice. */
import * as address from './address.ts'
import { type Claims, inside, named, type Report } from './claim.ts'
import type { Cidr, Configuration, NetworkConfiguration } from './configuration.ts'
import { shown } from './problem.ts'
import { type Publish, publishText } from './quantity.ts'

/** Addresses that can be handed out and bound: the server keeps each in memory. */
const LEASES_MAX = 65_536

function leases(network: NetworkConfiguration, addresses: Claims, report: Report): void {
  const { dhcp, subnet } = network
  if (dhcp === null || subnet === null) return
  const path = ['networks', network.name, 'dhcp']
  for (const [key, value] of [['first', dhcp.first] as const, ['last', dhcp.last] as const]) {
    const text = `${address.ipv4Text(dhcp.first)}-${address.ipv4Text(dhcp.last)}`
    if (!hosts(subnet, value)) {
      const [first, last] = [address.networkOf(subnet) + 1, address.broadcastOf(subnet) - 1]
      const expected = `addresses from ${address.ipv4Text(first)} to ${address.ipv4Text(last)}`
      report(
        [...path, 'range'],
        `found ${shown(text)}, expected ${expected} (the network has ${subnet.text})`,
      )
      break
    }
    if (key === 'last' && dhcp.last - dhcp.first >= LEASES_MAX)
      report([...path, 'range'], `found ${shown(text)}, expected at most ${LEASES_MAX} addresses`)
  }
  for (const [mac, ip] of dhcp.static) {
    if (!inside([...path, 'static', mac], ip, subnet, report)) continue
    const other = addresses.take(
      `${network.name} ${ip}`,
      `the lease of ${mac} in ${named('networks', network)}`,
    )
    if (other !== null)
      report([...path, 'static', mac], `found ${shown(ip)}, expected another address than ${other}`)
  }
}

function hosts(subnet: Cidr, value: number): boolean {
  const [base, broadcast] = [address.networkOf(subnet), address.broadcastOf(subnet)]
  return address.contains(subnet, value) && value !== base && value !== broadcast
}

function overlap(a: Publish, b: Publish): boolean {
  const sameHost = a.host === '' || b.host === '' || a.host === b.host
  const { first, last } = a.hostPorts
  return a.protocol === b.protocol && sameHost && first <= b.hostPorts.last && b.hostPorts.first <= last
}

/** A mapping leads to a guest of the network, and no two want the same port of the same card or host. */
function mappings(network: NetworkConfiguration, earlier: NetworkConfiguration[], report: Report): void {
  const { subnet, uplink, gateway, publish } = network
  if (subnet === null || uplink.kind === 'none') {
    if (publish.length > 0)
      report(
        ['networks', network.name, 'publish'],
        `found ${shown(publishText(publish[0]))}, expected an empty list: nothing leads in here`,
      )
    return
  }
  const own = uplink.kind === 'nic' && uplink.address !== 'dhcp' ? uplink.address?.split('/')[0] : null
  publish.forEach((mapping, n) => {
    const path = ['networks', network.name, 'publish', n]
    if (!inside(path, mapping.guest, subnet, report)) return
    if (mapping.guest === gateway)
      report(path, `found ${shown(publishText(mapping))}, expected a guest: ${gateway} is the gateway`)
    if (mapping.host !== '' && own !== null && own !== undefined && mapping.host !== own)
      report(path, `found ${shown(publishText(mapping))}, expected no HOSTIP or the uplink's, ${own}`)
    const rivals = uplink.kind === 'nic' ? [] : earlier.filter((each) => each.uplink.kind === 'host')
    for (const { name, publish: others } of [
      ...rivals,
      { name: network.name, publish: publish.slice(0, n) },
    ]) {
      const other = others.find((each) => overlap(mapping, each))
      if (other === undefined) continue
      const expected = `other ports: networks.${name} publishes ${publishText(other)}`
      report(path, `found ${shown(publishText(mapping))}, expected ${expected}`)
      return
    }
  })
}

function uplink(
  network: NetworkConfiguration,
  earlier: NetworkConfiguration[],
  all: Configuration,
  report: Report,
): void {
  const { uplink } = network
  const path = ['networks', network.name, 'uplink']
  if (uplink.kind === 'host' && uplink.link !== null) {
    const { link } = uplink
    if (link.prefix < 8 || link.prefix > 30 || link.address !== address.networkOf(link))
      report([...path, 'host', 'link'], `found ${shown(link.text)}, expected a subnet such as 100.64.0.0/30`)
    const other = [...all.networks.values()].find(
      (each) => each.subnet !== null && address.overlap(each.subnet, link),
    )
    if (other !== undefined)
      report(
        [...path, 'host', 'link'],
        `found ${shown(link.text)}, expected a subnet that does not overlap ${other.subnet?.text} of ${named('networks', other)}`,
      )
    const rival = earlier.find(
      (each) =>
        each.uplink.kind === 'host' && each.uplink.link !== null && address.overlap(each.uplink.link, link),
    )
    if (rival !== undefined)
      report(
        [...path, 'host', 'link'],
        `found ${shown(link.text)}, expected another subnet than ${named('networks', rival)} has`,
      )
  }
  if (uplink.kind !== 'nic') return
  const own = uplink.address === 'dhcp' || uplink.address === null ? null : address.cidr(uplink.address)
  if (uplink.gateway !== null && own === null)
    report(
      [...path, 'gateway'],
      `found ${shown(uplink.gateway)}, expected none: the DHCP server of the LAN names it`,
    )
  else if (uplink.gateway !== null && own !== null) inside([...path, 'gateway'], uplink.gateway, own, report)
  if (own !== null && network.subnet !== null && address.overlap(own, network.subnet))
    report(
      [...path, 'address'],
      `found ${shown(own.text)}, expected an address outside ${network.subnet.text}, the network's own`,
    )
}

/** Everything that a network's gateway promises, against its own subnet and against the networks before it. */
export function check(
  network: NetworkConfiguration,
  earlier: NetworkConfiguration[],
  all: Configuration,
  addresses: Claims,
  report: Report,
): void {
  leases(network, addresses, report)
  uplink(network, earlier, all, report)
  mappings(network, earlier, report)
}
