/** Commands with a fixed name whose feature does not exist yet: they say so and fail. */
import type { Command } from 'commander'
import { Refusal } from '../control/refusal.ts'

const nouns = ['capture']

export function later(program: Command): void {
  for (const noun of nouns)
    program
      .command(`${noun} [arguments...]`)
      .description('not available yet')
      .allowUnknownOption()
      .action(() => {
        throw new Refusal(`bridgeport ${noun}`, 'not available yet', 'see bridgeport --help for what is')
      })
}
