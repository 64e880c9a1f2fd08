/** Name servers that the forwarder may ask: written ones, and the host's own, read again when /etc/resolv.conf changes (resolv.conf(5)). */
import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'

export interface Server {
  address: string
  port: number
}

const PORT = 53
/** How often the file is looked at while somebody asks. */
const LOOK_MS = 1000

/** `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`. */
export function parse(text: string): Server | null {
  const match = /^(?:\[([^\]]+)\]|([\d.]+)|([^[\]]*:[^[\]]*:[^[\]]*))(?::(\d{1,5}))?$/.exec(text)
  const address = match?.[1] ?? match?.[2] ?? match?.[3] ?? ''
  if (isIP(address) === 0) return null
  return { address, port: Number(match?.[4] ?? PORT) }
}

export class Resolvers {
  private readonly path: string
  private servers: Server[] = []
  private stamp = ''
  private lookedMs = Number.NEGATIVE_INFINITY

  constructor(path = '/etc/resolv.conf') {
    this.path = path
  }

  /** The host's servers in their order; none if the file names none or is not there. */
  list(nowMs: number): Server[] {
    if (nowMs - this.lookedMs >= LOOK_MS || nowMs < this.lookedMs) {
      this.lookedMs = nowMs
      this.look()
    }
    return this.servers
  }

  private look(): void {
    try {
      const { mtimeMs, ino, size } = statSync(this.path)
      const stamp = `${mtimeMs} ${ino} ${size}`
      if (stamp === this.stamp) return
      const lines = readFileSync(this.path, 'utf8').split('\n')
      this.servers = lines.flatMap((line) => parse(/^nameserver\s+(\S+)/.exec(line)?.[1] ?? '') ?? [])
      this.stamp = stamp
    } catch {
      this.servers = []
      this.stamp = ''
    }
  }
}
