/**
 * A ping of which nothing may get lost. `ping -c` is no witness of that: once it has sent its last request, and anything was answered, it
 * waits for twice the longest round trip alone, which a stalled machine exceeds.
 */
import type { ChildProcess } from 'node:child_process'
import { eventually } from './command.ts'
import type { Namespace } from './namespace.ts'

export class Pinger {
  readonly #child: ChildProcess
  #said = ''

  constructor(from: Namespace, to: string, everySeconds: number, ...options: string[]) {
    this.#child = from.spawn('ping', '-n', '-i', String(everySeconds), ...options, to)
    this.#child.stdout?.on('data', (text) => {
      this.#said += text
    })
  }

  /** Numbers of the requests that were answered. */
  get #answered(): number[] {
    return [...this.#said.matchAll(/icmp_seq=(\d+) ttl=/g)].map(([, number]) => Number(number))
  }

  /**
   * Ends it once it was answered again, and `least` times in all; resolves to the requests that were not, of those before the last answer:
   * what came later was under way.
   */
  async stop(least = 1): Promise<number[]> {
    const wanted = Math.max(least, this.#answered.length + 1)
    await eventually(`${wanted} answers`, () => this.#answered.length >= wanted)
    const ended = new Promise((resolve) => this.#child.once('close', resolve))
    this.#child.kill('SIGINT')
    await ended
    const answered = new Set(this.#answered)
    return Array.from({ length: Math.max(...answered) }, (_, i) => i + 1).filter((n) => !answered.has(n))
  }
}
