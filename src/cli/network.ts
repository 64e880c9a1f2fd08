/** `bridgeport network`: what is there, one more, one less. */
import type { Command } from 'commander'
import type { NetworkRow, UplinkRow } from '../control/rows.ts'
import { call, socketOf } from './client.ts'
import { given, number, withSocket } from './option.ts'
import { list } from './table.ts'

const columns = [
  { title: 'NAME', text: (row: NetworkRow) => row.name },
  { title: 'MODE', text: (row: NetworkRow) => row.mode },
  { title: 'SUBNET', text: (row: NetworkRow) => row.subnet },
  { title: 'GATEWAY', text: (row: NetworkRow) => row.gateway },
  { title: 'DHCP', text: (row: NetworkRow) => row.dhcp },
  { title: 'DNS', text: (row: NetworkRow) => row.dns },
  { title: 'UPLINK', text: (row: NetworkRow) => (row.uplink === null ? null : outside(row.uplink)) },
  { title: 'HOST', text: (row: NetworkRow) => row.host?.ifname ?? null },
  { title: 'MTU', text: (row: NetworkRow) => row.mtu },
  { title: 'PORTS', text: (row: NetworkRow) => row.ports },
  { title: 'MACS', text: (row: NetworkRow) => row.macs },
  { title: 'ISOLATED', text: (row: NetworkRow) => (row.isolated ? 'yes' : 'no') },
  { title: 'ORIGIN', text: (row: NetworkRow) => row.origin },
]

/** Where a network leads, in one cell. */
function outside({ type, ifname, address, state, reason }: UplinkRow): string {
  const now = reason === '' ? (address ?? 'without an address') : `${state} (${reason})`
  return `${type} ${ifname} ${now}`
}

interface AddOptions {
  mode?: string
  subnet?: string
  gateway?: string
  mtu?: number | string
  domain?: string
  uplink?: string
  dhcp: boolean
  dhcpRange?: string
  dns: boolean
  isolated?: boolean
  hostIfname?: string
  hostAddress?: string
  macAgeing?: string
  macCapacity?: number | string
  socket?: string
}

/** host and none are said as they are, everything else is a card. */
function way(text: string | undefined): object | string | undefined {
  return text === undefined || text === 'host' || text === 'none' ? text : { nic: text }
}

/** The options as the API's body; what is not given is left to the daemon's defaults. */
function body(name: string, options: AddOptions): object {
  const { subnet, gateway, mtu, isolated, domain } = options
  const range = options.dhcpRange === undefined ? undefined : { range: options.dhcpRange }
  const dhcp = options.dhcp ? range : 'off'
  const dns = options.dns ? undefined : 'off'
  const uplink = way(options.uplink)
  const host = given({ ifname: options.hostIfname, address: options.hostAddress })
  const macTable = given({ ageing: options.macAgeing, capacity: options.macCapacity })
  const mode = options.mode ?? (subnet === undefined ? 'internal' : 'host-only')
  return {
    ...given({ name, mode, subnet, gateway, mtu, isolated, domain, uplink, dhcp, dns }),
    ...(Object.keys(host).length === 0 ? {} : { host }),
    ...(Object.keys(macTable).length === 0 ? {} : { macTable }),
  }
}

export function networks(program: Command): void {
  const noun = program.command('network').description('networks of the switch')
  withSocket(noun.command('ls').description('list networks'))
    .option('--json', 'an array of objects')
    .action(async (options: { json?: boolean; socket?: string }, command: Command) => {
      list(
        await call<NetworkRow[]>(socketOf(command.optsWithGlobals()), 'GET', '/v1/networks'),
        columns,
        options,
      )
    })
  withSocket(noun.command('add <name>').description('add a network until it is removed'))
    .option(
      '--mode <mode>',
      'nat, host-only, internal, bridged or routed (host-only when there is a subnet, else internal)',
    )
    .option('--subnet <cidr>', 'such as 10.0.3.0/24')
    .option('--gateway <address>', "the gateway's address (the subnet's first)")
    .option('--mtu <bytes>', 'largest packet (1500)', number)
    .option('--isolated', 'ports reach the gateway and nothing else')
    .option('--uplink <host|none|card>', 'the way outside (host where the mode has one)')
    .option('--no-dhcp', 'hand out no addresses')
    .option('--dhcp-range <first-last>', 'addresses to hand out')
    .option('--no-dns', 'answer for no names')
    .option('--domain <name>', "the guests' domain (NAME.internal)")
    .option('--host-ifname <name>', "the network's interface on the host (bp-NAME)")
    .option('--host-address <cidr>', 'its address')
    .option('--mac-ageing <duration>', 'forget MAC addresses after (300s)')
    .option('--mac-capacity <count>', 'MAC addresses that fit (65536)', number)
    .action(async (name: string, options: AddOptions, command: Command) => {
      await call(socketOf(command.optsWithGlobals()), 'POST', '/v1/networks', body(name, options))
    })
  withSocket(noun.command('rm <name>').description('remove a network that was added here')).action(
    async (name: string, _options: object, command: Command) => {
      await call(socketOf(command.optsWithGlobals()), 'DELETE', `/v1/networks/${encodeURIComponent(name)}`)
    },
  )
}
