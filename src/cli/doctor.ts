/** `bridgeport doctor`: what this machine lacks to run a switch. */
import type { Command } from 'commander'
import { daemonSocket, withSocket } from './option.ts'

interface Options {
  config?: string
  json?: boolean
}

export function doctor(program: Command): void {
  withSocket(program.command('doctor').description('what this machine lacks to run a switch'))
    .option('-c, --config <file>', 'configuration to look at')
    .option('--json', 'an array of objects')
    .action(async ({ config, json }: Options, command: Command) => {
      const { examine } = await import('../control/doctor.ts')
      const file = config === undefined ? {} : { file: config }
      const findings = await examine({ ...daemonSocket(command), ...file })
      const width = Math.max(...findings.map(({ check }) => check.length))
      const lines = findings.map(({ check, ok, detail, remedy }) => {
        const verdict = ok ? 'ok     ' : 'problem'
        return `${verdict}  ${check.padEnd(width)}  ${detail}${remedy === '' ? '' : `; ${remedy}`}\n`
      })
      process.stdout.write(json ? `${JSON.stringify(findings, null, 2)}\n` : lines.join(''))
      if (findings.some(({ ok }) => !ok)) process.exitCode = 1
    })
}
