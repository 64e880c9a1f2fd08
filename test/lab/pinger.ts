/** A ping that goes on beside what a test does, and of which nothing may get lost meanwhile. */
import type { ChildProcess } from 'node:child_process'
import { eventually } from './command.ts'
import type { Namespace } from './namespace.ts'

export class Pinger {
  readonly #child: ChildProcess
  #said = ''

  constructor(from: Namespace, to: string, everySeconds: number) {
    this.#child = from.spawn('ping', '-n', '-i', String(everySeconds), to)
    this.#child.stdout?.on('data', (text) => {
      this.#said += text
    })
  }

  /** Numbers of the requests that were answered. */
  get #answered(): number[] {
    return [...this.#said.matchAll(/icmp_seq=(\d+) ttl=/g)].map(([, number]) => Number(number))
  }

  /** Ends it once it was answered again; resolves to the requests that were not. Those behind the last answer were under way. */
  async stop(): Promise<number[]> {
    const before = this.#answered.length
    await eventually('another answer', () => this.#answered.length > before)
    const ended = new Promise((resolve) => this.#child.once('close', resolve))
    this.#child.kill('SIGINT')
    await ended
    const answered = new Set(this.#answered)
    return Array.from({ length: Math.max(...answered) }, (_, i) => i + 1).filter((n) => !answered.has(n))
  }
}
