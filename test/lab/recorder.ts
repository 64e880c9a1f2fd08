/** `bridgeport capture` as users run it, into a file. */
import type { ChildProcess } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from './command.ts'
import { type Daemon, program } from './daemon.ts'
import { type Capture, readCapture } from './pcapng.ts'

let count = 0

export class Recorder {
  readonly file: string
  readonly child: ChildProcess
  said = ''
  private readonly ended: Promise<number>

  private constructor(daemon: Daemon, argv: string[]) {
    this.file = join(daemon.folder, `capture-${count++}.pcapng`)
    const whole = [process.execPath, program, '--socket', daemon.socket, 'capture', '-w', this.file, ...argv]
    this.child = daemon.host.spawn(...whole)
    this.child.stderr?.on('data', (text) => {
      this.said += text
    })
    this.ended = new Promise((resolve) => this.child.once('close', (status) => resolve(status ?? -1)))
  }

  /** Resolves once it captures. */
  static async start(daemon: Daemon, ...argv: string[]): Promise<Recorder> {
    const recorder = new Recorder(daemon, argv)
    const { file, child } = recorder
    await eventually(
      'it captures',
      () => child.exitCode !== null || (existsSync(file) && statSync(file).size > 0),
    )
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${recorder.said}`)
    return recorder
  }

  /** Resolves when it ended by itself. */
  async end(): Promise<Capture> {
    const status = await this.ended
    if (status !== 0) throw new Error(`it ended with ${status}: ${this.said}`)
    return readCapture(this.file)
  }

  /** Ends it as Ctrl-C does. */
  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<Capture> {
    this.child.kill(signal)
    return await this.end()
  }
}
