/** The switch as users start it: `bridgeport up` with a configuration file, in a namespace that plays the host. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defer } from './cleanup.ts'
import { eventually, must, type Options, type Result, says } from './command.ts'
import { Namespace } from './namespace.ts'

export const program = join(dirname(fileURLToPath(import.meta.url)), '../../bin/bridgeport.js')

/** bridgeport.yaml as an object; JSON is YAML. */
export interface Configuration {
  networks: Record<string, object>
  ports?: Record<string, object>
  workers?: number
  conntrack?: object
  flowLog?: object
}

export interface PortRow {
  name: string
  network: string
  ifname: string
  state: string
  reason: string
  mac: string | null
  address: string | null
  offloads: string[]
  socket: {
    path: string
    connected: boolean | null
    guest: { queues: number; features: string[]; mtu: number } | null
    faults: Record<string, number>
    fault: string
  } | null
  rxFrames: number
  txFrames: number
  drops: Record<string, number>
}

export interface MacRow {
  mac: string
  network: string
  port: string
  kind: string
}

export class Daemon {
  readonly host: Namespace
  readonly folder: string
  readonly socket: string
  readonly file: string
  #child: ChildProcess | null = null
  /** everything that the running or last daemon wrote */
  output = ''

  /** Writes the file; nothing runs yet. */
  constructor(configuration: Configuration, host: Namespace = new Namespace('host')) {
    this.host = host
    this.folder = host.folder('daemon')
    this.socket = join(this.folder, 'bridgeport.sock')
    this.file = join(this.folder, 'bridgeport.yaml')
    this.write(configuration)
    defer(() => this.#child?.kill('SIGTERM'))
  }

  static async start(configuration: Configuration, host?: Namespace): Promise<Daemon> {
    const daemon = new Daemon(configuration, host)
    await daemon.up()
    return daemon
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  write(configuration: Configuration): void {
    const paths = { socket: this.socket, http: '127.0.0.1:9477', state: join(this.folder, 'state') }
    writeFileSync(this.file, JSON.stringify({ ...paths, ...configuration }, null, 1))
  }

  /** Starts the daemon and waits for its `ready`. nsenter executes it in place, so the child's pid is the daemon's. */
  async up(): Promise<void> {
    const [command = '', ...args] = this.host.argv(process.execPath, program, 'up', '-c', this.file)
    const child = spawn(command, args)
    this.#child = child
    this.output = ''
    child.stdout.on('data', (text) => {
      this.output += text
    })
    child.stderr.on('data', (text) => {
      this.output += text
    })
    await says(child, /^ready$/m)
  }

  /** Ends the daemon with a signal and resolves to its exit status. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? 0
    const ended = new Promise<number | string>((resolve) => {
      child.once('close', (code, name) => resolve(code ?? name ?? ''))
    })
    child.kill(signal)
    return await Promise.race([
      ended,
      eventually('the daemon ends', () => child.exitCode ?? child.signalCode).then(() => ended),
    ])
  }

  /** `bridgeport …` that has to succeed. */
  cli(...argv: string[]): Promise<string> {
    return this.host.exec([process.execPath, program, '--socket', this.socket, ...argv])
  }

  attempt(argv: string[], options: Options = {}): Promise<Result> {
    return this.host.attempt([process.execPath, program, '--socket', this.socket, ...argv], options)
  }

  /** What the API answers on the unix socket, without a process for it. */
  ask(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: this.socket, path, agent: false }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
        })
        response.on('end', () => resolve(text)).on('error', reject)
      })
      asked.on('error', reject).end()
    })
  }

  async ports(): Promise<PortRow[]> {
    return JSON.parse(await this.ask('/v1/ports'))
  }

  async port(name: string): Promise<PortRow> {
    const row = (await this.ports()).find((port) => port.name === name)
    if (!row) throw new Error(`no port ${name}`)
    return row
  }

  async macs(): Promise<MacRow[]> {
    return JSON.parse(await this.ask('/v1/macs'))
  }

  /** Replaces the file and applies it. */
  async reload(configuration: Configuration): Promise<void> {
    this.write(configuration)
    await this.cli('reload')
  }

  /** GET on the configured http address, inside the daemon's namespace. */
  get(path: string): Promise<string> {
    const fetch = `fetch(process.argv[1]).then((r) => r.text()).then((t) => process.stdout.write(t))`
    return this.host.exec([process.execPath, '-e', fetch, `http://127.0.0.1:9477${path}`])
  }

  /** Resident memory in bytes. */
  rss(): number {
    return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1]) * 1024
  }

  /** Time that all threads ran, in seconds: the scheduler counts nanoseconds, where stat(5) counts ticks and hits or misses a short wake-up. */
  cpuSeconds(): number {
    const times = readdirSync(`/proc/${this.pid}/task`).map((thread) => {
      const [ran = '0'] = readFileSync(`/proc/${this.pid}/task/${thread}/schedstat`, 'utf8').split(' ')
      return Number(ran) / 1e9
    })
    return times.reduce((sum, each) => sum + each, 0)
  }

  /** What is left of a daemon that ended: names for a failed assertion to show. */
  leftovers(): string[] {
    const left = this.host.interfaces().map((name) => `interface ${name}`)
    for (const pid of this.host.pids()) left.push(`process ${pid}`)
    if (existsSync(this.socket)) left.push(this.socket)
    return left
  }
}

/** Waits until a condition of the daemon's machine holds; the reaper works for a moment after a SIGKILL. */
export async function leavesNothing(daemon: Daemon): Promise<void> {
  await eventually(`nothing left behind`, () => daemon.leftovers().length === 0, 5000).catch(() => {
    throw new Error(`left behind: ${daemon.leftovers().join(', ')}`)
  })
}

/** The daemon's program with other arguments, outside of every namespace. */
export function bridgeport(...argv: string[]): Promise<string> {
  return must([process.execPath, program, ...argv])
}
