/** `bridgeport up`, `down`, `reload` and `status`: the daemon as a whole. */
import { spawn } from 'node:child_process'
import { closeSync, fstatSync, mkdirSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { Refusal } from '../control/refusal.ts'
import type { WorkerRow } from '../control/rows.ts'
import { call, socketOf } from './client.ts'
import { daemonSocket, withSocket } from './option.ts'
import { age } from './table.ts'

interface Status {
  version: string
  pid: number
  uptimeSeconds: number
  configuration: string
  socket: string
  http: string | null
  state: string
  networks: number
  ports: number
  portsUp: number
  memoryBytes: number
  workers: WorkerRow[]
}

/** How long `down` waits for the daemon; it gives its workers 3 s. */
const DOWN_MS = 15_000

interface UpOptions {
  config?: string
  detach?: boolean
  socket?: string
}

async function up(options: UpOptions, command: Command): Promise<void> {
  const socket = daemonSocket(command)
  const file = options.config === undefined ? {} : { file: options.config }
  if (options.detach) return await detach({ ...socket, ...file })
  const { Daemon } = await import('../control/daemon.ts')
  await Daemon.up({ ...socket, ...file })
}

/** Starts a daemon of its own session, its log in `<state>/bridgeport.log`; returns when it is ready. */
async function detach(options: { socket?: string; fallback?: string; file?: string }): Promise<void> {
  const { load } = await import('../control/load.ts')
  const { find } = await import('../control/file.ts')
  const path = join(load(find(options.file), options).configuration.state, 'bridgeport.log')
  let log: number
  try {
    mkdirSync(join(path, '..'), { recursive: true, mode: 0o755 })
    log = openSync(path, 'a+', 0o640)
  } catch (error) {
    throw new Refusal(path, (error as Error).message, 'run as root or name another place with state:')
  }
  const begin = fstatSync(log).size
  const given = [
    ...(options.file ? ['-c', options.file] : []),
    ...(options.socket ? ['--socket', options.socket] : []),
  ]
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1], 'up', ...given], {
    detached: true,
    stdio: ['ignore', 'pipe', log],
  })
  const outcome = await new Promise<'ready' | 'ended'>((resolve) => {
    child.stdout?.on('data', (chunk: Buffer) => /^ready$/m.test(chunk.toString()) && resolve('ready'))
    child.on('exit', () => resolve('ended'))
    child.on('error', () => resolve('ended'))
  })
  if (outcome === 'ended') throw failure(log, begin, path)
  closeSync(log)
  child.stdout?.destroy()
  child.unref()
}

/** What a child that ended wrote for people: the lines of its log that are not JSON. */
function failure(log: number, begin: number, path: string): Refusal {
  const buffer = Buffer.alloc(65_536)
  const length = readSync(log, buffer, 0, buffer.length, begin)
  const lines = buffer.toString('utf8', 0, length).split('\n')
  const spoken = lines
    .filter((line) => line !== '' && !line.startsWith('{'))
    .map((line) => line.replace(/^bridgeport: /, ''))
  return Refusal.of(spoken.length > 0 ? spoken : [`the switch ended before it was ready; see ${path}`])
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function down(socket: string): Promise<void> {
  const { pid } = await call<Status>(socket, 'GET', '/v1/status')
  await call(socket, 'POST', '/v1/down')
  const deadline = Date.now() + DOWN_MS
  while (isAlive(pid)) {
    if (Date.now() > deadline)
      throw new Refusal('down', `process ${pid} still ends`, `see its log, or end it with kill -9 ${pid}`)
    await sleep(20)
  }
}

function show(status: Status): string {
  const { workers } = status
  const busy = workers.map(
    ({ worker, busySeconds, frames }) =>
      `worker ${worker}: ${frames} frames, busy ${busySeconds.toFixed(1)} s`,
  )
  const lines = [
    `bridgeport ${status.version}, process ${status.pid}, up ${age(status.uptimeSeconds)}, ${Math.round(status.memoryBytes / 2 ** 20)} MiB`,
    `configuration  ${status.configuration === '' ? 'default' : status.configuration}`,
    `socket         ${status.socket}`,
    `http           ${status.http ?? 'off'}`,
    `state          ${status.state}`,
    `networks       ${status.networks}`,
    `ports          ${status.ports}, ${status.portsUp} up`,
    ...busy,
  ]
  return `${lines.join('\n')}\n`
}

export function daemon(program: Command): void {
  withSocket(program.command('up').description('start the switch; prints ready when every port is up'))
    .option('-c, --config <file>', 'configuration (./bridgeport.yaml, /etc/bridgeport/bridgeport.yaml)')
    .option('--detach', 'return when it is ready; its log is <state>/bridgeport.log')
    .action(up)
  withSocket(program.command('down').description('end the switch and wait until it is gone')).action(
    (_options: object, command: Command) => down(socketOf(command.optsWithGlobals())),
  )
  withSocket(
    program.command('reload').description('read the configuration again and apply the difference'),
  ).action(async (_options: object, command: Command) => {
    await call(socketOf(command.optsWithGlobals()), 'POST', '/v1/reload')
  })
  withSocket(program.command('status').description('the switch and its workers'))
    .option('--json', 'an object')
    .action(async ({ json }: { json?: boolean }, command: Command) => {
      const status = await call<Status>(socketOf(command.optsWithGlobals()), 'GET', '/v1/status')
      process.stdout.write(json ? `${JSON.stringify(status, null, 2)}\n` : show(status))
    })
}
