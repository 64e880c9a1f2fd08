/** `bridgeport capture`: frames as pcapng, into a file or a pipe. */
import { setPriority } from 'node:os'
import { type Command, Option } from 'commander'
import { CAPTURE_HEADER, SNAP_MAX } from '../control/capture/pcapng.ts'
import { Refusal } from '../control/refusal.ts'
import { Intake } from './capture/intake.ts'
import { Outlet } from './capture/outlet.ts'
import { Tally } from './capture/tally.ts'
import { call, socketOf, understood, unreachable } from './client.ts'
import { whole, withSocket } from './option.ts'

interface Options {
  write?: string
  count?: number
  snap?: number
  drops?: boolean
  direction?: string
  all?: boolean
}

/** How much a reader gives way to guests on a machine that is busy: it loses frames of the capture and they nothing. */
const NICE = 10
const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** What the API is asked for; the first word names a port or a network unless everything is meant. */
async function queryOf(socket: string, words: string[], options: Options): Promise<URLSearchParams> {
  const query = new URLSearchParams()
  const [name, ...rest] = options.all ? [undefined, ...words] : words
  if (name !== undefined) {
    const networks = await call<{ name: string }[]>(socket, 'GET', '/v1/networks')
    query.set(networks.some((network) => network.name === name) ? 'network' : 'port', name)
  }
  if (options.drops) query.set('drops', 'true')
  for (const key of ['count', 'snap', 'direction'] as const) {
    const value = options[key]
    if (value !== undefined) query.set(key, String(value))
  }
  if (rest.length > 0) query.set('filter', rest.join(' '))
  return query
}

/** Begins the answer. Throws a Refusal with the daemon's own line. */
async function ask(socket: string, query: URLSearchParams): Promise<Intake> {
  const intake = await Intake.open(socket, `/v1/capture?${query}`).catch((error) => {
    throw unreachable(socket, error)
  })
  if (intake.status === 200) return intake
  const pieces: Buffer[] = []
  await intake.read((piece) => pieces.push(Buffer.from(piece)) > 0)
  return understood(socket, intake.status, Buffer.concat(pieces).toString())
}

/** Ends the capture, and with it the answer, when a signal comes; a second one ends at once. */
function heed(socket: string, intake: Intake): void {
  const end = () => {
    for (const signal of SIGNALS) process.removeListener(signal, end)
    call(socket, 'DELETE', `/v1/capture/${intake.header(CAPTURE_HEADER)}`).catch(() => intake.destroy())
  }
  for (const signal of SIGNALS) process.on(signal, end)
}

/** Passes the answer on to its end and counts. False: nobody reads any more. */
async function pass(intake: Intake, path: string, tally: Tally): Promise<boolean> {
  const outlet = new Outlet(path, () => (outlet.error === null ? intake.resume() : intake.destroy()))
  await intake.read((piece) => {
    tally.take(piece)
    const more = outlet.write(piece)
    if (outlet.error !== null) intake.destroy()
    return more
  })
  const { isWhole } = tally
  await outlet.end(tally.close())
  const { error } = outlet
  if (error?.code === 'EPIPE') return false
  if (error === null && isWhole) return true
  const why = error?.message ?? 'the switch is gone'
  throw new Refusal('capture', `${why} after ${tally.frames} frames`, 'what was written up to there is valid')
}

async function run(
  name: string | undefined,
  filter: string[],
  options: Options,
  command: Command,
): Promise<void> {
  const words = name === undefined ? [] : [name, ...filter]
  // Drops are rare: without a name they are those of all.
  if (words.length === 0 && !options.all && !options.drops)
    command.error('error: name a port or a network, or ask for --all')
  const socket = socketOf(command.optsWithGlobals())
  const path = options.write ?? '-'
  if (path === '-' && process.stdout.isTTY)
    throw new Refusal(
      'capture',
      'what it writes is not for a terminal',
      'write it into a file (-w FILE) or a pipe (| tshark -i -)',
    )
  setPriority(NICE)
  const query = await queryOf(socket, words, options)
  const intake = await ask(socket, query)
  const tally = new Tally()
  try {
    heed(socket, intake)
    if (!(await pass(intake, path, tally))) return
  } finally {
    intake.destroy()
  }
  process.stderr.write(`${tally.frames} frames captured, ${tally.lost} lost because nobody read in time\n`)
}

export function capture(program: Command): void {
  withSocket(program.command('capture'))
    .description('frames of a port or of the ports of a network as pcapng; those that were dropped say why')
    .argument('[name]', 'a port, a network, or NETWORK-uplink, which is the way outside')
    .argument('[filter...]', 'which frames, in the language of tcpdump; see man 7 pcap-filter')
    .option('-w, --write <file>', 'a file of mode 0600 instead of standard output')
    .option('-c, --count <count>', 'end after so many frames', whole(1, Number.MAX_SAFE_INTEGER))
    .option('-s, --snap <bytes>', 'keep only the beginning of each frame, 0 for all', whole(0, SNAP_MAX))
    .option('--drops', 'only frames that are dropped; without a name those of every port')
    .addOption(
      new Option('--direction <way>', 'in: that the switch receives, out: that it sends').choices([
        ...['in', 'out', 'both'],
      ]),
    )
    .option('--all', 'every port and uplink; all words are the filter then')
    .addHelpText(
      'after',
      `
Ctrl-C and SIGTERM end it in order. The command runs at nice ${NICE}: on a busy
machine it is the capture that loses frames, and never the guests; how many is told at the end and in the file.`,
    )
    .action(run)
}
