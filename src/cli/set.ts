/** `bridgeport set`: what ipset is to the kernel. */
import type { Command } from 'commander'
import type { SetRow } from '../control/roll.ts'
import { call, socketOf } from './client.ts'
import { given, withSocket } from './option.ts'
import { inFile, readText } from './rules.ts'
import { list } from './table.ts'

const columns = [
  { title: 'NAME', text: (row: SetRow) => row.name },
  { title: 'TYPE', text: (row: SetRow) => row.type },
  { title: 'ENTRIES', text: (row: SetRow) => row.count },
  { title: 'MAXIMUM', text: (row: SetRow) => row.maxelem },
  { title: 'TIMEOUT', text: (row: SetRow) => row.timeout },
  { title: 'REFUSED', text: (row: SetRow) => row.refused },
]

const members = [
  { title: 'ENTRY', text: (row: SetRow['entries'][number]) => row.element },
  { title: 'TIMEOUT', text: (row: SetRow['entries'][number]) => row.timeout },
  { title: 'NOMATCH', text: (row: SetRow['entries'][number]) => (row.nomatch ? 'nomatch' : null) },
]

interface Options {
  exist?: boolean
  json?: boolean
}

/** What asks for one set, or for all. */
function one(name: string | undefined): string {
  return name === undefined ? '' : `?${new URLSearchParams({ name })}`
}

function path(name: string, rest = ''): string {
  return `/v1/sets/${encodeURIComponent(name)}${rest}`
}

async function ls(name: string | undefined, options: Options, command: Command): Promise<void> {
  const isOverview = name === undefined && !options.json
  const asked = isOverview ? '/v1/sets?limit=0' : `/v1/sets${one(name)}`
  const rows = await call<SetRow[]>(socketOf(command.optsWithGlobals()), 'GET', asked)
  if (name === undefined || options.json) list(rows, columns, options)
  else list(rows[0].entries, members, options)
}

async function save(name: string | undefined, _options: object, command: Command): Promise<void> {
  const asked = `/v1/sets/text${one(name)}`
  const { text } = await call<{ text: string }>(socketOf(command.optsWithGlobals()), 'GET', asked)
  process.stdout.write(text)
}

async function restore(file: string | undefined, { exist }: Options, command: Command): Promise<void> {
  const text = readText(file)
  const socket = socketOf(command.optsWithGlobals())
  await inFile(text, () => call(socket, 'PUT', `/v1/sets?exist=${exist === true}`, text.text))
}

async function add(name: string, entry: string, options: string[], { exist }: Options, command: Command) {
  const body = given({ entry, options, exist })
  await call(socketOf(command.optsWithGlobals()), 'POST', path(name, '/entries'), body)
}

async function remove(name: string, entry: string, { exist }: Options, command: Command): Promise<void> {
  const query = new URLSearchParams({ entry, exist: String(exist === true) })
  await call(socketOf(command.optsWithGlobals()), 'DELETE', path(name, `/entries?${query}`))
}

/** As ipset: the status is 0 if the entry is in the set, else 1. */
async function test(name: string, entry: string, options: string[], _: object, command: Command) {
  const query = new URLSearchParams({ entry, nomatch: String(options.includes('nomatch')) })
  const asked = path(name, `/entries?${query}`)
  const { member } = await call<{ member: boolean }>(socketOf(command.optsWithGlobals()), 'GET', asked)
  process.stdout.write(`${entry} is ${member ? '' : 'NOT '}in set ${name}.\n`)
  if (!member) process.exitCode = 1
}

async function create(name: string, type: string, options: string[], { exist }: Options, command: Command) {
  const body = given({ name, type, options, exist })
  await call(socketOf(command.optsWithGlobals()), 'POST', '/v1/sets', body)
}

export function sets(program: Command): void {
  const noun = program.command('set').description('sets of addresses, networks and ports that rules ask')
  const command = (usage: string, description: string) =>
    withSocket(noun.command(usage).description(description))
  const lenient = 'what is there already, or is not there, is no mistake'
  command('ls [name]', 'list sets, or the entries of one').option('--json', 'an array of objects').action(ls)
  command('add <name> <entry> [options...]', 'add an entry; options as ipset has them: timeout 60, nomatch')
    .option('--exist', lenient)
    .action(add)
  command('del <name> <entry>', 'remove an entry').option('--exist', lenient).action(remove)
  command(
    'test <name> <entry> [options...]',
    'say whether an entry is in a set; the status is 1 if not',
  ).action(test)
  command('save [name]', "print sets in ipset save's format").action(save)
  command('restore [file]', 'carry out a file, or what comes in, as ipset restore does: all or nothing')
    .option('--exist', lenient)
    .action(restore)
  command('create <name> <type> [options...]', 'create a set; options as ipset has them: timeout 600')
    .option('--exist', lenient)
    .action(create)
  for (const [verb, description, method, rest] of [
    ['destroy', 'destroy a set that neither rules nor lists use', 'DELETE', ''],
    ['flush', 'remove all entries of a set', 'POST', '/flush'],
  ] as const)
    command(`${verb} <name>`, description).action(async (name: string, _: object, asked: Command) => {
      await call(socketOf(asked.optsWithGlobals()), method, path(name, rest))
    })
}
