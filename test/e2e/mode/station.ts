/** A kernel that takes part: it serves, asks, and sees every packet that really enters or leaves it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defer } from '../../lab/cleanup.ts'
import { attempt, must, says } from '../../lab/command.ts'

/** Every proof has a port and a length of ping for itself, by which captures tell its packets from all others. */
export const FIRST = 7000
export const LAST = 7400
/** port that `publish` leads to */
export const PUBLISHED = LAST
const program = join(dirname(fileURLToPath(import.meta.url)), 'serve.mjs')

/** The command that makes a station of the namespace in which it runs. */
export function serving(name: string, first = FIRST, last = LAST): string[] {
  return [process.execPath, program, name, String(first), String(last)]
}

export type Kind = 'tcp' | 'icmp'

/** What distinguishes the packets of one proof. */
export interface Mark {
  port: number
  /** bytes behind the ICMP header */
  size: number
}

export class Station {
  readonly name: string
  /** the namespace */
  readonly path: string
  private capture = ''

  private constructor(name: string, path: string) {
    this.name = name
    this.path = path
  }

  /** Begins to watch all interfaces of a namespace. */
  static async open(name: string, path: string): Promise<Station> {
    const station = new Station(name, path)
    const filter = `icmp or (tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn)`
    const child = station.spawn('tcpdump', '-n', '-l', '--immediate-mode', '-i', 'any', filter)
    child.stdout?.on('data', (text) => {
      station.capture += text
    })
    await says(child, /listening on/)
    return station
  }

  /** Lets the namespace serve, for stations that do not come with a process of their own. */
  async serve(): Promise<this> {
    await says(this.spawn(...serving(this.name)), /pid/)
    return this
  }

  argv(...argv: string[]): string[] {
    return ['nsenter', `--net=${this.path}`, '--', ...argv]
  }

  exec(...argv: string[]): Promise<string> {
    return must(this.argv(...argv))
  }

  /** Runs a line of shell; '' does nothing. */
  async shell(line: string): Promise<void> {
    if (line !== '') await this.exec('sh', '-c', line)
  }

  spawn(...argv: string[]): ChildProcess {
    const [command = '', ...args] = this.argv(...argv)
    const child = spawn(command, args)
    defer(() => child.kill('SIGKILL'))
    return child
  }

  /** Who answered a connection and whom it saw, or why there is none. */
  async connect(address: string, port: number, seconds: number): Promise<string> {
    const script = 'exec 3<>/dev/tcp/$0/$1 && cat <&3'
    const argv = ['timeout', String(seconds), 'bash', '-c', script, address, String(port)]
    const { status, stdout, stderr } = await attempt(this.argv(...argv))
    if (status === 124) return 'silence'
    return status === 0 ? stdout.trim() : (/(?:connect|-): (.*)/.exec(stderr)?.[1] ?? stderr.trim())
  }

  /** `reply`, or what came instead, or `silence`. */
  async ping(address: string, size: number, seconds: number): Promise<string> {
    const argv = ['ping', '-n', '-c', '1', '-W', String(seconds), '-s', String(size), address]
    const { status, stdout, stderr } = await attempt(this.argv(...argv))
    if (status === 0) return 'reply'
    return /^From ([\d.]+) icmp_seq=1 (.*)$/m.exec(stdout)?.[2] ?? (stderr.trim() || 'silence')
  }

  /** The kinds of packets of a mark that left or entered; a copy for another MAC counts as entered. */
  saw(way: 'Out' | 'In', { port, size }: Mark): Kind[] {
    const lines = this.capture.split('\n').filter((line) => / Out +IP /.test(line) === (way === 'Out'))
    const tcp = new RegExp(`\\.${port}: Flags \\[S`)
    const icmp = new RegExp(`ICMP echo request, .*, length ${size + 8}$`)
    const kinds: Kind[] = []
    if (lines.some((line) => tcp.test(line))) kinds.push('tcp')
    if (lines.some((line) => icmp.test(line))) kinds.push('icmp')
    return kinds
  }

  /** MAC of an interface. */
  async mac(ifname: string): Promise<string> {
    return /ether (\S+)/.exec(await this.exec('ip', 'link', 'show', ifname))?.[1] ?? ''
  }
}
