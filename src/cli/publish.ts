/** `bridgeport publish`: which ports of guests are reached from outside, one more, one less. */
import type { Command } from 'commander'
import type { PublishRow } from '../control/rows.ts'
import { call, socketOf } from './client.ts'
import { given, withSocket } from './option.ts'
import { list } from './table.ts'

const columns = [
  { title: 'PUBLISH', text: (row: PublishRow) => row.publish },
  { title: 'NETWORK', text: (row: PublishRow) => row.network },
  { title: 'ORIGIN', text: (row: PublishRow) => row.origin },
  {
    title: 'STATE',
    text: (row: PublishRow) => (row.reason === '' ? row.state : `${row.state} (${row.reason})`),
  },
]

interface Options {
  network?: string
  json?: boolean
}

const FORM =
  'PROTO:HOSTIP:PORT-GUESTIP:PORT, such as tcp:127.0.0.1:8080-10.0.2.15:80 or udp::8000-8010-10.0.2.15:8000-8010'

export function publish(program: Command): void {
  const noun = program.command('publish').description('ports of guests that are reached from outside')
  withSocket(noun.command('ls').description('list published ports'))
    .option('--network <name>', 'of one network')
    .option('--json', 'an array of objects')
    .action(async (options: Options, command: Command) => {
      const rows = await call<PublishRow[]>(socketOf(command.optsWithGlobals()), 'GET', '/v1/publish')
      const asked = rows.filter((row) => row.network === (options.network ?? row.network))
      list(asked, columns, options)
    })
  withSocket(noun.command('add <publish>').description('publish a port of a guest until it is taken back'))
    .option('--network <name>', 'network of the guest (the one whose subnet has it)')
    .addHelpText(
      'after',
      `\nPUBLISH is ${FORM}; an empty HOSTIP is every address of the host or of the card.`,
    )
    .action(async (text: string, { network }: Options, command: Command) => {
      await call(
        socketOf(command.optsWithGlobals()),
        'POST',
        '/v1/publish',
        given({ publish: text, network }),
      )
    })
  withSocket(noun.command('rm <publish>').description('take back a port that was published here')).action(
    async (text: string, _options: object, command: Command) => {
      await call(socketOf(command.optsWithGlobals()), 'DELETE', `/v1/publish/${encodeURIComponent(text)}`)
    },
  )
}
