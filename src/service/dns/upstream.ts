/**
 * The servers that a network's questions go to. They are asked one after the other, the one that answered last first; who does
 * not answer in time or at all is passed over, and when nobody answered within the time that stub resolvers wait, that is said.
 */

import { setMaxListeners } from 'node:events'
import * as exchange from './exchange.ts'
import type { Message } from './message.ts'
import * as dns from './message.ts'
import type { Server } from './server.ts'

/** resolv.conf(5) has five seconds for one attempt of a guest: three servers, or one three times. */
const TRY_MS = 1400
const ROUNDS = 3
const TOTAL_MS = 4500

function isSame(a: Server | null, b: Server): boolean {
  return a !== null && a.address === b.address && a.port === b.port
}

export class Upstream {
  private readonly servers: () => Server[]
  private readonly abort = new AbortController()
  private good: Server | null = null
  /** servers that answered without EDNS only */
  private readonly plain = new Set<string>()

  /** `servers` is asked before every question. */
  constructor(servers: () => Server[]) {
    this.servers = servers
    // Every question under way is one.
    setMaxListeners(0, this.abort.signal)
  }

  /** The reply to a guest's query, its id and OPT being ours; null if no server answers. */
  async ask(query: Message): Promise<Message | null> {
    const list = this.servers()
    const ordered = [...list].sort((a, b) => Number(isSame(this.good, b)) - Number(isSame(this.good, a)))
    const endMs = Date.now() + TOTAL_MS
    let last: Message | null = null
    for (let round = 0; round < ROUNDS; round++) {
      let heard = false
      for (const server of ordered) {
        const leftMs = Math.min(TRY_MS, endMs - Date.now())
        if (leftMs <= 0 || this.abort.signal.aborted) return last
        const begunMs = Date.now()
        const reply = await this.one(server, query, leftMs)
        // Nobody there (ICMP) is known at once: asking again would change nothing. Silence may be a lost packet.
        heard ||= reply === null && Date.now() - begunMs >= leftMs - 1
        if (reply === null) continue
        last = reply
        if (dns.rcode(reply) === dns.SERVFAIL || dns.rcode(reply) === dns.REFUSED) continue
        this.good = server
        return reply
      }
      if (last !== null || !heard) return last
    }
    return last
  }

  close(): void {
    this.abort.abort()
  }

  private async one(server: Server, query: Message, timeoutMs: number): Promise<Message | null> {
    const key = `${server.address} ${server.port}`
    const { signal } = this.abort
    const isPlain = this.plain.has(key)
    const bytes = dns.question(query, exchange.id(), !isPlain)
    const reply = await exchange.udp(server, bytes, timeoutMs, signal).catch(() => null)
    if (reply === null) return null
    const code = dns.rcode(reply)
    // RFC 6891 7: a server that does not know OPT says so, or that it cannot read the question.
    if (!isPlain && reply.optAt < 0 && (code === dns.FORMERR || code === dns.NOTIMP)) {
      if (this.plain.size < 64) this.plain.add(key)
      const again = dns.question(query, exchange.id(), false)
      return await exchange.udp(server, again, timeoutMs, signal).catch(() => reply)
    }
    if ((reply.flags & dns.TC) === 0) return reply
    return await exchange.tcp(server, bytes, timeoutMs, signal).catch(() => reply)
  }
}
