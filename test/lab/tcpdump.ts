/** tcpdump on the far side: what really arrived, sizes and checksums included. */
import type { ChildProcess } from 'node:child_process'
import { pause, says } from './command.ts'
import type { Namespace } from './namespace.ts'

/** Nothing more is told for so long: the last frames have passed the kernel's capture buffer. */
const settleMs = 300

export class Tcpdump {
  #child: ChildProcess
  #text = ''

  private constructor(child: ChildProcess) {
    this.#child = child
    child.stdout?.on('data', (text) => {
      this.#text += text
    })
  }

  /** Listens on an interface for what arrives there; `-v` prints and verifies checksums. */
  static async start(namespace: Namespace, ifname: string, filter = ''): Promise<Tcpdump> {
    const options = ['-n', '-v', '-e', '-l', '-U', '-Q', 'in', '-i', ifname, '--immediate-mode']
    const child = namespace.spawn('tcpdump', ...options, ...(filter === '' ? [] : [filter]))
    const tcpdump = new Tcpdump(child)
    await says(child, /listening on/)
    return tcpdump
  }

  /** Ends the capture and returns its text. */
  async stop(): Promise<string> {
    for (let length = -1; length !== this.#text.length; await pause(settleMs)) length = this.#text.length
    const closed = new Promise((resolve) => this.#child.once('close', resolve))
    this.#child.kill('SIGINT')
    await closed
    return this.#text
  }
}

/** Frame lengths in a text of `tcpdump -e`. */
export function lengths(text: string): number[] {
  return [...text.matchAll(/, length (\d+): /g)].map((match) => Number(match[1]))
}
