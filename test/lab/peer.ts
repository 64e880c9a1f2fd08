/** Suites that need a program or a right of this machine: run, skipped by name, or with REQUIRE_ALL=1 failed. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { describe, it } from 'vitest'

/** Peers that are not simply a program in the path. */
const special: Record<string, () => boolean> = {
  root: () => process.getuid?.() === 0,
  '/dev/net/tun': () => existsSync('/dev/net/tun'),
  apt: () => spawnSync('apt-cache', ['show', 'linux-image-cloud-amd64']).status === 0,
  cap: () => loads('cap'),
  'raw-socket': () => loads('raw-socket'),
}

function loads(name: string): boolean {
  try {
    createRequire(import.meta.url)(name)
    return true
  } catch {
    return false
  }
}

/** True if the machine has a peer: a program in the path, or one of the special ones. */
export function present(peer: string): boolean {
  return special[peer]?.() ?? spawnSync('sh', ['-c', `command -v ${peer}`]).status === 0
}

/** What every end-to-end suite needs. */
const always = ['root', '/dev/net/tun', 'ip', 'nsenter', 'ping']

/** What a guest needs. */
export const qemu = ['qemu-system-x86_64', 'apt', 'cpio', 'depmod', 'busybox', 'iperf3']

/** describe() for a suite with peers. */
export function suite(name: string, peers: string[], body: () => void): void {
  const missing = [...always, ...peers].filter((peer) => !present(peer))
  if (missing.length === 0) describe(name, body)
  else if (process.env.REQUIRE_ALL === '1') {
    it(name, () => {
      throw new Error(`needs ${missing.join(', ')}`)
    })
  } else it.skip(`${name}: needs ${missing.join(', ')}`, () => {})
}
