/** `bridgeport rules`: what iptables-save and iptables-restore are to the kernel. */
import { readFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import type { Finding } from '../chain/lint.ts'
import { TABLES } from '../chain/rule.ts'
import type { RuleRow } from '../control/counts.ts'
import { Refusal } from '../control/refusal.ts'
import { call, socketOf } from './client.ts'
import { log } from './log.ts'
import { withSocket } from './option.ts'

interface RestoreOptions {
  counters?: boolean
  noflush?: boolean
  table?: string
}

/** A text, and how its mistakes are told. */
interface Text {
  name: string
  text: string
}

/** A file, or standard input without a name or with `-`. */
export function readText(file: string | undefined): Text {
  const isStdin = file === undefined || file === '-'
  const name = isStdin ? 'standard input' : file
  try {
    return { name, text: readFileSync(isStdin ? 0 : file, 'utf8') }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const why =
      code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a directory' : message
    throw new Refusal(name, why, 'name another one')
  }
}

/** Puts the name of the file before places in it. */
export async function inFile<T>({ name }: Text, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    throw Refusal.of(error.lines.map((line) => (line.startsWith('line ') ? `${name}: ${line}` : line)))
  }
}

async function save(options: { counters?: boolean; json?: boolean }, command: Command): Promise<void> {
  const socket = socketOf(command.optsWithGlobals())
  if (options.json) {
    const rows = await call<RuleRow[]>(socket, 'GET', '/v1/rules')
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`)
    return
  }
  const path = `/v1/rules/text?counters=${options.counters === true}`
  process.stdout.write((await call<{ text: string }>(socket, 'GET', path)).text)
}

async function restore(file: string | undefined, options: RestoreOptions, command: Command): Promise<void> {
  const { counters = false, noflush = false, table } = options
  const query = new URLSearchParams({ counters: String(counters), noflush: String(noflush) })
  if (table !== undefined) query.set('table', table)
  const text = readText(file)
  const socket = socketOf(command.optsWithGlobals())
  await inFile(text, () => call(socket, 'PUT', `/v1/rules?${query}`, text.text))
}

/** What is in vain; with a daemon its names and sets are known. */
async function findings(socket: string, { text }: Text): Promise<Finding[]> {
  try {
    return await call<Finding[]>(socket, 'POST', '/v1/rules/check', text)
  } catch (error) {
    if (!(error instanceof Refusal) || !error.message.startsWith('no switch answers')) throw error
  }
  const { examine } = await import('../control/examine.ts')
  return examine(text)
}

async function check(file: string, { json }: { json?: boolean }, command: Command): Promise<void> {
  const text = readText(file)
  const found = await inFile(text, () => findings(socketOf(command.optsWithGlobals()), text))
  const lines = found.map((each) => `line ${each.line}: ${each.text}\n`)
  process.stdout.write(json ? `${JSON.stringify(found, null, 2)}\n` : lines.join(''))
}

export function rules(program: Command): void {
  const noun = program.command('rules').description("rules in iptables-save's format")
  withSocket(noun.command('save').description('print the rules in force'))
    .option('-c, --counters', 'with packets and bytes of every rule')
    .option('--json', 'an array of objects')
    .action(save)
  withSocket(
    noun.command('restore').description('replace them by a file, or by what comes in: all or nothing'),
  )
    .argument('[file]', "in iptables-save's format; tables that it does not name stay")
    .option('-c, --counters', 'counters begin with those of the file')
    .option('-n, --noflush', 'rules that there are stay')
    .addOption(new Option('-T, --table <name>', 'this table only').choices(TABLES))
    .action(restore)
  withSocket(noun.command('check').description('say what is wrong with a file, and what it says in vain'))
    .argument('<file>', "in iptables-save's format, - for what comes in")
    .option('--json', 'an array of objects')
    .action(check)
  log(noun)
}
