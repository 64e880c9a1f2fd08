/**
 * dpdk-testpmd: a guest without a guest. Its virtio-user devices are vhost-user front-ends and its forwarding loop makes
 * millions of frames a second; its net_vhost devices are a back-end that is not ours.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { defer } from './cleanup.ts'
import { mustSync, patienceMs } from './command.ts'
import { folder } from './folder.ts'

/** The peer as test suites name it. */
export const testpmd = ['dpdk-testpmd', 'stdbuf']

/** 2 MiB each; what `hugepages: true` takes. */
const pages = 64

const prompt = 'testpmd> '

export interface TestpmdOptions {
  /** as --vdev takes them: net_virtio_user0,path=SOCKET,queue_size=1024 */
  devices: string[]
  /** io (default: what one port received the next sends), rxonly, txonly, macswap, csum */
  mode?: string
  queues?: number
  /** true: memory of 2 MiB pages, false: one ordinary memfd */
  hugepages?: boolean
  /** MAC that frames of each port go to, by number of the port */
  peers?: string[]
  /** --txpkts: length of the frames that are made, without the checksum */
  length?: number
}

/** NIC statistics of one port. */
export interface Count {
  rx: number
  tx: number
  rxBytes: number
  txBytes: number
}

let count = 0

export class Testpmd {
  /** everything that it wrote, its log included */
  log = ''
  #child: ChildProcess
  #unread = ''

  private constructor(child: ChildProcess) {
    this.#child = child
    child.stdin?.on('error', () => {})
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#unread += text
      this.log += text
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.log += text
    })
  }

  /** Starts it; its ports are configured and started, and nothing is forwarded yet. */
  static async start(options: TestpmdOptions): Promise<Testpmd> {
    const memory = options.hugepages ? hugepages() : ['--no-huge', '-m', '64']
    const prefix = `bpt${process.pid}-${count++}`
    defer(() => rmSync(`/run/dpdk/${prefix}`, { recursive: true, force: true }))
    // Both threads may run on both cores: they share the machine with the switch.
    const threads = ['--lcores', '0@0-1,1@0-1', '--file-prefix', prefix]
    const queues = [`--rxq=${options.queues ?? 1}`, `--txq=${options.queues ?? 1}`]
    const peers = (options.peers ?? []).map((mac, port) => `--eth-peer=${port},${mac}`)
    const argv = [
      ...['dpdk-testpmd', '--no-pci', '--no-telemetry', ...memory, ...threads],
      ...options.devices.map((device) => `--vdev=${device}`),
      ...['--', '-i', '--total-num-mbufs=8192', `--forward-mode=${options.mode ?? 'io'}`],
      ...[...queues, ...peers, ...(options.length ? [`--txpkts=${options.length}`] : [])],
    ]
    // Without stdbuf half of what it says would come when it ends.
    const child = spawn('stdbuf', ['-oL', ...argv])
    defer(() => child.kill('SIGKILL'))
    const self = new Testpmd(child)
    await self.#prompted('starts')
    return self
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** Runs a command line and returns what it wrote. One at a time. */
  async command(line: string): Promise<string> {
    this.#child.stdin?.write(`${line}\n`)
    return await this.#prompted(line)
  }

  /** What the ports counted, by number. */
  async counts(): Promise<Count[]> {
    const text = await this.command('show port stats all')
    const numbers = (name: string) =>
      [...text.matchAll(new RegExp(`${name}:\\s+(\\d+)`, 'g'))].map(([, n]) => Number(n))
    const [rx, tx] = [numbers('RX-packets'), numbers('TX-packets')]
    const [rxBytes, txBytes] = [numbers('RX-bytes'), numbers('TX-bytes')]
    return rx.map(
      (each, port) => ({ rx: each, tx: tx[port], rxBytes: rxBytes[port], txBytes: txBytes[port] }) as Count,
    )
  }

  /** Ends it in order, or at once by SIGKILL. */
  async stop(signal?: NodeJS.Signals): Promise<void> {
    if (this.ended) return
    const ended = new Promise((resolve) => this.#child.once('close', resolve))
    if (signal) this.#child.kill(signal)
    else this.#child.stdin?.end('quit\n')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), patienceMs)
    await ended
    clearTimeout(timer)
  }

  /** Resolves to what it wrote before its next prompt. */
  #prompted(what: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const finish = (error: string) => {
        clearTimeout(timer)
        this.#child.stdout?.off('data', look)
        this.#child.off('close', gone)
        if (error) reject(new Error(`testpmd: ${what}: ${error}: ${this.log.trim().slice(-2000)}`))
      }
      const look = () => {
        const at = this.#unread.indexOf(prompt)
        if (at < 0) return
        const text = this.#unread.slice(0, at)
        this.#unread = this.#unread.slice(at + prompt.length)
        finish('')
        resolve(text)
      }
      const gone = () => finish('it ended')
      const timer = setTimeout(() => finish(`no answer in ${patienceMs} ms`), patienceMs)
      this.#child.stdout?.on('data', look)
      this.#child.on('close', gone)
      look()
    })
  }
}

/** The options for memory of 2 MiB pages, in a file system of their own that takes them along when it goes. */
function hugepages(): string[] {
  const path = '/sys/kernel/mm/hugepages/hugepages-2048kB'
  const number = (name: string) => Number(readFileSync(`${path}/${name}`, 'utf8'))
  const set = (total: number) => writeFileSync(`${path}/nr_hugepages`, `${total}`)
  const more = pages - number('free_hugepages')
  if (more > 0) {
    set(number('nr_hugepages') + more)
    defer(() => set(number('nr_hugepages') - more))
  }
  if (number('free_hugepages') < pages)
    throw new Error(`this machine has no ${2 * pages} MiB for 2 MiB pages`)
  const mount = folder('huge')
  mustSync('mount', '-t', 'hugetlbfs', '-o', 'pagesize=2M', 'none', mount)
  defer(() => mustSync('umount', '--lazy', mount))
  return ['--single-file-segments', '-m', `${2 * pages}`, '--huge-dir', mount]
}
