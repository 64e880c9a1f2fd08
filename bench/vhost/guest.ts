/** A QEMU guest of scripts/guest.mjs: Debian's kernel, busybox and iperf3, with a shell on its serial line. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Child } from '../compare/child.ts'
import type { Ground } from '../compare/ground.ts'
import { root } from '../compare/root.ts'
import type { Plug } from './site.ts'

/** Building the image means one download of 26 MB. */
const imageMs = 120_000
/** Emulated, a guest boots in about 5 s. */
const bootMs = 60_000
/** With KVM it takes one; where KVM is there and hangs, as on some nested machines, it never ends. */
const probeMs = 6000
const mebibytes = 192

interface Image {
  kernel: string
  initrd: string
}

async function build(): Promise<Image> {
  const args = [join(root, 'scripts/guest.mjs')]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: imageMs })
  return JSON.parse(stdout) as Image
}

let image: Promise<Image> | null = null
let accelerator: Promise<string> | null = null

/** QEMU's words for the card and what it hangs on. */
export function card(plug: Plug, mac: string, accelerated: string): string[] {
  // QEMU 7.2 without KVM ends when the driver of a vhost-user card uses MSI-X; the same card for all.
  const vectors = accelerated === 'tcg' ? ',vectors=0' : ''
  const device = ['-device', `virtio-net-pci,netdev=net,mac=${mac}${vectors}`]
  const shared = ['-object', `memory-backend-memfd,id=mem,size=${mebibytes}M,share=on`]
  const memory = ['-m', String(mebibytes), ...shared, '-numa', 'node,memdev=mem']
  if ('ifname' in plug) {
    const tap = `tap,id=net,ifname=${plug.ifname},script=no,downscript=no,vhost=off`
    return [...memory, '-netdev', tap, ...device]
  }
  const line = ['-chardev', `socket,id=line,path=${plug.socket}`]
  return [...memory, ...line, '-netdev', 'vhost-user,id=net,chardev=line', ...device]
}

async function launch(ground: Ground, accelerated: string, address: string, hung: string[]): Promise<Child> {
  image ??= build()
  const { kernel, initrd } = await image
  const machine = ['-M', 'q35', '-accel', accelerated, '-cpu', 'max', '-nodefaults', '-nographic']
  const words = `console=ttyS0 quiet bridgeport.address=${address}`
  const system = ['-kernel', kernel, '-initrd', initrd, '-append', words, '-serial', 'stdio']
  return ground.spawn('qemu-system-x86_64', [...machine, ...system, ...hung], { namespace: ground.s })
}

/** KVM where a guest boots with it, else emulation; found out once. */
function acceleration(ground: Ground): Promise<string> {
  const probe = async () => {
    const card = ['-m', String(mebibytes), '-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net']
    const child = await launch(ground, 'kvm', '10.0.2.15/24', card)
    try {
      await child.until(/@ready/, probeMs)
      return 'kvm'
    } catch {
      ground.signal.throwIfAborted()
      return 'tcg'
    } finally {
      child.kill('SIGKILL')
    }
  }
  accelerator ??= probe()
  return accelerator
}

export class Guest {
  private readonly child: Child
  private commands = 0

  private constructor(child: Child) {
    this.child = child
  }

  static async boot(ground: Ground, plug: Plug, mac: string, address: string): Promise<Guest> {
    const accelerated = await acceleration(ground)
    const guest = new Guest(await launch(ground, accelerated, address, card(plug, mac, accelerated)))
    await guest.child.until(/@ready/, bootMs)
    return guest
  }

  /** Runs a command line in its shell and resolves to what it wrote. */
  async run(line: string, timeoutMs: number): Promise<string> {
    const mark = `@done${this.commands++}`
    const from = this.child.output.length
    this.child.write(`{ ${line}\n} 2>&1; echo ${mark}:$?\n`)
    await this.child.until(new RegExp(`${mark}:\\d+`), timeoutMs)
    const [text, status] = this.child.output.slice(from).replaceAll('\r', '').split(`${mark}:`)
    if (!status.startsWith('0')) throw new Error(`guest: ${line}: ${text.trim()}`)
    return text
  }

  stop(): Promise<void> {
    return this.child.stop()
  }
}
