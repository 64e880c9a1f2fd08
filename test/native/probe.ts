/** A child process or a thread with the addon: for calls that change their thread, need fewer rights, or end by a signal. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { defer } from '../lab/cleanup.ts'
import { must, says } from '../lab/command.ts'

export const addon = join(import.meta.dirname ?? '', '../../build/Release/bridgeport.node')

/** A program that runs `body` with `native` and `attempt` (an error's code, syscall and subject) in scope. */
export function program(body: string): string[] {
  const attempt =
    'const attempt = (call) => { try { return call() ?? null } catch (e) { return [e.code, e.syscall, e.path ?? e.interface ?? null] } }'
  const load = `const native = require(${JSON.stringify(addon)})`
  return [process.execPath, '-e', `${load}\n${attempt}\n(async () => {${body}\n})()`]
}

/** Runs `body`, which returns a value, and hands that value back; `prefix` starts node in another place. */
export async function probe(body: string, prefix: string[] = []): Promise<unknown> {
  const print = `console.log(JSON.stringify(await (async () => {${body}\n})()))`
  return JSON.parse(await must([...prefix, ...program(print)]))
}

/** Starts `body`, which prints `ready` when it has set everything up and then waits to be killed. */
export async function start(body: string, prefix: string[] = []): Promise<ChildProcess> {
  const [command = '', ...args] = [
    ...prefix,
    ...program(`${body}\nconsole.log('ready'); setInterval(() => {}, 1000)`),
  ]
  const child = spawn(command, args)
  defer(() => child.kill('SIGKILL'))
  await says(child, /ready/)
  return child
}

/** Runs `code` in a thread of its own, with `native`, `require` and `data` in scope; resolves to what it returns when the thread has ended. */
export function threaded(code: string, data: unknown): Promise<unknown> {
  const head = `const { parentPort, workerData: data } = require('worker_threads')\nconst native = require(${JSON.stringify(addon)})`
  const source = `${head}\nparentPort.postMessage((() => { ${code} })())`
  const worker = new Worker(source, { eval: true, workerData: data })
  return new Promise((resolve, reject) => {
    let result: unknown
    worker.on('message', (message) => {
      result = message
    })
    worker.on('error', reject)
    worker.on('exit', () => resolve(result))
  })
}
