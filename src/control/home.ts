/**
 * Where a switch has its socket and its state when nobody says. Root's switch has the system's places, and so has that of a user whom the system gave them (systemd's
 * RuntimeDirectory= and StateDirectory=). Any other user's switch lives in the user's own: XDG Base Directory Specification.
 */
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

export const SOCKET = '/run/bridgeport/bridgeport.sock'
export const STATE = '/var/lib/bridgeport'

/** Who asks, and what his environment says. */
export interface Asker {
  uid: number
  env: Record<string, string | undefined>
}

function asker(): Asker {
  return { uid: process.geteuid?.() ?? 0, env: process.env }
}

function isOurs(folder: string, uid: number): boolean {
  if (uid === 0) return true
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** What a variable says; the specification has relative paths ignored. */
function absolute(path: string | undefined): string | null {
  return path?.startsWith('/') ? path : null
}

function ownState({ env }: Asker): string {
  return join(absolute(env.XDG_STATE_HOME) ?? join(homedir(), '.local/state'), 'bridgeport')
}

/** The session's folder, also for who came by su and has no variable for it; without one, the state's. */
function ownSocket(who: Asker): string {
  const session = `/run/user/${who.uid}`
  const status = statSync(session, { throwIfNoEntry: false })
  const runtime = absolute(who.env.XDG_RUNTIME_DIR) ?? (status?.uid === who.uid ? session : null)
  return join(runtime === null ? ownState(who) : join(runtime, 'bridgeport'), 'bridgeport.sock')
}

/** The socket of a switch that this user starts. */
export function socket(who = asker()): string {
  return isOurs('/run/bridgeport', who.uid) ? SOCKET : ownSocket(who)
}

/** The state of a switch that this user starts. */
export function state(who = asker()): string {
  return isOurs(STATE, who.uid) ? STATE : ownState(who)
}

/** The socket of the switch that this user means: the user's own while there is one, else the system's if that is there. */
export function meant(who = asker()): string {
  const own = socket(who)
  return !existsSync(own) && existsSync(SOCKET) ? SOCKET : own
}
