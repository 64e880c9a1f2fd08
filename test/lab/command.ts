/** Programs that tests run: always with a timeout, and a failure shows what the program said. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { constants } from 'node:os'

/** No command of the suites takes longer unless it says so. */
export const patienceMs = 20_000

export interface Result {
  /** exit code, or 128 + signal */
  status: number
  stdout: string
  stderr: string
}

export interface Options {
  timeoutMs?: number
  input?: string
  env?: Record<string, string>
}

/** Runs a command to its end. */
export function attempt(argv: string[], options: Options = {}): Promise<Result> {
  const [command = '', ...args] = argv
  const child = spawn(command, args, { env: { ...process.env, ...options.env } })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  const timer = setTimeout(() => {
    stderr += `\nkilled after ${options.timeoutMs ?? patienceMs} ms`
    child.kill('SIGKILL')
  }, options.timeoutMs ?? patienceMs)
  return new Promise((resolve) => {
    child.on('error', (error) => {
      clearTimeout(timer)
      resolve({ status: 127, stdout, stderr: String(error) })
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ status: code ?? 128 + signalNumber(signal), stdout, stderr })
    })
  })
}

/** Runs a command that has to succeed and returns what it wrote. */
export async function must(argv: string[], options: Options = {}): Promise<string> {
  const result = await attempt(argv, options)
  if (result.status === 0) return result.stdout
  throw new Error(
    `${argv.join(' ')} ended with ${result.status}: ${result.stderr.trim() || result.stdout.trim()}`,
  )
}

/** The same without waiting in the event loop, for set-up and clean-up. */
export function mustSync(...argv: string[]): string {
  const [command = '', ...args] = argv
  const result = spawnSync(command, args, { encoding: 'utf8', timeout: patienceMs })
  if (result.status === 0) return result.stdout
  throw new Error(`${argv.join(' ')} ended with ${result.status}: ${result.stderr?.trim() ?? result.error}`)
}

/** Resolves once the text that the child writes to stdout or stderr matches; rejects when it ends or is silent too long. */
export function says(child: ChildProcess, pattern: RegExp, timeoutMs = patienceMs): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const finish = (error: string) => {
      clearTimeout(timer)
      child.stdout?.off('data', hear)
      child.stderr?.off('data', hear)
      child.off('close', gone)
      if (error === '') resolve(text)
      else
        reject(new Error(`${child.spawnargs.join(' ')} ${error} without saying ${pattern}: ${text.trim()}`))
    }
    const hear = (chunk: Buffer | string) => {
      text += chunk
      if (pattern.test(text)) finish('')
    }
    const gone = (code: number | null) => finish(`ended with ${code}`)
    const timer = setTimeout(() => finish(`ran for ${timeoutMs} ms`), timeoutMs)
    child.stdout?.on('data', hear)
    child.stderr?.on('data', hear)
    child.on('close', gone)
  })
}

/** Looks again and again until `look` returns something true; fails with `what` when time is up. */
export async function eventually<T>(
  what: string,
  look: () => T | Promise<T>,
  timeoutMs = patienceMs,
): Promise<T> {
  const end = Date.now() + timeoutMs
  for (let ms = 1; ; ms = Math.min(2 * ms, 10)) {
    const value = await look()
    if (value) return value
    if (Date.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await pause(ms)
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function signalNumber(name: NodeJS.Signals | null): number {
  return name === null ? 0 : constants.signals[name]
}
