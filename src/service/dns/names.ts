/** What a network knows itself: guests by name, written names, and the names of the subnet's addresses. */
import packet from 'dns-packet'
import type { Message } from './message.ts'
import * as dns from './message.ts'

/** Who is in the network at the moment; names are host names without the domain, in lower case. */
export interface Directory {
  address(hostname: string): number | null
  hostname(address: number): string | null
}

/** `address` is the gateway's; addresses are int32. */
export interface Settings {
  /** '' for none */
  domain: string
  address: number
  subnet: { address: number; prefix: number } | null
  /** `system`, or an address with an optional port; empty: nothing but own names is answered */
  forward: string[]
  /** host name → dotted quad */
  names: Map<string, string>
}

/** A guest's address may go to another as soon as its lease ends: what is not asked again within seconds would be wrong. */
const TTL = 5
/** The gateway's own name in the domain. */
const GATEWAY = 'gateway'

type Record = { name: string; type: 'A' | 'PTR'; data: string }

export function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')
}

function int32(text: string): number {
  return text.split('.').reduce((sum, part) => (sum << 8) | Number(part), 0)
}

/** RFC 1035 3.5: the address whose reverse name this is, or null. */
function reversed(name: string): number | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name)
  const parts = match?.slice(1, 5).reverse() ?? []
  if (match === null || parts.some((part) => Number(part) > 255 || String(Number(part)) !== part)) return null
  return int32(parts.join('.'))
}

export class Names {
  private readonly domain: string
  private readonly settings: Settings
  private readonly directory: Directory
  private readonly written: Map<string, number>
  private readonly reverse: Map<number, string>

  constructor(settings: Settings, directory: Directory) {
    this.settings = settings
    this.directory = directory
    this.domain = dns.lower(settings.domain)
    this.written = new Map([...settings.names].map(([name, text]) => [dns.lower(name), int32(text)]))
    this.reverse = new Map([...this.written].reverse().map(([name, address]) => [address, name]))
  }

  /** The answer to a query without OPT and its rcode, or null if it is not ours to answer. */
  answer(query: Message): { body: Uint8Array; code: number } | null {
    const { name } = query
    const address = reversed(name)
    if (address !== null) return this.holds(address) ? this.named(query, address) : null
    if (this.domain !== '' && name === this.domain) return this.build(query, [])
    const suffix = `.${this.domain}`
    if (this.domain !== '' && name.endsWith(suffix)) {
      const found = this.find(name) ?? this.find(name.slice(0, -suffix.length))
      return found === null ? this.build(query, null) : this.at(query, found)
    }
    const found = this.find(name)
    return found === null ? null : this.at(query, found)
  }

  private find(name: string): number | null {
    const written = this.written.get(name)
    if (written !== undefined) return written
    if (name === '' || name.includes('.')) return null
    return this.directory.address(name) ?? (name === GATEWAY ? this.settings.address : null)
  }

  private holds(address: number): boolean {
    const { subnet } = this.settings
    if (this.reverse.has(address)) return true
    if (subnet === null) return false
    const mask = subnet.prefix === 0 ? 0 : -1 << (32 - subnet.prefix)
    return ((address ^ subnet.address) & mask) === 0
  }

  /** A name that exists has no records but its address: AAAA and others are answered without any, not denied. */
  private at(query: Message, address: number): { body: Uint8Array; code: number } {
    const isAsked = query.type === dns.TYPE_A || query.type === dns.TYPE_ANY
    return this.build(query, isAsked ? [{ name: query.written, type: 'A', data: dotted(address) }] : [])
  }

  private named(query: Message, address: number): { body: Uint8Array; code: number } {
    const own = address === this.settings.address ? GATEWAY : null
    const hostname = this.reverse.get(address) ?? this.directory.hostname(address) ?? own
    if (hostname === null) return this.build(query, null)
    const isAsked = query.type === dns.TYPE_PTR || query.type === dns.TYPE_ANY
    const isWhole = this.domain === '' || hostname.includes('.')
    const data = isWhole ? hostname : `${hostname}.${this.domain}`
    return this.build(query, isAsked ? [{ name: query.written, type: 'PTR', data }] : [])
  }

  /** With records, without any (RFC 2308 2.2), or null: there is no such name. */
  private build(query: Message, records: Record[] | null): { body: Uint8Array; code: number } {
    const code = records === null ? dns.NXDOMAIN : dns.NOERROR
    // The library writes plain names; no name of ours is any other.
    if (!/^[!-[\]-~]*$/.test(query.written)) return { body: dns.bare(query), code }
    const isReverse = query.name.endsWith('.in-addr.arpa')
    const zone = isReverse ? query.name.slice(query.name.indexOf('.') + 1) : this.domain || query.name
    const times = { serial: 1, refresh: 3600, retry: 600, expire: 86_400, minimum: TTL }
    const data = { mname: `${GATEWAY}.${zone}`, rname: `nobody.${zone}`, ...times }
    const authority = { name: zone, type: 'SOA' as const, ttl: TTL, data }
    const isStart = query.type === dns.TYPE_SOA && query.name === this.domain
    const answers = isStart ? [authority] : (records ?? []).map((record) => ({ ...record, ttl: TTL }))
    const body = packet.encode({
      type: 'response',
      flags: packet.AUTHORITATIVE_ANSWER,
      questions: [{ name: query.written, type: 'A' }],
      answers,
      authorities: answers.length === 0 && zone.length < 200 ? [authority] : [],
    })
    new DataView(body.buffer, body.byteOffset).setUint32(
      query.questionEnd - 4,
      (query.type << 16) | query.class,
    )
    return { body, code }
  }
}
