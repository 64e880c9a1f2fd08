/**
 * The flow log's file: lines are appended as they come, one write under way at a time. Whatever is wrong with the file, nobody waits for it:
 * lines are kept until there are too many of them, then counted as lost, and it goes on as soon as it can.
 */
import { closeSync, constants, fstatSync, openSync, write } from 'node:fs'
import type { Log } from '../switch.ts'

/** Bytes that wait to be written at most. */
const PENDING_MAX = 8 * 2 ** 20
const MODE = 0o640
const NEWLINE = 10

interface Batch {
  bytes: Buffer
  lines: number
}

/** A pipe that nobody reads is an error, and none that somebody waits for. */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK

/** Opens a file to append to; throws what open(2) says. */
export function append(path: string): number {
  return openSync(path, FLAGS, MODE)
}

export class LogFile {
  readonly path: string
  /** lines that were never written */
  lost = 0
  private readonly log: Log
  private fd: number
  private readonly pending: Batch[] = []
  private length = 0
  /** the beginning of a line of the first batch stands in the file, but not its end */
  private isPartial = false
  private isBusy = false
  private isStale = false
  private isBroken = false
  private ended: (() => void) | null = null

  /** `fd` is what `append` gave for the path. */
  constructor(path: string, fd: number, log: Log) {
    this.path = path
    this.fd = fd
    this.log = log
  }

  /** Appends whole lines, as soon as it can. */
  add(text: string, lines: number): void {
    const bytes = Buffer.from(text)
    if (this.length + bytes.length > PENDING_MAX) this.lost += lines
    else {
      this.pending.push({ bytes, lines })
      this.length += bytes.length
    }
  }

  /** The file of that name may be another one by now. */
  reopen(): void {
    this.isStale = true
  }

  /** Writes what waits; call it regularly. */
  pump(): void {
    if (this.isBusy) return
    const [batch] = this.pending
    if (batch === undefined && this.ended !== null) {
      this.finish()
      return
    }
    if ((batch === undefined && !this.isStale) || !this.isReady() || batch === undefined) return
    this.isBusy = true
    write(this.fd, batch.bytes, 0, batch.bytes.length, null, (error, count) => {
      this.isBusy = false
      if (error !== null) this.fail(error)
      else {
        this.take(batch, count)
        this.pump()
      }
    })
  }

  /** Writes what waits, then closes the file; what cannot be written then is lost. */
  end(): Promise<void> {
    return new Promise((resolve) => {
      this.ended = resolve
      this.pump()
    })
  }

  private finish(): void {
    for (const { lines } of this.pending.splice(0)) this.lost += lines
    this.shut()
    this.ended?.()
  }

  private take(batch: Batch, count: number): void {
    this.length -= count
    this.isPartial = count < batch.bytes.length && batch.bytes[count - 1] !== NEWLINE
    if (count === batch.bytes.length) this.pending.shift()
    else {
      batch.bytes = batch.bytes.subarray(count)
      batch.lines = batch.bytes.filter((byte) => byte === NEWLINE).length
    }
    if (this.isBroken) this.log.info({ file: this.path }, 'the flow log is written again')
    this.isBroken = false
  }

  /** True if the file is open and still has a name. */
  private isReady(): boolean {
    try {
      if (this.fd >= 0 && !this.isStale && fstatSync(this.fd).nlink > 0) return true
      this.shut()
      this.fd = append(this.path)
      this.isStale = false
      this.cut()
      return true
    } catch (error) {
      this.fail(error as Error)
      return false
    }
  }

  /** Another file does not begin with the end of a line. */
  private cut(): void {
    const [batch] = this.pending
    if (!this.isPartial || batch === undefined) return
    const end = batch.bytes.indexOf(NEWLINE) + 1
    this.isPartial = false
    this.lost++
    this.length -= end
    batch.lines--
    batch.bytes = batch.bytes.subarray(end)
    if (batch.bytes.length === 0) this.pending.shift()
  }

  private shut(): void {
    const { fd } = this
    this.fd = -1
    try {
      if (fd >= 0) closeSync(fd)
    } catch (error) {
      this.log.warn({ file: this.path }, `the flow log may lack its last lines: ${(error as Error).message}`)
    }
  }

  private fail({ message }: Error): void {
    if (!this.isBroken) this.log.warn({ file: this.path }, `the flow log cannot be written: ${message}`)
    this.isBroken = true
    if (this.ended !== null) this.finish()
  }
}
