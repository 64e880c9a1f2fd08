/** A QEMU guest on a TAP: Debian's cloud kernel and busybox, with a shell on the serial line. */
import { type ChildProcess, spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defer } from './cleanup.ts'
import { must, patienceMs, says } from './command.ts'
import type { Namespace } from './namespace.ts'

const script = join(dirname(fileURLToPath(import.meta.url)), '../../scripts/guest.mjs')

/** Building the image means one download of 26 MB. */
const imageMs = 120_000

export interface GuestOptions {
  /** where the TAP is */
  host: Namespace
  ifname: string
  mac: string
  /** CIDR text */
  address: string
  mtu?: number
  /** false: virtio without checksum and segmentation offloads, both ways */
  offload?: boolean
}

export class Guest {
  readonly address: string
  #child: ChildProcess
  #commands = 0

  private constructor(child: ChildProcess, address: string) {
    this.#child = child
    this.address = address.split('/')[0] ?? ''
  }

  /** Boots a guest; it serves an echo (7), HTTP (80) and iperf3 (5201) when this resolves. */
  static async boot(options: GuestOptions): Promise<Guest> {
    const image = JSON.parse(await must([process.execPath, script], { timeoutMs: imageMs }))
    const words = [
      'console=ttyS0',
      'quiet',
      `bridgeport.address=${options.address}`,
      `bridgeport.mtu=${options.mtu ?? 1500}`,
    ]
    const features = [
      'csum',
      'gso',
      'guest_csum',
      'guest_tso4',
      'guest_tso6',
      'guest_ecn',
      'guest_ufo',
      'host_tso4',
      'host_tso6',
    ]
    const off = options.offload === false ? features.map((name) => `,${name}=off`).join('') : ''
    const size = options.mtu ? `,host_mtu=${options.mtu}` : ''
    const [command = '', ...args] = options.host.argv(
      ...[
        'qemu-system-x86_64',
        '-M',
        'q35',
        '-accel',
        'tcg',
        '-cpu',
        'max',
        '-m',
        '192',
        '-nodefaults',
        '-nographic',
      ],
      ...[
        '-no-reboot',
        '-serial',
        'stdio',
        '-kernel',
        image.kernel,
        '-initrd',
        image.initrd,
        '-append',
        words.join(' '),
      ],
      ...['-netdev', `tap,id=net,ifname=${options.ifname},script=no,downscript=no,vhost=off`],
      ...['-device', `virtio-net-pci,netdev=net,mac=${options.mac}${off}${size}`],
    )
    const child = spawn(command, args)
    defer(() => child.kill('SIGKILL'))
    await says(child, /@ready/, 2 * patienceMs)
    return new Guest(child, options.address)
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

  /** Resolves when QEMU has ended. */
  stop(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) return resolve()
      this.#child.once('close', () => resolve())
      this.#child.kill('SIGKILL')
    })
  }
}
