/**
 * The daemon: `bridgeport up`. It takes its socket first, so that two daemons never work at one configuration, then starts
 * the switch, then answers. Whatever ends it, interfaces and socket go with it: orderly, in the crash handlers here, or by
 * the reaper when it is killed.
 */
import type { Logger } from 'pino'
import { notify } from '../port/notify.ts'
import * as reaper from '../port/reaper.ts'
import { Api } from './api.ts'
import type { Configuration } from './configuration.ts'
import { claim } from './endpoint.ts'
import { find } from './file.ts'
import { confineAll, overlapping, vacate } from './host.ts'
import { Audience } from './live/audience.ts'
import { load, type Overrides } from './load.ts'
import { Metrics } from './metrics/metrics.ts'
import { warnings } from './policy.ts'
import { Refusal } from './refusal.ts'
import { Registry } from './registry.ts'
import { Switch } from './switch.ts'
import { version } from './version.ts'

export interface Options extends Overrides {
  /** path of the configuration as given with -c */
  file?: string
}

/** JSON lines on stderr, written before the call returns: a crash loses none. */
async function logger(): Promise<Logger> {
  const { pino } = await import('pino')
  const stderr = pino.destination({ dest: 2, sync: true })
  stderr.on('error', () => {})
  return pino({ base: { pid: process.pid } }, stderr)
}

async function listen(api: Api, { socket, socketMode, http }: Configuration): Promise<void> {
  await claim(socket)
  await api.listenUnix(socket, socketMode).catch((error: NodeJS.ErrnoException) => {
    throw new Refusal(`socket ${socket}`, error.message, 'choose another with --socket')
  })
  reaper.watchPath(socket)
  if (http === null) return
  http.port = await api.listenTcp(http.host, http.port).catch((error: NodeJS.ErrnoException) => {
    const reasons: Record<string, string> = {
      EADDRINUSE: 'the address is in use',
      EACCES: 'permission denied',
      EADDRNOTAVAIL: 'this host has no such address',
    }
    throw new Refusal(
      `http ${http.host}:${http.port}`,
      reasons[error.code ?? ''] ?? error.message,
      'choose another with http: or write http: off',
    )
  })
}

/** How long a host that begins to route (Docker starts) may route for a network that leads nowhere, in milliseconds. */
const CONFINE_MS = 2000

export class Daemon {
  private readonly log: Logger
  private readonly options: Options
  private readonly api: Api
  private fabric: Switch | null = null
  private registry: Registry | null = null
  private ending = false
  private isServing = false
  /** the signal that came while the switch was starting */
  private wanted = ''

  private constructor(log: Logger, options: Options, api: Api) {
    this.log = log
    this.options = options
    this.api = api
  }

  /** Runs a switch until it is told to end; resolves when it is ready. Throws a Refusal and leaves nothing behind. */
  static async up(options: Options): Promise<void> {
    reaper.start()
    const log = await logger()
    const loaded = load(find(options.file), options)
    const api = await Api.create((error) => log.error(`the API failed: ${error.message}`))
    const daemon = new Daemon(log, options, api)
    daemon.guard()
    try {
      await listen(api, loaded.configuration)
      vacate(loaded.configuration)
      daemon.fabric = await Switch.start(loaded.configuration, log)
      daemon.registry = new Registry(loaded, daemon.fabric, options)
      await daemon.begin(loaded.lost)
    } catch (error) {
      await daemon.fabric?.close()
      await api.close()
      throw error
    }
  }

  /** From here on the switch serves. */
  private async begin(lost: readonly string[]): Promise<void> {
    const { log } = this
    const fabric = this.fabric as Switch
    const registry = this.registry as Registry
    for (const port of lost) log.warn({ port }, 'the port was removed: the process of its namespace is gone')
    for (const line of await registry.replay()) log.warn(`a pinned address was left out: ${line}`)
    fabric.on('failed', (error) => this.crash(error))
    const audience = new Audience(fabric)
    const metrics = await Metrics.start(fabric, audience)
    this.api.serve({
      fabric,
      registry,
      metrics,
      audience,
      reload: () => this.reload(),
      stop: () => void this.end('the API'),
    })
    this.isServing = true
    setInterval(() => {
      for (const ifname of confineAll(registry.configuration))
        log.warn(
          { interface: ifname },
          'the host began to route for a network that leads nowhere; it was stopped',
        )
    }, CONFINE_MS).unref()
    const { socket, workers, networks, ports } = registry.configuration
    const overlap = overlapping(registry.configuration)
    if (overlap !== null) log.warn(`${overlap.text}: one of the two is not reached`)
    for (const line of warnings(registry.configuration)) log.warn(line)
    log.info({ version, socket, workers, networks: networks.size, ports: ports.size }, 'the switch is ready')
    notify(`READY=1\nSTATUS=${networks.size} networks, ${ports.size} ports`)
    process.stdout.write('ready\n')
    if (this.wanted !== '') await this.end(this.wanted)
  }

  /** Handlers for what nobody planned: one line, everything removed, status 1. */
  private guard(): void {
    process.on('uncaughtException', (error) => this.crash(error))
    process.on('unhandledRejection', (error) => this.crash(error as Error))
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void this.end(signal))
    process.on('SIGHUP', () => {
      if (this.isServing) void this.reload().catch(() => {})
    })
    process.on('exit', () => this.fabric?.closeNow())
    // A detached daemon's terminal or a pipe that nobody reads any more must not end it.
    for (const stream of [process.stdout, process.stderr])
      stream.removeAllListeners('error').on('error', () => {})
  }

  private async reload(): Promise<void> {
    notify(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`)
    // Whatever the configuration says: who rotates the file waits for this.
    this.fabric?.flowLog.reopen()
    try {
      await (this.registry as Registry).reload(find(this.options.file))
      this.log.info('the configuration was read again')
      for (const line of warnings((this.registry as Registry).configuration)) this.log.warn(line)
    } catch (error) {
      const lines = error instanceof Refusal ? error.lines : [(error as Error).message]
      for (const line of lines) this.log.error(`reload refused: ${line}`)
      throw error
    } finally {
      notify('READY=1')
    }
  }

  /** The orderly end: ports and interfaces first, the socket last, so that a successor finds a clean machine. */
  private async end(cause: string): Promise<void> {
    if (!this.isServing) this.wanted = cause
    if (this.ending || !this.isServing) return
    this.ending = true
    notify('STOPPING=1')
    this.log.info({ cause }, 'the switch ends')
    this.api.serve(null)
    this.registry?.stop()
    try {
      await this.fabric?.close()
      await this.api.close()
      process.exit(0)
    } catch (error) {
      this.ending = false
      this.crash(error as Error)
    }
  }

  private crash(error: Error): void {
    if (this.ending) return
    this.ending = true
    this.log.debug({ err: error }, 'where it failed') // the stack, for who asks for it
    this.log.fatal(`the switch failed: ${error.message}`)
    this.fabric?.closeNow()
    process.exit(1)
  }
}
