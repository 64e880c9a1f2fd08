/** Namespaces of this process, for `bridgeport run`, and what is left in one. */
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { native } from '../memory/native.ts'

/** Moves this process into new network and mount namespaces, loopback up. What it spawns afterwards is in them. */
export function unshare(): void {
  native.namespaceUnshare()
}

/** Moves this process into the network namespace of a process. */
export function enter(pid: number): void {
  native.namespaceEnter(`/proc/${pid}/ns/net`)
}

/** True if the process exists and has a network namespace. */
export function exists(pid: number): boolean {
  return native.namespaceExists(`/proc/${pid}/ns/net`)
}

const RESOLVER = '/etc/resolv.conf'

/** Gives this mount namespace a resolv.conf of its own. Nothing is left on disk: the mount keeps the unlinked file. */
export function resolver(text: string): void {
  if (!existsSync(RESOLVER)) return
  const path = join(tmpdir(), `bridgeport-resolv-${process.pid}`)
  writeFileSync(path, text, { mode: 0o644, flag: 'wx' })
  try {
    native.mountBind(path, realpathSync(RESOLVER))
  } finally {
    rmSync(path, { force: true })
  }
}

/** What tells a process's network namespace from every other that exists, or null if the process is gone. */
export function identity(pid: number | 'self'): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`)
  } catch {
    return null
  }
}

/** What tells a process from every other that had or will have its number: the boot, and its start in it (proc_pid_stat(5), 22). */
export function birth(pid: number): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    const status = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The command name, in parentheses, may hold anything.
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ')
    return `${boot} ${fields[19]}`
  } catch {
    return null
  }
}

/** Ends every process but this one in a network namespace that `bridgeport run` made. */
export function evict(namespace: string): void {
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!/^\d+$/.test(name) || pid === process.pid || identity(pid) !== namespace) continue
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // it ended meanwhile
    }
  }
}
