/** `bridgeport lease`: who has which address by DHCP. */
import type { Command } from 'commander'
import type { LeaseRow } from '../control/lease.ts'
import { Refusal } from '../control/refusal.ts'
import { call, socketOf } from './client.ts'
import { withSocket } from './option.ts'
import { age, list } from './table.ts'

const columns = [
  { title: 'ADDRESS', text: (row: LeaseRow) => row.address },
  { title: 'MAC', text: (row: LeaseRow) => row.mac },
  { title: 'NETWORK', text: (row: LeaseRow) => row.network },
  { title: 'PORT', text: (row: LeaseRow) => row.port },
  { title: 'HOSTNAME', text: (row: LeaseRow) => row.hostname },
  { title: 'KIND', text: (row: LeaseRow) => row.kind },
  { title: 'LEFT', text: (row: LeaseRow) => left(row.expires) },
]

interface Options {
  network?: string
  json?: boolean
}

function left(expires: string | null): string | null {
  return expires === null ? null : age(Math.max(0, (Date.parse(expires) - Date.now()) / 1000))
}

/** The network of the one lease of that address; throws a Refusal if there is none, or one in several networks. */
function networkOf(rows: LeaseRow[], address: string): string {
  const found = rows.filter((row) => row.address === address)
  if (found.length === 1) return found[0].network
  const names = found.map((row) => row.network).join(' and ')
  throw found.length === 0
    ? new Refusal(`lease ${address}`, 'there is no such lease', 'see bridgeport lease ls')
    : new Refusal(`lease ${address}`, `networks ${names} have one`, 'name one with --network')
}

export function leases(program: Command): void {
  const noun = program.command('lease').description('addresses that guests have by DHCP')
  withSocket(noun.command('ls').description('list leases'))
    .option('--network <name>', 'of one network')
    .option('--json', 'an array of objects')
    .action(async (options: Options, command: Command) => {
      const rows = await call<LeaseRow[]>(socketOf(command.optsWithGlobals()), 'GET', '/v1/leases')
      const asked = rows.filter((row) => row.network === (options.network ?? row.network))
      list(asked, columns, options)
    })
  withSocket(
    noun.command('rm <address>').description('end a lease; the guest keeps the address until it renews'),
  )
    .option('--network <name>', 'network of the lease')
    .action(async (address: string, { network }: Options, command: Command) => {
      const socket = socketOf(command.optsWithGlobals())
      const where = network ?? networkOf(await call<LeaseRow[]>(socket, 'GET', '/v1/leases'), address)
      const path = `/v1/leases/${encodeURIComponent(where)}/${encodeURIComponent(address)}`
      await call(socket, 'DELETE', path)
    })
}
