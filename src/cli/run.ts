/**
 * `bridgeport run`: a command in a namespace of its own, plugged into a network.
 *
 * This process moves into new namespaces, has the daemon plug an interface into them, and starts the command there. It passes
 * signals on and waits. Whoever dies first takes the rest along: the command's end removes the port and what the command left
 * running; when this process is killed, the reaper kills the command and the daemon removes the port.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { isatty } from 'node:tty'
import type { Command } from 'commander'
import { Refusal } from '../control/refusal.ts'
import type { NetworkRow, PortRow } from '../control/rows.ts'
import { call, socketOf } from './client.ts'
import { given, withSocket } from './option.ts'

interface Options {
  network: string
  publish: string[]
  name?: string
  address?: string
  socket?: string
}

/** Signals that mean the command, not us. SIGKILL and SIGSTOP cannot be passed on. */
const PASSED = [
  'SIGTERM',
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
  'SIGWINCH',
] as const
/** What a terminal sends to every process of the foreground group: the command has it already. */
const FROM_TERMINAL = new Set<string>(['SIGINT', 'SIGQUIT', 'SIGWINCH', 'SIGCONT'])
/** Without a file of its own the command would ask the host's servers, which it may not reach. */
function resolv(network: NetworkRow | undefined): string {
  if (!network?.dns) return '# bridgeport: this network has no DNS\n'
  return `# bridgeport: network ${network.name}\nsearch ${network.domain}\nnameserver ${network.dns}\n`
}

/** `[IP:]PORT:PORT[/udp]` as the daemon wants it, for a guest's address. Throws a Refusal. */
function mapping(text: string, guest: string): string {
  const match = /^(?:([\d.]+):)?(\d+(?:-\d+)?):(\d+(?:-\d+)?)(?:\/(tcp|udp))?$/.exec(text)
  if (match === null)
    throw new Refusal(
      `--publish ${text}`,
      'it has the form [IP:]PORT:PORT[/udp]',
      'such as 127.0.0.1:8080:80',
    )
  const [, host = '', outside, inside, protocol = 'tcp'] = match
  return `${protocol}:${host}:${outside}-${guest}:${inside}`
}

function explain(what: string, error: unknown): Error {
  const { code, syscall } = error as NodeJS.ErrnoException
  if (code !== 'EPERM' && code !== 'EACCES') return error as Error
  return new Refusal(
    what,
    `${syscall ?? 'it'} needs CAP_SYS_ADMIN and CAP_NET_ADMIN`,
    'run as root (sudo bridgeport run …)',
  )
}

/** Starts the command and resolves to the status a shell would give it. */
function execute(argv: string[], started: (child: ChildProcess) => void): Promise<number> {
  return new Promise((resolve) => {
    const [command, ...args] = argv
    let child: ChildProcess
    const refuse = (error: NodeJS.ErrnoException) => {
      const isMissing = error.code === 'ENOENT'
      const why = isMissing
        ? 'there is no such command'
        : error.code === 'EACCES'
          ? 'it cannot be executed'
          : error.message
      process.stderr.write(`bridgeport: ${command}: ${why}\n`)
      resolve(isMissing ? 127 : 126)
    }
    try {
      child = spawn(command, args, { stdio: 'inherit' })
    } catch (error) {
      return refuse(error as NodeJS.ErrnoException)
    }
    child.on('error', refuse)
    child.on('exit', (code, signal) =>
      resolve(signal === null ? (code ?? 1) : 128 + constants.signals[signal]),
    )
    if (child.pid !== undefined) started(child)
  })
}

/** Runs the command with signals passed on and the reaper told. */
async function attend(argv: string[]): Promise<number> {
  const reaper = await import('../port/reaper.ts')
  const isTerminal = [0, 1, 2].some((fd) => isatty(fd))
  let running: ChildProcess | null = null
  const early: NodeJS.Signals[] = []
  for (const signal of PASSED)
    process.on(signal, () => {
      if (isTerminal && FROM_TERMINAL.has(signal)) return
      if (running === null) early.push(signal)
      else running.kill(signal)
    })
  const status = await execute(argv, (child) => {
    running = child
    reaper.watchProcess(child.pid as number)
    child.on('exit', () => reaper.forgetProcess(child.pid as number))
    for (const signal of early) child.kill(signal)
  })
  return status
}

