/** What no key can tell alone: addresses, names and interfaces of one thing against those of the others. */
import * as address from './address.ts'
import * as bound from './bound.ts'
import { Claims, inside, named, type Report } from './claim.ts'
import type { Cidr, Configuration, NetworkConfiguration, PortConfiguration } from './configuration.ts'
import * as files from './path.ts'
import { type Problem, shown } from './problem.ts'

const unusable = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3'].map((text) => address.cidr(text) as Cidr)

/** What a subnet has to be instead, null if it can be one. */
function unfit(subnet: Cidr): string | null {
  const base = address.networkOf(subnet)
  if (subnet.prefix < 8 || subnet.prefix > 30) return 'a prefix from /8 to /30'
  if (subnet.address !== base) return `${address.ipv4Text(base)}/${subnet.prefix}, without host bits`
  if (unusable.some((each) => address.overlap(each, subnet)))
    return 'unicast addresses that are not loopback, such as 10.0.2.0/24'
  return null
}

/** False if the subnet itself cannot be: then nothing is said of what should lie in it. */
function subnet(network: NetworkConfiguration, earlier: NetworkConfiguration[], report: Report): boolean {
  const { subnet } = network
  if (subnet === null) return true
  const path = ['networks', network.name, 'subnet']
  const wrong = unfit(subnet)
  if (wrong !== null) report(path, `found ${shown(subnet.text)}, expected ${wrong}`)
  const other = earlier.find((each) => each.subnet !== null && address.overlap(each.subnet, subnet))
  if (other !== undefined)
    report(
      path,
      `found ${shown(subnet.text)}, expected a subnet that does not overlap ${other.subnet?.text} of ${named('networks', other)}`,
    )
  return wrong === null
}

function gateway(network: NetworkConfiguration, addresses: Claims, report: Report): void {
  const path = ['networks', network.name]
  const { subnet, gateway, host } = network
  if (gateway !== null && subnet === null)
    report([...path, 'gateway'], `found ${shown(gateway)}, expected no gateway in a network without a subnet`)
  if (gateway !== null && subnet !== null && inside([...path, 'gateway'], gateway, subnet, report))
    addresses.take(`${network.name} ${gateway}`, `the gateway of ${named('networks', network)}`)
  if (host === null || host.address === null) return
  const at = [...path, 'host', 'address']
  const own = host.address.split('/')[0]
  if (network.mode === 'host-only' && gateway !== null && own !== gateway)
    report(
      at,
      `found ${shown(host.address)}, expected ${gateway}/${subnet?.prefix}: in host-only mode the host has the gateway's address`,
    )
  else if (own !== gateway && (subnet === null || inside(at, host.address, subnet, report))) {
    const other = addresses.take(`${network.name} ${own}`, `the host in ${named('networks', network)}`)
    if (other !== null) report(at, `found ${shown(host.address)}, expected another address than ${other}`)
  }
}

/** `<network>-uplink` names the network's way outside, in rules and in metrics. */
function reserved(network: NetworkConfiguration, all: Configuration, report: Report): void {
  if (network.uplink.kind === 'none') return
  const name = `${network.name}-uplink`
  for (const section of ['networks', 'ports'] as const)
    if (all[section].has(name))
      report(
        [section, name],
        `found ${shown(name)}, expected another name: it is the uplink of ${named('networks', network)}`,
      )
}

/** The namespace file, so that a name and its path are the same place. */
function place(netns: string): string {
  return netns === '' || netns.includes('/') || netns.startsWith('pid:')
    ? netns.replace(/^\/var\/run\//, '/run/')
    : `/run/netns/${netns}`
}

function port(
  each: PortConfiguration,
  all: Configuration,
  addresses: Claims,
  macs: Claims,
  report: Report,
): void {
  const path = ['ports', each.name]
  const network = all.networks.get(each.network)
  if (all.networks.has(each.name))
    report(
      path,
      `found a port named ${each.name}, expected another name: ${named('networks', all.networks.get(each.name) as NetworkConfiguration)} has it`,
    )
  if (network === undefined) {
    const names = [...all.networks.keys()]
    const expected =
      names.length === 0 ? 'the name of a network; there is none' : `one of ${names.slice(0, 20).join(', ')}`
    report([...path, 'network'], `found ${shown(each.network)}, expected ${expected}`)
    return
  }
  if (each.mtu > network.mtu)
    report(
      [...path, 'mtu'],
      `found ${each.mtu}, expected at most ${network.mtu}, the MTU of ${named('networks', network)}`,
    )
  if (
    each.address !== null &&
    each.address !== 'dhcp' &&
    (network.subnet === null || inside([...path, 'address'], each.address, network.subnet, report)) &&
    network.dhcp?.static.get(each.mac ?? '') !== each.address.split('/')[0]
  ) {
    const other = addresses.take(`${network.name} ${each.address.split('/')[0]}`, named('ports', each))
    if (other !== null)
      report([...path, 'address'], `found ${shown(each.address)}, expected another address than ${other}`)
  }
  if (each.address === 'dhcp' && network.dhcp === null)
    report(
      [...path, 'address'],
      `found "dhcp", expected an address: ${named('networks', network)} hands out none`,
    )
  if (each.mac !== null) {
    const other = macs.take(`${network.name} ${each.mac}`, named('ports', each))
    if (other !== null)
      report([...path, 'mac'], `found ${shown(each.mac)}, expected another MAC than ${other}`)
  }
}

/** Every contradiction in a resolved configuration; each is told at the later of the two places. */
export function check(all: Configuration): Problem[] {
  const result: Problem[] = []
  const report: Report = (path, text) => result.push({ path, text })
  const [addresses, macs, interfaces] = [new Claims(), new Claims(), new Claims()]
  const networks = [...all.networks.values()]
  networks.forEach((network, n) => {
    if (subnet(network, networks.slice(0, n), report)) {
      gateway(network, addresses, report)
      bound.check(network, networks.slice(0, n), all, addresses, report)
    }
    reserved(network, all, report)
    if (network.host === null) return
    const other = interfaces.take(` ${network.host.ifname}`, `the host's of ${named('networks', network)}`)
    if (other !== null)
      report(
        ['networks', network.name, 'host', 'ifname'],
        `found ${shown(network.host.ifname)}, expected another interface name than ${other}`,
      )
  })
  for (const each of all.ports.values()) {
    port(each, all, addresses, macs, report)
    if (each.ifname === '') continue
    const other = interfaces.take(`${place(each.netns)} ${each.ifname}`, named('ports', each))
    if (other !== null)
      report(
        ['ports', each.name, 'ifname'],
        `found ${shown(each.ifname)}, expected another interface name than ${other} in the same namespace`,
      )
  }
  files.check(all, report)
  return result
}
