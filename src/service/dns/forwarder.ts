/**
 * A network's name server. Own names are answered from what the switch knows; everything else goes to the servers of the
 * configuration and comes back as they said it, from the cache if it may. A question always gets an answer within the time
 * that a stub resolver waits: SERVFAIL where nobody upstream answers, REFUSED where nothing is forwarded.
 */
import type { Received, Station } from '../station.ts'
import { Cache, keyOf } from './cache.ts'
import { Listener } from './listener.ts'
import type { Message } from './message.ts'
import * as dns from './message.ts'
import { type Directory, dotted, Names, type Settings } from './names.ts'
import { parse, Resolvers, type Server } from './server.ts'
import { Upstream } from './upstream.ts'

export type { Directory, Settings } from './names.ts'

const PORT = 53
/** Questions under way upstream, a socket each. */
const SOCKETS_MAX = 1024
/** Askers that wait, and those of one guest: one that asks for nonsense leaves room for the others. */
const WAITING_MAX = 4096
const WAITING_EACH = 128
/** IPv4 and UDP headers of an answer. */
const HEADERS = 28

export interface Counts {
  queries: number
  /** answered from the cache, and from what the network knows itself */
  cached: number
  own: number
  /** asked upstream, and of these the ones that got no answer there */
  forwarded: number
  failed: number
}

type Answer = { body: Uint8Array; code: number }

const system = new Resolvers()

export class Forwarder {
  readonly counts: Counts = { queries: 0, cached: 0, own: 0, forwarded: 0, failed: 0 }
  private settings: Settings
  private readonly directory: Directory
  private readonly cache = new Cache()
  private readonly waiting = new Map<string, Promise<Answer | null>>()
  private readonly loads = new Map<number, number>()
  private readonly listeners: Listener[] = []
  private names: Names
  private upstream: Upstream
  private station: Station | null = null
  private askers = 0
  private closed = false

  /** `directory` is asked at every question. */
  constructor(settings: Settings, directory: Directory) {
    this.settings = settings
    this.directory = directory
    this.names = new Names(settings, directory)
    this.upstream = this.connect()
  }

  /** Answers as the new settings say from the next question on. */
  update(settings: Settings): void {
    const isMoved = settings.forward.join() !== this.settings.forward.join()
    this.settings = settings
    this.names = new Names(settings, this.directory)
    if (!isMoved) return
    this.cache.clear()
    this.upstream.close()
    this.upstream = this.connect()
  }

  /** Answers what comes in at the gateway's UDP port 53. */
  serve(station: Station): void {
    this.station = station
    station.serve(PORT, (received) => void this.receive(station, received))
  }

  /** Answers what comes in at a listening TCP socket; takes the descriptor over. */
  listen(fd: number): void {
    this.listeners.push(new Listener(fd, (bytes) => this.answer(bytes, dns.LENGTH_MAX, 0)))
  }

  /** Gives station and sockets back; questions under way are forgotten. */
  close(): void {
    this.closed = true
    this.station?.serve(PORT, null)
    this.upstream.close()
    for (const listener of this.listeners) listener.close()
    this.listeners.length = 0
  }

  /**
   * The answer to a message, at most `limit` bytes, or null if it deserves none. `source` tells the askers apart whose
   * questions are counted together.
   */
  async answer(bytes: Uint8Array, limit: number, source: number): Promise<Uint8Array | null> {
    this.counts.queries++
    const query = dns.parse(bytes)
    if (query === null) return dns.malformed(bytes)
    if (query.flags & dns.QR) return null
    if (dns.opcode(query) !== 0) return dns.empty(query, dns.NOTIMP)
    if (dns.version(query) !== 0) return dns.empty(query, dns.BADVERS)
    if (query.class !== dns.CLASS_IN && query.class !== dns.CLASS_ANY) return dns.empty(query, dns.REFUSED)
    if (query.type === dns.TYPE_AXFR || query.type === dns.TYPE_IXFR || query.type === dns.TYPE_OPT)
      return dns.empty(query, dns.REFUSED)
    const found = this.find(query) ?? (await this.ask(query, source))
    return dns.reply(query, found.body, found.code, limit)
  }

  /** The answer to a UDP datagram, as long as the asker, we and `room` allow; longer ones are cut and say so. */
  datagram(payload: Uint8Array, room: number, source: number): Promise<Uint8Array | null> {
    const query = dns.parse(payload)
    const wanted = query === null ? dns.PLAIN_LENGTH_MAX : dns.capacity(query)
    return this.answer(payload, Math.min(wanted, dns.UDP_LENGTH_MAX, room), source)
  }

  private async receive(station: Station, received: Received): Promise<void> {
    const { payload, source, sourcePort, destination, destinationPort, high, low } = received
    const reply = await this.datagram(payload, station.seat.mtu - HEADERS, source)
    if (reply === null || this.closed) return
    const ends = { source: destination, sourcePort: destinationPort, destination: source }
    station.send({ high, low, ...ends, destinationPort: sourcePort, payload: reply })
  }

  private find(query: Message): Answer | null {
    const own = this.names.answer(query)
    if (own !== null) {
      this.counts.own++
      return own
    }
    const kept = this.cache.find(keyOf(query), Date.now())
    if (kept !== null) this.counts.cached++
    return kept
  }

  private async ask(query: Message, source: number): Promise<Answer> {
    if (this.settings.forward.length === 0) return { body: dns.bare(query), code: dns.REFUSED }
    const key = keyOf(query)
    const load = this.loads.get(source) ?? 0
    let answer = this.waiting.get(key)
    // Who asks the same waits for the same answer: two sockets would double the chance to forge it (RFC 5452 5).
    const isFull = answer === undefined && this.waiting.size >= SOCKETS_MAX
    if (isFull || load >= WAITING_EACH || this.askers >= WAITING_MAX)
      return { body: dns.bare(query), code: dns.SERVFAIL }
    if (answer === undefined) {
      answer = this.forward(query, key).finally(() => this.waiting.delete(key))
      this.waiting.set(key, answer)
    }
    this.loads.set(source, load + 1)
    this.askers++
    const found = await answer
    this.askers--
    const left = (this.loads.get(source) ?? 1) - 1
    if (left > 0) this.loads.set(source, left)
    else this.loads.delete(source)
    return found ?? { body: dns.bare(query), code: dns.SERVFAIL }
  }

  private async forward(query: Message, key: string): Promise<Answer | null> {
    this.counts.forwarded++
    const { upstream } = this
    const reply = await upstream.ask(query)
    if (reply === null) {
      this.counts.failed++
      return null
    }
    if (upstream === this.upstream) this.cache.add(key, reply, Date.now())
    const body = dns.strip(reply)
    new DataView(body.buffer).setUint16(2, reply.flags & (dns.AD | dns.TC))
    return { body, code: dns.rcode(reply) }
  }

  /** Never ourselves: a host whose own resolver is this gateway would be asked in a circle. */
  private connect(): Upstream {
    return new Upstream(() => {
      const { forward, address } = this.settings
      const own = dotted(address)
      const servers = forward.flatMap((text): Server[] => {
        const server = parse(text)
        return text === 'system' ? system.list(Date.now()) : server === null ? [] : [server]
      })
      return servers.filter((server) => server.address !== own || server.port !== PORT)
    })
  }
}
