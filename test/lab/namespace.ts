/** Network namespaces: a host each. Names begin with `bpt` and the pid, so that a later run recognises what a killed one left. */
import { type ChildProcess, spawn } from 'node:child_process'
import { defer } from './cleanup.ts'
import { attempt, must, mustSync, type Options, type Result } from './command.ts'
import { folder } from './folder.ts'

let count = 0

export class Namespace {
  readonly name: string
  readonly path: string

  /** Makes the namespace with loopback up and IPv6 addresses usable at once. */
  constructor(label: string) {
    this.name = `bpt${process.pid}-${count++}${label}`
    this.path = `/run/netns/${this.name}`
    mustSync('ip', 'netns', 'add', this.name)
    defer(() => this.remove())
    // Duplicate address detection would keep a fresh IPv6 address unusable for a second or two.
    const quiet = 'for file in all default; do echo 0 > /proc/sys/net/ipv6/conf/$file/accept_dad; done'
    mustSync(...this.argv('sh', '-c', `ip link set lo up; ${quiet}`))
  }

  /** The command line that runs a command in here. */
  argv(...argv: string[]): string[] {
    return ['nsenter', `--net=${this.path}`, '--', ...argv]
  }

  /** A temporary folder for what runs in here. */
  folder(label: string): string {
    return folder(label)
  }

  exec(argv: string[], options: Options = {}): Promise<string> {
    return must(this.argv(...argv), options)
  }

  attempt(argv: string[], options: Options = {}): Promise<Result> {
    return attempt(this.argv(...argv), options)
  }

  /** Starts a program that runs until it is killed, at the latest by the clean-up. */
  spawn(...argv: string[]): ChildProcess {
    const [command = '', ...args] = this.argv(...argv)
    const child = spawn(command, args)
    defer(() => child.kill('SIGKILL'))
    return child
  }

  /** Names of the interfaces other than loopback. */
  interfaces(): string[] {
    const links = JSON.parse(mustSync(...this.argv('ip', '-j', 'link'))) as { ifname: string }[]
    return links.map((link) => link.ifname).filter((name) => name !== 'lo')
  }

  /** The processes that run in here. */
  pids(): number[] {
    return mustSync('ip', 'netns', 'pids', this.name).split('\n').filter(Boolean).map(Number)
  }

  remove(): void {
    removeNamespace(this.name)
  }
}

/** Ends what still runs in a namespace and removes the namespace; nothing happens when it is gone. */
export function removeNamespace(name: string): void {
  if (!mustSync('ip', 'netns', 'list').split(/\s+/).includes(name)) return
  for (const pid of mustSync('ip', 'netns', 'pids', name).split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch {
      // It ended between the two calls.
    }
  }
  mustSync('ip', 'netns', 'del', name)
}

/** A veth pair from one namespace to another, both ends still down. */
export function cable(near: Namespace, ifname: string, far: Namespace, other: string): void {
  const ends = ['netns', near.name, 'type', 'veth', 'peer', 'name', other, 'netns', far.name]
  mustSync('ip', 'link', 'add', ifname, ...ends)
}
