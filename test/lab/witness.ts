/** `cap` (libpcap) and `raw-socket` in a namespace: frames are seen and injected by code that is not ours. */
import type { ChildProcess } from 'node:child_process'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { eventually, pause, says } from './command.ts'
import type { Namespace } from './namespace.ts'

const here = dirname(fileURLToPath(import.meta.url))
const script = join(here, 'witness.mjs')
const rawScript = join(here, 'raw.mjs')

export class Witness {
  /** frames in the order of their arrival; libpcap puts a stripped VLAN tag back */
  readonly frames: Buffer[] = []
  #child: ChildProcess
  #answers = 0

  private constructor(child: ChildProcess) {
    this.#child = child
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      if (line.startsWith('frame ')) this.frames.push(Buffer.from(line.slice(6), 'hex'))
      if (line === 'done') this.#answers++
    })
  }

  /** Opens an interface; `filter` in libpcap's language says which frames to report (`inbound` misses the first). */
  static async open(namespace: Namespace, ifname: string, filter = 'less 0'): Promise<Witness> {
    const child = namespace.spawn(process.execPath, script, ifname, filter)
    const witness = new Witness(child)
    await says(child, /ready/)
    return witness
  }

  /** Sends a frame as it is, `count` times. Resolves when libpcap took the last one. */
  send(frame: Buffer, count = 1): Promise<void> {
    return this.#order({ frame: frame.toString('hex'), count, step: 0, paceMs: 0 })
  }

  /** Sends a frame once from each of `count` source MACs, the last four bytes counting up from 1. */
  sendMacs(frame: Buffer, count: number): Promise<void> {
    return this.#order({ frame: frame.toString('hex'), count, step: 1, paceMs: 1 })
  }

  async #order(order: object): Promise<void> {
    const before = this.#answers
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`)
    await eventually('the witness sends', () => this.#answers > before)
  }

  /** Waits until `count` frames have been seen. */
  sees(count: number): Promise<unknown> {
    return eventually(`${count} frames`, () => this.frames.length >= count)
  }

  /** Gives frames that must not arrive the time to arrive, and returns how many did. */
  async quiet(ms = 500): Promise<number> {
    await pause(ms)
    return this.frames.length
  }
}

/** Sends an IPv4 payload of a protocol from the namespace's own stack, over a raw socket. */
export async function sendRaw(
  from: Namespace,
  address: string,
  protocol: number,
  payload: Buffer,
): Promise<void> {
  await from.exec([process.execPath, rawScript, address, String(protocol), payload.toString('hex')])
}

/** Bytes of a MAC's text. */
export function bytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex')
}

/** An Ethernet frame, padded to `length`. */
export function frame(
  to: string,
  from: string,
  type: number,
  payload = Buffer.alloc(0),
  length = 60,
): Buffer {
  const kind = Buffer.from([type >> 8, type & 255])
  const whole = Buffer.concat([bytes(to), bytes(from), kind, payload])
  return whole.length >= length ? whole : Buffer.concat([whole, Buffer.alloc(length - whole.length)])
}
