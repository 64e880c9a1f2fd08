/** Every command has an example, and every example is what its command takes. */
import type { Command } from 'commander'
import { expect, it } from 'vitest'
import { examples, pathOf } from '../../src/cli/example.ts'
import { program } from '../../src/cli/program.ts'

function all(command: Command): Command[] {
  return [command, ...command.commands.flatMap(all)]
}

/** The words that a shell would give to the program: up to a pipe or a redirection. */
function words(line: string): string[] {
  const all = [...line.matchAll(/'([^']*)'|(\S+)/g)]
  const begin = all.findIndex(([word]) => word === 'bridgeport') + 1
  const end = all.findIndex(([word], at) => at > begin && (word === '|' || word === '>'))
  return all.slice(begin, end < 0 ? all.length : end).map(([, quoted, plain = '']) => quoted ?? plain)
}

it('every command shows an example', () => {
  for (const command of all(program())) {
    expect(examples(command), pathOf(command)).not.toEqual([])
    for (const line of examples(command))
      expect(line, pathOf(command)).toContain(`bridgeport ${pathOf(command)}`)
  }
})

it('every example is understood, by the command that it is of', async () => {
  for (const command of all(program()).filter(({ commands }) => commands.length === 0))
    for (const line of examples(command)) {
      const root = program()
      const met: string[] = []
      for (const each of all(root))
        if (each.commands.length === 0) each.action(() => void met.push(pathOf(each)))
      await root.parseAsync(words(line), { from: 'user' })
      expect(met, line).toEqual([pathOf(command)])
    }
})

it('help has them behind everything else', () => {
  let text = ''
  const root = program().configureOutput({ writeOut: (said) => (text += said) })
  const port = root.commands.find((each) => each.name() === 'port')
  port?.copyInheritedSettings(root).outputHelp()
  expect(text).toMatch(/\nExamples:\n {2}bridgeport port ls --json\n {2}bridgeport port add [^\n]*\n/)
})
