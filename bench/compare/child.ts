/**
 * Child processes of a run. Each leads a process group of its own, so that a tool that forks (trafgen) ends whole, and is told
 * by the kernel to end when this process dies (setpriv's --pdeathsig): not even SIGKILL leaves a switch behind.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

/** How long a switch may take to end after SIGTERM before SIGKILL: ovs-vswitchd needs a few tenths of a second. */
const graceMs = 3000

export interface Invocation {
  /** named network namespace to run in; absent: our own */
  namespace?: string
  env?: Record<string, string>
  cwd?: string
}

export class Child {
  readonly pid: number
  /** what it wrote so far, both streams */
  output = ''
  ended = false
  private readonly process: ChildProcess
  private readonly exit: Promise<number>
  private readonly what: string

  constructor(command: string, args: string[], invocation: Invocation = {}) {
    const inside = invocation.namespace ? ['ip', 'netns', 'exec', invocation.namespace] : []
    const line = ['--pdeathsig', 'TERM', ...inside, command, ...args]
    // stdin stays an open pipe: vde_switch ends when it reads the end of its input.
    const options = { detached: true, cwd: invocation.cwd, env: { ...process.env, ...invocation.env } }
    this.process = spawn('setpriv', line, { ...options, stdio: ['pipe', 'pipe', 'pipe'] })
    this.what = [command, ...args].join(' ')
    this.pid = this.process.pid ?? 0
    this.process.stdin?.on('error', () => {})
    const take = (text: string) => {
      this.output += text
    }
    this.process.stdout?.setEncoding('utf8').on('data', take)
    this.process.stderr?.setEncoding('utf8').on('data', take)
    this.exit = new Promise((resolve) => {
      this.process.once('error', (error) => {
        this.ended = true
        this.output += error.message
        resolve(127)
      })
      this.process.once('close', (code) => {
        this.ended = true
        resolve(code ?? 128)
      })
    })
  }

  /** Resolves to all it wrote when it ends with status 0; throws otherwise, and after `timeoutMs`, having ended it. */
  async finish(timeoutMs: number): Promise<string> {
    const status = await Promise.race([this.exit, sleep(timeoutMs, -1, { ref: false })])
    if (status === 0) return this.output
    if (status < 0) this.kill('SIGKILL')
    const reason = status < 0 ? `not done after ${timeoutMs / 1000} s` : `exit status ${status}`
    throw new Error(`${this.what}: ${reason}: ${this.lastLines()}`)
  }

  /** Resolves once its output matches. */
  async until(pattern: RegExp, timeoutMs: number): Promise<void> {
    const last = performance.now() + timeoutMs
    while (!pattern.test(this.output)) {
      if (this.ended || performance.now() > last)
        throw new Error(
          `${this.what}: ${this.ended ? 'ended' : 'silent'} before ${pattern}: ${this.lastLines()}`,
        )
      await sleep(10)
    }
  }

  /** Writes to its standard input. */
  write(text: string): void {
    this.process.stdin?.write(text)
  }

  /** Ends the whole group: politely, then not. */
  async stop(): Promise<void> {
    if (this.ended) return
    this.kill('SIGTERM')
    await Promise.race([this.exit, sleep(graceMs, 0, { ref: false })])
    if (!this.ended) this.kill('SIGKILL')
    await Promise.race([this.exit, sleep(graceMs, 0, { ref: false })])
  }

  kill(signal: NodeJS.Signals): void {
    try {
      if (this.pid > 0) process.kill(-this.pid, signal)
    } catch {
      // ESRCH: it is gone already
    }
  }

  private lastLines(): string {
    return this.output.trim().split('\n').slice(-3).join(' | ')
  }
}
