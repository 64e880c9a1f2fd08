/** A host whose switch, guests and command line belong to an ordinary user: no capabilities, no groups, a home of his own. */
import { chownSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Namespace } from './namespace.ts'

/** Nobody's on any machine: above what useradd gives out, below what systemd does. */
const UID = 60_400

export class Ordinary extends Namespace {
  readonly home = this.folder('home')
  /** the session's folder for sockets */
  readonly runtime = join(this.home, 'run')

  constructor(label: string) {
    super(label)
    mkdirSync(this.runtime, { mode: 0o700 })
    chownSync(this.runtime, UID, UID)
  }

  override folder(label: string): string {
    const path = super.folder(label)
    chownSync(path, UID, UID)
    return path
  }

  /** The namespace itself is root's work: while it is made there is no home yet. */
  override argv(...argv: string[]): string[] {
    if (this.home === undefined) return super.argv(...argv)
    const user = ['--reuid', `${UID}`, '--regid', `${UID}`, '--clear-groups']
    const places = [`HOME=${this.home}`, `XDG_RUNTIME_DIR=${this.runtime}`]
    const names = ['XDG_STATE_HOME', 'BRIDGEPORT_SOCKET'].flatMap((name) => ['-u', name])
    return super.argv('setpriv', ...user, 'env', ...names, ...places, ...argv)
  }
}
