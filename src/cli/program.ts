/** The commands that there are. */
import { Command } from 'commander'
import { version } from '../control/version.ts'
import { capture } from './capture.ts'
import { conntrack } from './conntrack.ts'
import { doctor } from './doctor.ts'
import { exemplify } from './example.ts'
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
import { top } from './top.ts'
import { daemon } from './up.ts'
import { why } from './why.ts'

export { examples, pathOf } from './example.ts'

/** The command `bridgeport` with everything below it. */
export function program(): Command {
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
    top,
    capture,
  ])
    add(root)
  const settle = (command: Command): void => {
    command.exitOverride().copyInheritedSettings(root)
    exemplify(command)
    command.commands.forEach(settle)
  }
  settle(root)
  return root
}
