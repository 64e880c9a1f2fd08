/** The command line: which commands there are, and how every one of them fails: one line, and a status that says whose fault. */
import { Command, CommanderError } from 'commander'
import { Refusal } from '../control/refusal.ts'
import { version } from '../control/version.ts'
import { conntrack } from './conntrack.ts'
import { doctor } from './doctor.ts'
import { later } from './later.ts'
import { leases } from './lease.ts'
import { macs } from './mac.ts'
import { neighbours } from './neighbour.ts'
import { networks } from './network.ts'
import { withSocket } from './option.ts'
import { ports } from './port.ts'
import { publish } from './publish.ts'
import { rules } from './rules.ts'
import { run } from './run.ts'
import { sets } from './set.ts'
import { daemon } from './up.ts'
import { why } from './why.ts'

/** Wrong usage, as in the contract; 1 is refused or failed. */
const USAGE = 2

function program(): Command {
  const root = withSocket(new Command('bridgeport'))
    .description('A userspace switch for QEMU guests, containers and processes')
    .version(version)
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, 'bridgeport: ').replace(/\n(?=.)/g, ' ')),
    })
  for (const add of [
    daemon,
    doctor,
    networks,
    ports,
    run,
    macs,
    neighbours,
    leases,
    publish,
    conntrack,
    sets,
    why,
    rules,
    later,
  ])
    add(root)
  const settle = (command: Command): void => {
    command.exitOverride().copyInheritedSettings(root)
    command.commands.forEach(settle)
  }
  settle(root)
  return root
}

/** The status of an error, after its line was printed. */
function failed(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE
  if (error instanceof Refusal) {
    for (const line of error.lines) process.stderr.write(`bridgeport: ${line}\n`)
    return 1
  }
  const { code, syscall, message } = error as NodeJS.ErrnoException
  const isRight = code === 'EPERM' || code === 'EACCES'
  const remedy = isRight ? `; ${syscall ?? 'this'} needs a right that is missing: run as root (sudo)` : ''
  process.stderr.write(`bridgeport: ${String(message ?? error).split('\n')[0]}${remedy}\n`)
  return 1
}

// A reader that went away (`bridgeport port ls | head -1`) has what it wanted.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

await program()
  .parseAsync()
  .catch((error: unknown) => {
    process.exit(failed(error))
  })
