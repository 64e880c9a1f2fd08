/**
 * The ground that one peer is measured on: three network namespaces and a folder, all new, all gone afterwards.
 *
 *     a (10.77.0.1) ── the switch, in namespace s ── b (10.77.0.2)
 *
 * Even the switch has a namespace of its own: whatever interfaces it leaves vanish with it, and the host is never touched.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Child, type Invocation } from './child.ts'

export const addressA = '10.77.0.1'
export const addressB = '10.77.0.2'
export const prefix = 24
export const mtu = 1500

/** No command that sets something up takes a second; this only bounds what hangs. */
const commandMs = 10_000

export type End = 'a' | 'b'

export class Ground {
  readonly a = `bpbench-${process.pid}-a`
  readonly b = `bpbench-${process.pid}-b`
  readonly s = `bpbench-${process.pid}-s`
  readonly folder = mkdtempSync(join(tmpdir(), `bpbench-${process.pid}-`))
  readonly signal: AbortSignal
  private readonly children: Child[] = []
  private holders: Record<End, number> = { a: 0, b: 0 }
  private readonly abort = () => {
    for (const child of this.children) child.kill('SIGTERM')
  }

  private constructor(signal: AbortSignal) {
    this.signal = signal
    signal.addEventListener('abort', this.abort)
  }

  /** Makes the namespaces. `signal` ends whatever runs on the ground; its owner must still call `close`. */
  static async open(signal: AbortSignal): Promise<Ground> {
    const ground = new Ground(signal)
    try {
      for (const name of [ground.a, ground.b, ground.s]) {
        await ground.run('ip', ['netns', 'add', name])
        await ground.run('ip', ['link', 'set', 'lo', 'up'], { namespace: name })
        // IPv6 would add router solicitations and duplicate address detection to what is counted.
        await ground.run('sysctl', ['-qw', 'net.ipv6.conf.all.disable_ipv6=1'], { namespace: name })
        await ground.run('sysctl', ['-qw', 'net.ipv6.conf.default.disable_ipv6=1'], { namespace: name })
      }
      for (const end of ['a', 'b'] as const)
        ground.holders[end] = ground.spawn('sleep', ['infinity'], { namespace: ground[end] }).pid
      return ground
    } catch (error) {
      await ground.close()
      throw error
    }
  }

  /** Starts a process that runs until the ground closes, or until it is stopped. */
  spawn(command: string, args: string[], invocation: Invocation = {}): Child {
    this.signal.throwIfAborted()
    const child = new Child(command, args, invocation)
    this.children.push(child)
    return child
  }

  /** Runs a command to its end and resolves to its output. */
  async run(command: string, args: string[], invocation: Invocation = {}, timeoutMs = commandMs) {
    const child = this.spawn(command, args, invocation)
    try {
      return await child.finish(timeoutMs)
    } finally {
      this.children.splice(this.children.indexOf(child), 1)
    }
  }

  /** Waits for what a process makes on its own time, such as its socket. */
  async appears(what: string, there: () => boolean): Promise<void> {
    const last = performance.now() + commandMs
    while (!there()) {
      if (performance.now() > last) throw new Error(`${what} did not appear within ${commandMs / 1000} s`)
      await sleep(10, undefined, { signal: this.signal })
    }
  }

  /** Moves an interface from the switch's namespace to an end and gives it address, MTU and carrier. */
  async plug(end: End, ifname: string): Promise<void> {
    const namespace = this[end]
    const address = `${end === 'a' ? addressA : addressB}/${prefix}`
    await this.run('ip', ['link', 'set', ifname, 'netns', namespace], { namespace: this.s })
    await this.run('ip', ['address', 'add', address, 'dev', ifname], { namespace })
    await this.run('ip', ['link', 'set', ifname, 'mtu', String(mtu), 'up'], { namespace })
  }

  /** Waits until namespace a reaches an address in b; what stands between has learned both then. */
  async reach(address: string): Promise<void> {
    const ping = ['-c', '1', '-W', '1', address]
    for (let attempt = 1; ; attempt++) {
      try {
        await this.run('ping', ping, { namespace: this.a })
        return
      } catch (error) {
        if (attempt === 10) throw error
        await sleep(100, undefined, { signal: this.signal })
      }
    }
  }

  /** A path below /proc that shows an end's own network namespace, e.g. `net/dev`; no process needs to be started to read it. */
  proc(end: End, path: string): string {
    return `/proc/${this.holders[end]}/${path}`
  }

  /** Ends all processes, the last started first, and removes namespaces and folder. Never throws. */
  async close(): Promise<void> {
    this.signal.removeEventListener('abort', this.abort)
    for (const child of this.children.toReversed()) await child.stop()
    for (const name of [this.a, this.b, this.s])
      if (existsSync(`/run/netns/${name}`)) await remove(name).catch(() => {})
    rmSync(this.folder, { recursive: true, force: true })
  }
}

async function remove(namespace: string): Promise<void> {
  await new Child('ip', ['netns', 'delete', namespace]).finish(commandMs)
}

/** Removes what runs that were killed outright left: namespaces, who still runs there, and folders named after a process that is gone. */
export async function sweep(): Promise<void> {
  for (const folder of readdirSync(tmpdir())) {
    const pid = /^bpbench-(\d+)-/.exec(folder)?.[1]
    if (pid && !existsSync(`/proc/${pid}`)) rmSync(join(tmpdir(), folder), { recursive: true, force: true })
  }
  const list = await new Child('ip', ['netns', 'list']).finish(commandMs)
  for (const [, name, pid] of list.matchAll(/^(bpbench-(\d+)-[abs])\b/gm)) {
    if (existsSync(`/proc/${pid}`)) continue
    const inside = await new Child('ip', ['netns', 'pids', name]).finish(commandMs)
    for (const process of inside.split('\n').filter(Boolean)) new Child('kill', ['-KILL', process])
    await remove(name)
  }
}
