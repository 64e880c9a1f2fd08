/** `bridgeport neigh`: who the gateways know by ARP. */
import type { Command } from 'commander'
import type { NeighbourRow } from '../control/neighbour.ts'
import { call, socketOf } from './client.ts'
import { withSocket } from './option.ts'
import { age, list } from './table.ts'

const columns = [
  { title: 'ADDRESS', text: (row: NeighbourRow) => row.address },
  { title: 'MAC', text: (row: NeighbourRow) => row.mac },
  { title: 'NETWORK', text: (row: NeighbourRow) => row.network },
  { title: 'PORT', text: (row: NeighbourRow) => row.port },
  { title: 'STATE', text: (row: NeighbourRow) => row.state },
  { title: 'CONFIRMED', text: (row: NeighbourRow) => age(row.confirmedSeconds) },
  { title: 'USED', text: (row: NeighbourRow) => age(row.usedSeconds) },
]

interface Options {
  network?: string
  json?: boolean
}

export function neighbours(program: Command): void {
  const noun = program.command('neigh').description('neighbours that the gateways know')
  withSocket(noun.command('ls').description('list neighbours'))
    .option('--network <name>', 'of one network; NAME-uplink for who is outside')
    .option('--json', 'an array of objects')
    .action(async (options: Options, command: Command) => {
      const rows = await call<NeighbourRow[]>(socketOf(command.optsWithGlobals()), 'GET', '/v1/neighbours')
      const asked = rows.filter((row) => row.network === (options.network ?? row.network))
      list(asked, columns, options)
    })
  withSocket(noun.command('flush').description('forget learned neighbours'))
    .option('--network <name>', 'of one network')
    .action(async ({ network }: Options, command: Command) => {
      const query = network === undefined ? '' : `?${new URLSearchParams({ network })}`
      await call(socketOf(command.optsWithGlobals()), 'DELETE', `/v1/neighbours${query}`)
    })
}
