/** Before and after the end-to-end suites: takes away what a killed run left behind. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeAll } from './container.ts'
import { removeNamespace } from './namespace.ts'

/** The pid in a name that the lab gave, 0 when it gave none. */
function owner(name: string): number {
  return Number(/^bpt(\d+)-/.exec(name)?.[1] ?? 0)
}

function abandoned(name: string): boolean {
  return owner(name) !== 0 && !existsSync(`/proc/${owner(name)}`)
}

function sweep(): void {
  if (process.getuid?.() !== 0 || spawnSync('ip', ['-V']).status !== 0) return
  const names = existsSync('/run/netns') ? readdirSync('/run/netns') : []
  for (const name of names.filter(abandoned)) removeNamespace(name)
  for (const name of readdirSync(tmpdir()).filter(abandoned)) {
    if (name.includes('-podman-')) removeAll(join(tmpdir(), name))
    rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}

export default function setup(): () => void {
  sweep()
  return sweep
}