/** The command in the network namespace of a process, or in the host's. */
async function joined(network: string, argv: string[]): Promise<number> {
  const reaper = await import('../port/reaper.ts')
  reaper.start()
  if (network === 'host') return await attend(argv)
  const namespace = await import('../port/namespace.ts')
  const pid = /^container:([1-9]\d{0,9})$/.exec(network)?.[1]
  if (pid === undefined)
    throw new Refusal(
      `--network ${network}`,
      'container: takes the number of a process',
      'such as container:1234',
    )
  try {
    if (!namespace.exists(Number(pid)))
      throw new Refusal(
        `--network ${network}`,
        `there is no process ${pid}`,
        'see podman inspect or docker inspect for its number',
      )
    namespace.enter(Number(pid))
  } catch (error) {
    throw explain(`--network ${network}`, error)
  }
  return await attend(argv)
}

/** Publishes what shall be reached from outside; it goes with the port. */
async function publish(socket: string, { name, network, address }: PortRow, texts: string[]): Promise<void> {
  for (const each of texts) {
    if (address === null)
      throw new Refusal(
        `--publish ${each}`,
        'the command has no address here',
        'choose a network with a subnet',
      )
    const text = mapping(each, address.split('/')[0])
    await call(socket, 'POST', '/v1/publish', { publish: text, network, port: name })
  }
}

/** The command in new namespaces, on a port of the network unless it is `none`. */
async function plugged(options: Options, socket: string, argv: string[]): Promise<number> {
  const { network } = options
  const rows = network === 'none' ? [] : await call<NetworkRow[]>(socket, 'GET', '/v1/networks')
  const own = rows.find(({ name }) => name === network)
  if (network !== 'none') {
    const names = rows.map(({ name }) => name)
    if (own === undefined)
      throw new Refusal(
        `network ${network}`,
        'there is none of that name',
        `choose one of ${[...names, 'host', 'none', 'container:PID'].join(', ')}`,
      )
  }
  const namespace = await import('../port/namespace.ts')
  const reaper = await import('../port/reaper.ts')
  reaper.start()
  try {
    namespace.unshare()
    namespace.resolver(resolv(own))
  } catch (error) {
    throw explain('bridgeport run', error)
  }
  const name = options.name ?? `run-${process.pid}`
  const port = {
    name,
    network,
    type: 'tap',
    netns: `pid:${process.pid}`,
    ifname: 'eth0',
    origin: 'run',
    address: options.address,
  }
  const row = network === 'none' ? null : await call<PortRow>(socket, 'POST', '/v1/ports', given(port))
  try {
    if (row !== null) await publish(socket, row, options.publish)
    return await attend(argv)
  } finally {
    // What the command left running has no network any more.
    const place = namespace.identity('self')
    if (place !== null) namespace.evict(place)
    if (network !== 'none')
      await call(socket, 'DELETE', `/v1/ports/${encodeURIComponent(name)}`).catch(() => {})
  }
}

export function run(program: Command): void {
  withSocket(program.command('run'))
    .description('run a command in a namespace of its own, plugged into a network')
    .requiredOption('--network <network>', 'a network, host, none or container:PID')
    .option(
      '--publish <[ip:]port:port[/udp]>',
      'reach a port of the command from outside (repeat it for more)',
      (value: string, all: string[]) => [...all, value],
      [],
    )
    .option('--name <name>', "the port's name (run-PID)")
    .option('--address <cidr>', "the command's address (a leased or free one of the subnet)")
    .argument('<command...>', 'after --')
    .passThroughOptions()
    .action(async (argv: string[], options: Options, command: Command) => {
      const { network, publish: texts } = options
      const isJoined = network === 'host' || network.startsWith('container')
      // A wrong form is told before anything exists.
      for (const each of texts) mapping(each, '0.0.0.0')
      if (texts.length > 0 && (isJoined || network === 'none'))
        throw new Refusal('--publish', `--network ${network} has no gateway to lead inside`, 'name a network')
      const socket = socketOf(command.optsWithGlobals())
      process.exit(await (isJoined ? joined(network, argv) : plugged(options, socket, argv)))
    })
}
