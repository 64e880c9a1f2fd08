/** Answers that were given, until their TTLs end (RFC 2181 8, RFC 2308); bounded in number and bytes, the longest unused goes first. */
import type { Message } from './message.ts'
import * as dns from './message.ts'

/** Resolvers keep nothing longer than a day, and no failure longer than three hours (RFC 2308 5). */
const LIFE_MAX_S = 86_400
const NEGATIVE_MAX_S = 10_800
/** Room for the names of a busy network: at most 8 MiB, and usually a tenth of it. */
const CAPACITY = 8192
const BYTES_MAX = 8 << 20
/** A message that could fill the cache with a few others is asked for again instead. */
const MESSAGE_MAX = 16 << 10

interface Entry {
  /** without OPT */
  body: Uint8Array
  ttls: number[]
  code: number
  bornMs: number
  endMs: number
}

/** RFC 2181 8: a TTL with the first bit set is zero. */
function ttlAt(view: DataView, at: number): number {
  const ttl = view.getUint32(at)
  return ttl > 0x7fffffff ? 0 : ttl
}

/** How long an answer may be kept, in seconds; 0 is not at all. */
function life(reply: Message): number {
  const code = dns.rcode(reply)
  if (code !== dns.NOERROR && code !== dns.NXDOMAIN) return 0
  const isNegative = code === dns.NXDOMAIN || dns.answers(reply) === 0
  // RFC 2308 5: a negative answer without SOA is not kept; with one, for the lesser of its TTL and its MINIMUM.
  if (isNegative && reply.minimum < 0) return 0
  const ttls = reply.ttls.map((at) => ttlAt(reply.view, at))
  if (reply.minimum >= 0) ttls.push(ttlAt(reply.view, reply.minimum))
  return Math.min(isNegative ? NEGATIVE_MAX_S : LIFE_MAX_S, ...ttls)
}

/** What tells questions apart whose answers differ. */
export function keyOf(query: Message): string {
  const marks = (dns.wantsSecurity(query) ? 'd' : '') + (query.flags & dns.CD ? 'c' : '')
  return `${query.type} ${query.class} ${marks} ${query.name}`
}

export class Cache {
  private readonly entries = new Map<string, Entry>()
  private readonly capacity: number
  private bytes = 0

  constructor(capacity = CAPACITY) {
    this.capacity = capacity
  }

  get size(): number {
    return this.entries.size
  }

  /** The answer's body with TTLs as they are now, and its rcode; null if there is none. */
  find(key: string, nowMs: number): { body: Uint8Array; code: number } | null {
    const entry = this.entries.get(key)
    if (entry === undefined) return null
    this.drop(key)
    if (nowMs >= entry.endMs || nowMs < entry.bornMs) return null
    this.insert(key, entry)
    const body = entry.body.slice()
    const view = new DataView(body.buffer)
    const age = Math.floor((nowMs - entry.bornMs) / 1000)
    for (const at of entry.ttls) view.setUint32(at, Math.max(0, Math.min(LIFE_MAX_S, ttlAt(view, at)) - age))
    return { body, code: entry.code }
  }

  /** Keeps a reply of a server if it may be kept. */
  add(key: string, reply: Message, nowMs: number): void {
    const lifeMs = life(reply) * 1000
    if (lifeMs <= 0 || (reply.flags & dns.TC) !== 0) return
    const body = dns.strip(reply)
    if (body.length > MESSAGE_MAX) return
    new DataView(body.buffer).setUint16(2, reply.flags & dns.AD)
    this.drop(key)
    const ttls = reply.ttls.filter((at) => at + 4 <= body.length)
    this.insert(key, { body, ttls, code: dns.rcode(reply), bornMs: nowMs, endMs: nowMs + lifeMs })
    while (this.entries.size > this.capacity || this.bytes > BYTES_MAX) {
      const [oldest] = this.entries.keys()
      this.drop(oldest)
    }
  }

  clear(): void {
    this.entries.clear()
    this.bytes = 0
  }

  private insert(key: string, entry: Entry): void {
    this.entries.set(key, entry)
    this.bytes += entry.body.length + key.length
  }

  private drop(key: string): void {
    const entry = this.entries.get(key)
    if (entry === undefined) return
    this.entries.delete(key)
    this.bytes -= entry.body.length + key.length
  }
}
