/** A QEMU guest: Debian's cloud kernel and busybox, with a shell on the serial line. */
import { type ChildProcess, spawn } from 'node:child_process'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Card, plugged } from './card.ts'
import { defer } from './cleanup.ts'
import { must, patienceMs, says } from './command.ts'
import type { Namespace } from './namespace.ts'

const script = join(dirname(fileURLToPath(import.meta.url)), '../../scripts/guest.mjs')

/** Building the image means one download of 26 MB. */
const imageMs = 120_000

/** A guest boots in 4 s on two idle cores. */
const bootMs = 120_000

/** The image and a few programs in memory. */
const mebibytes = 192

export interface GuestOptions extends Card {
  /** where the TAP is; a guest on a socket needs none */
  host?: Namespace
  /** CIDR text, or dhcp */
  address: string
  /** memory; from 3072 on a part lies above 4 GiB in the guest's own count */
  mebibytes?: number
  /** QEMU's machine type */
  machine?: string
  processors?: number
  /** path of a socket for QEMU's monitor */
  monitor?: string
  /** more of QEMU's own words */
  more?: string[]
}

export class Guest {
  /** without its prefix, as given or leased */
  address = ''
  #child: ChildProcess
  #wanted: string
  #monitor: string
  #commands = 0

  private constructor(child: ChildProcess, wanted: string, monitor: string) {
    this.#child = child
    this.#wanted = wanted
    this.#monitor = monitor
  }

  /** Boots a guest; it serves an echo (7), HTTP (80) and iperf3 (5201) when this resolves. */
  static async boot(options: GuestOptions): Promise<Guest> {
    const image = JSON.parse(await must([process.execPath, script], { timeoutMs: imageMs }))
    // On a busy machine a guest's first timer interrupts come too late for the check of how they are wired.
    const words = ['console=ttyS0', 'quiet', 'no_timer_check', `bridgeport.address=${options.address}`]
    if (options.mtu) words.push(`bridgeport.mtu=${options.mtu}`)
    const machine = ['-M', options.machine ?? 'q35', '-accel', 'tcg', '-cpu', 'max']
    const argv = [
      ...['qemu-system-x86_64', ...machine, '-smp', `${options.processors ?? 1}`],
      ...['-nodefaults', '-nographic', '-serial', 'stdio'],
      ...['-kernel', image.kernel, '-initrd', image.initrd, '-append', words.join(' ')],
      ...plugged(options, options.mebibytes ?? mebibytes),
      ...(options.monitor ? ['-monitor', `unix:${options.monitor},server=on,wait=off`] : []),
      ...(options.more ?? []),
    ]
    const [command = '', ...args] = options.host?.argv(...argv) ?? argv
    const child = spawn(command, args)
    defer(() => child.kill('SIGKILL'))
    const guest = new Guest(child, options.address, options.monitor ?? '')
    await guest.#ready()
    return guest
  }

  async #ready(): Promise<void> {
    await says(this.#child, /@ready/, bootMs)
    this.address = this.#wanted.split('/')[0] ?? ''
    if (this.#wanted !== 'dhcp') return
    const text = await this.exec('ip -4 -o addr show dev eth0')
    const leased = /inet ([\d.]+)/.exec(text)?.[1]
    if (!leased) throw new Error(`guest: no DHCP server answered: ${text}`)
    this.address = leased
  }

  /** The process of QEMU: nsenter executes it in place. */
  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Runs a command line in the guest's shell and returns what it wrote; fails when its status is not 0. */
  async exec(line: string, timeoutMs = patienceMs): Promise<string> {
    const mark = `@done${this.#commands++}`
    const answer = says(this.#child, new RegExp(`${mark}:\\d+`), timeoutMs)
    this.#child.stdin?.write(`{ ${line}\n} 2>&1; echo ${mark}:$?\n`)
    const text = (await answer).replaceAll('\r', '')
    const [, output = '', status] = new RegExp(`^([^]*?)${mark}:(\\d+)`).exec(text) ?? []
    if (status !== '0') throw new Error(`guest: ${line} ended with ${status}: ${output.trim()}`)
    return output
  }

  /** Tells QEMU's monitor a line and returns what it said until it asked for the next one. */
  monitor(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.#monitor, () => socket.write(`${line}\n`))
      let text = ''
      const finish = (error: Error | null) => {
        clearTimeout(timer)
        socket.destroy()
        if (error) reject(error)
        else resolve(text)
      }
      const timer = setTimeout(() => finish(new Error(`QEMU's monitor: ${line}: ${text}`)), patienceMs)
      socket
        .setEncoding('utf8')
        .on('error', finish)
        .on('data', (chunk: string) => {
          text += chunk
          // The first prompt is the greeting's.
          if (text.split('(qemu) ').length > 2) finish(null)
        })
    })
  }

  /** Lets the guest's kernel start again, in the same QEMU. */
  async reboot(): Promise<void> {
    this.#child.stdin?.write('reboot -f\n')
    await this.#ready()
  }

  /** Resolves when QEMU has ended: at once by SIGKILL, or in order by SIGTERM. */
  stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    return new Promise((resolve) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) return resolve()
      this.#child.once('close', () => resolve())
      this.#child.kill(signal)
    })
  }
}
