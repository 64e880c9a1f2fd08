/** `bridgeport mac`: what the switch knows, what it is told, what it shall forget. */
import type { Command } from 'commander'
import type { MacRow } from '../control/rows.ts'
import { call, socketOf } from './client.ts'
import { withSocket } from './option.ts'
import { age, list } from './table.ts'

const columns = [
  { title: 'MAC', text: (row: MacRow) => row.mac },
  { title: 'NETWORK', text: (row: MacRow) => row.network },
  { title: 'PORT', text: (row: MacRow) => row.port },
  { title: 'KIND', text: (row: MacRow) => row.kind },
  { title: 'AGE', text: (row: MacRow) => (row.kind === 'dynamic' ? age(row.ageSeconds) : null) },
]

interface Options {
  network?: string
  port?: string
  json?: boolean
}

export function macs(program: Command): void {
  const noun = program.command('mac').description('MAC addresses that the switch knows')
  withSocket(noun.command('ls').description('list MAC addresses'))
    .option('--network <name>', 'of one network')
    .option('--port <name>', 'of one port')
    .option('--json', 'an array of objects')
    .action(async (options: Options, command: Command) => {
      const rows = await call<MacRow[]>(socketOf(command.optsWithGlobals()), 'GET', '/v1/macs')
      const { network, port } = options
      const asked = rows.filter(
        (row) => row.network === (network ?? row.network) && row.port === (port ?? row.port),
      )
      list(asked, columns, options)
    })
  withSocket(noun.command('add <mac>').description('pin a MAC address to a port'))
    .requiredOption('--network <name>', 'network of the port')
    .requiredOption('--port <name>', 'port that it is behind')
    .action(async (mac: string, { network, port }: Options, command: Command) => {
      await call(socketOf(command.optsWithGlobals()), 'POST', '/v1/macs', { network, mac, port })
    })
  withSocket(noun.command('rm <mac>').description('remove a pinned MAC address'))
    .requiredOption('--network <name>', 'network that it was pinned in')
    .action(async (mac: string, { network }: Options, command: Command) => {
      const path = `/v1/macs/${encodeURIComponent(network ?? '')}/${encodeURIComponent(mac)}`
      await call(socketOf(command.optsWithGlobals()), 'DELETE', path)
    })
  withSocket(noun.command('flush').description('forget learned MAC addresses'))
    .option('--network <name>', 'of one network')
    .option('--port <name>', 'of one port')
    .action(async ({ network, port }: Options, command: Command) => {
      const query = new URLSearchParams()
      if (network !== undefined) query.set('network', network)
      if (port !== undefined) query.set('port', port)
      const text = query.toString()
      await call(socketOf(command.optsWithGlobals()), 'DELETE', `/v1/macs${text === '' ? '' : `?${text}`}`)
    })
}
