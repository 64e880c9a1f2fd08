/** What a switch must offer to be compared. */
import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import type { Ground } from './ground.ts'

/** A running switch between the ends of a ground, whose `close` ends it. */
export interface Joint {
  /** name of the interface in namespace a and in namespace b */
  a: string
  b: string
  /** the switch's own processes; none when it lives in the kernel */
  pids: number[]
}

export interface Peer<J extends Joint = Joint> {
  /** what `--only` and the JSON call it */
  name: string
  /** what the table calls it */
  title: string
  /** Why it cannot run here and what to do, or null when it can. */
  missing(): string | null
  version(): string
  /** Starts the switch in namespace s of the ground and plugs both ends in, addresses set. */
  start(ground: Ground): Promise<J>
}

/** True when a program is on the PATH; Debian's sbin folders count even where a user's PATH lacks them. */
export function installed(program: string): boolean {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin']
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** First line of what a program says of its version that matches; group 1 is the version. */
export function version(program: string, args: string[], pattern: RegExp): string {
  try {
    const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe']
    return (
      pattern.exec(execFileSync(program, args, { encoding: 'utf8', timeout: 5000, stdio }))?.[1] ?? 'unknown'
    )
  } catch {
    return 'unknown'
  }
}
