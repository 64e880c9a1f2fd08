/** The path of the daemon's socket: whether a switch answers there, and making room for ours. */
import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { Refusal } from './refusal.ts'

/** How long a live daemon may take to accept, in milliseconds; the kernel accepts for it, so this is never reached. */
const ACCEPT_MS = 2000

/** Tells switches of one host apart: part of the alias of every interface that a switch makes. */
export function instance(socket: string): string {
  return createHash('sha256').update(socket).digest('hex').slice(0, 8)
}

/** True if somebody accepts connections at the path; false if nothing is there or its owner is dead. */
export function isLive(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.setTimeout(ACCEPT_MS, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(false)
      else reject(error)
    })
  })
}

/** Makes the path free to bind: creates its folder, removes a dead daemon's socket. Throws a Refusal. */
export async function claim(path: string): Promise<void> {
  const what = `socket ${path}`
  try {
    mkdirSync(dirname(path), { recursive: true, mode: process.geteuid?.() === 0 ? 0o755 : 0o700 })
    const status = lstatSync(path, { throwIfNoEntry: false })
    if (status === undefined) return
    if (!status.isSocket())
      throw new Refusal(
        what,
        'there is a file that is no socket',
        'remove it or choose another with --socket',
      )
    if (await isLive(path))
      throw new Refusal(
        what,
        'a switch answers there already',
        `end it (bridgeport --socket ${path} down) or choose another with --socket`,
      )
    unlinkSync(path)
  } catch (error) {
    if (error instanceof Refusal) throw error
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EACCES' || code === 'EPERM')
      throw new Refusal(
        what,
        'permission denied',
        'start the switch as root (sudo bridgeport up) or choose another with --socket',
      )
    throw new Refusal(what, message, 'choose another with --socket')
  }
}
