/**
 * The way to an IPFIX collector: messages over UDP (RFC 7011 10.3), which come or do not come. Nobody waits for them. The socket is
 * connected, since only then the kernel passes on that the collector's host refuses them; whatever breaks the way, it is sought anew.
 */
import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { Log } from '../switch.ts'
import { Messages } from './message.ts'
import { type Told, templateOf } from './template.ts'

/** How often templates are sent again: a collector that was started later reads records no sooner. */
const TEMPLATES_MS = 60_000
/** How often a way is sought, and how long nobody may refuse before it is found: the longest round trip. */
const RETRY_MS = 1000
/** Bytes that wait in the socket at most, and messages that wait for a name's address. */
const QUEUE_MAX = 4 * 2 ** 20
const EARLY_MAX = 1024

export class Exporter {
  /** events whose message was not sent, or refused */
  lost = 0
  private readonly collector: { host: string; port: number }
  private readonly log: Log
  private readonly now: () => number
  private readonly socket
  private readonly messages: Messages
  private way: 'none' | 'sought' | 'open' = 'none'
  /** what is sent once the way is open */
  private early: (() => void)[] = []
  /** when templates are due, and when a way may be sought */
  private templatesMs = 0
  private seekMs = 0
  private isBroken = false
  /** since when messages leave and nobody refuses them; null if none left */
  private sinceMs: number | null = null
  /** events of the last message that left */
  private last = 0
  /** messages that the socket still has */
  private waiting = 0
  private ended: (() => void) | null = null

  /** `host` is an address, or the name of one of IPv4. */
  constructor(
    collector: { host: string; port: number },
    domain: number,
    log: Log,
    now = () => performance.now(),
  ) {
    this.collector = collector
    this.log = log
    this.now = now
    this.socket = createSocket(isIPv6(collector.host) ? 'udp6' : 'udp4').unref()
    this.socket.on('error', (error) => this.fail(error, 0))
    this.messages = new Messages(domain, (message, events) => this.send(message, events))
  }

  /** Says how to read what comes, and which networks are behind the interfaces' numbers, if it is time to. Call it before events are added. */
  introduce(names: ReadonlyMap<number, string>): void {
    const now = this.now()
    if (now < this.templatesMs) return
    this.templatesMs = now + TEMPLATES_MS
    this.messages.templates()
    for (const [index, name] of names) this.messages.name(index, name)
  }

  add(told: Told): void {
    this.messages.add(told, templateOf(told.event))
  }

  /** Sends what was added. */
  flush(): void {
    this.messages.flush()
  }

  /** Sends what was added, then closes the socket. */
  end(): Promise<void> {
    this.messages.flush()
    return new Promise((resolve) => {
      this.ended = resolve
      this.settle()
    })
  }

  private settle(): void {
    if (this.waiting === 0 && this.ended !== null) this.socket.close(this.ended)
  }

  private seek(): void {
    const { host, port } = this.collector
    this.way = 'sought'
    this.seekMs = this.now() + RETRY_MS
    this.socket.connect(port, host, (error?: Error) => {
      this.way = error === undefined ? 'open' : 'none'
      for (const post of this.early.splice(0)) post()
      if (error !== undefined) this.fail(error, 0)
    })
  }

  private send(message: Buffer, events: number): void {
    if (this.way === 'none' && this.now() >= this.seekMs) this.seek()
    if (this.way === 'open') this.post(message, events)
    else if (this.way === 'sought' && this.early.length < EARLY_MAX) {
      this.waiting++
      this.early.push(() => {
        this.waiting--
        this.post(message, events)
        this.settle()
      })
    } else this.lost += events
  }

  private post(message: Buffer, events: number): void {
    if (this.way !== 'open' || this.socket.getSendQueueSize() > QUEUE_MAX) {
      this.lost += events
      return
    }
    this.waiting++
    this.socket.send(message, (error) => {
      this.waiting--
      if (error === null) this.pass(events)
      else this.fail(error, events)
      this.settle()
    })
  }

  /** A message left. Tells once that they do again. */
  private pass(events: number): void {
    const { host, port } = this.collector
    const now = this.now()
    this.last = events
    this.sinceMs ??= now
    if (!this.isBroken || now - this.sinceMs < RETRY_MS) return
    this.isBroken = false
    this.log.info({ ipfix: `${host}:${port}` }, 'flows leave for the collector again')
  }

  /** A message with so many events did not leave, or the last one was refused. Tells once that nothing arrives. */
  private fail(error: Error, events: number): void {
    const { host, port } = this.collector
    const isRefused = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
    this.lost += events + (isRefused ? this.last : 0)
    this.last = 0
    this.sinceMs = null
    // To a collector, what comes by another way is another session, which begins with templates.
    this.templatesMs = this.now() + RETRY_MS
    if (this.way === 'open') {
      this.way = 'none'
      this.socket.disconnect()
    }
    const why = isRefused ? 'it refuses them; is it running?' : error.message
    if (!this.isBroken)
      this.log.warn({ ipfix: `${host}:${port}` }, `flows do not leave for the collector: ${why}`)
    this.isBroken = true
  }
}
