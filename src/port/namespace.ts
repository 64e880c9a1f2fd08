/** Namespaces of this process, for `bridgeport run`, and what is left in one. */
import { existsSync, readdirSync, readlinkSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
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

/** Processes other than this one in the network namespace of this process's main thread. */
export function inmates(): number[] {
  const own = readlinkSync('/proc/self/ns/net')
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        return readlinkSync(`/proc/${name}/ns/net`) === own
      } catch {
        return false // it ended meanwhile, or it is somebody else's
      }
    })
    .map(Number)
}
