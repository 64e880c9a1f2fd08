/** `bridgeport conntrack`: the connections that the gateways track. */
import type { Command } from 'commander'
import type { FlowRow, WayRow } from '../control/flows.ts'
import { call, socketOf } from './client.ts'
import { withSocket } from './option.ts'

interface Options {
  network?: string
  protocol?: string
  source?: string
  destination?: string
  search?: string
  limit?: string
  json?: boolean
}

/** One direction, as conntrack(8) writes it. */
function way(row: WayRow): string {
  const { source, destination, sourcePort, destinationPort, type, code, id, packets, bytes } = row
  const ports = sourcePort === undefined ? '' : ` sport=${sourcePort} dport=${destinationPort}`
  const query = type === undefined ? '' : ` type=${type} code=${code} id=${id}`
  return `src=${source} dst=${destination}${ports}${query} packets=${packets} bytes=${bytes}`
}

/** A row in the format of `conntrack -L`. */
export function line(row: FlowRow): string {
  const lead = `${row.protocol.padEnd(8)} ${row.number} ${row.timeoutSeconds}`
  const state = row.state === null ? '' : ` ${row.state}`
  const replied = row.replied ? '' : ' [UNREPLIED]'
  const assured = row.assured ? ' [ASSURED]' : ''
  const zone = row.zone === 0 ? '' : ` zone=${row.zone}`
  return `${lead}${state} ${way(row.original)}${replied} ${way(row.reply)}${assured} mark=${row.mark}${zone} use=1`
}

function queryOf(options: Options): string {
  const query = new URLSearchParams()
  for (const name of ['network', 'protocol', 'source', 'destination', 'search', 'limit'] as const) {
    const value = options[name]
    if (value !== undefined) query.set(name, value)
  }
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}

export function conntrack(program: Command): void {
  const noun = program.command('conntrack').description('connections that the gateways track')
  withSocket(noun.command('ls').description("list connections in conntrack(8)'s format"))
    .option('--network <name>', 'that began in one network')
    .option('--protocol <name>', 'tcp, udp, icmp, gre or unknown')
    .option('--source <ip>', 'that this address opened')
    .option('--destination <ip>', 'that were opened to this address')
    .option('--search <words>', 'that all words fit: addresses, prefixes, ports, protocols, states, networks')
    .option('--limit <count>', 'at most so many')
    .option('--json', 'an array of objects')
    .action(async (options: Options, command: Command) => {
      const socket = socketOf(command.optsWithGlobals())
      const rows = await call<FlowRow[]>(socket, 'GET', `/v1/conntrack${queryOf(options)}`)
      process.stdout.write(
        options.json ? `${JSON.stringify(rows)}\n` : rows.map((row) => `${line(row)}\n`).join(''),
      )
    })
  withSocket(noun.command('flush').description('forget connections; their next packets begin new ones'))
    .option('--protocol <name>', 'tcp, udp, icmp or gre')
    .option('--source <ip>', 'that this address opened')
    .option('--destination <ip>', 'that were opened to this address')
    .action(async (options: Options, command: Command) => {
      await call(socketOf(command.optsWithGlobals()), 'DELETE', `/v1/conntrack${queryOf(options)}`)
    })
}
