/** What a capture is written to: files and devices at once, without another thread; pipes, which may wait for their reader, as Node does. */
import { createWriteStream, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { Refusal } from '../../control/refusal.ts'

export class Outlet {
  /** why nothing more can be written */
  error: NodeJS.ErrnoException | null = null
  private readonly fd: number
  /** null where there is nothing to wait for */
  private readonly pipe: Writable | null

  /** Opens a file, '-' for standard output; `onchange` is called when it takes more, or nothing any more. Throws a Refusal if it cannot. */
  constructor(path: string, onchange: () => void) {
    try {
      this.fd = path === '-' ? process.stdout.fd : openSync(path, 'w', 0o600)
      const status = fstatSync(this.fd)
      if (!status.isFIFO() && !status.isSocket()) this.pipe = null
      else this.pipe = path === '-' ? process.stdout : createWriteStream('', { fd: this.fd })
    } catch (error) {
      throw new Refusal(`file ${path}`, (error as Error).message, 'choose another with -w')
    }
    this.pipe?.on('drain', onchange).on('error', (error) => {
      this.error ??= error
      onchange()
    })
  }

  /** Writes a piece, which is the caller's again when this returns; false: no more for now, or none any more. */
  write(piece: Buffer): boolean {
    if (this.error !== null) return false
    if (this.pipe !== null) return this.pipe.write(Buffer.from(piece))
    try {
      for (let at = 0; at < piece.length; ) at += writeSync(this.fd, piece, at)
    } catch (error) {
      this.error = error as Error
    }
    return this.error === null
  }

  /** Resolves when all is written, or cannot be; of a file the last `torn` bytes are taken back. */
  async end(torn: number): Promise<void> {
    const { fd, pipe } = this
    if (this.error !== null) return
    if (pipe !== null) await new Promise((resolve) => pipe.once('error', resolve).write('', resolve))
    else if (torn > 0 && fstatSync(fd).isFile()) ftruncateSync(fd, fstatSync(fd).size - torn)
  }
}
