/**
 * The way to an IPFIX collector: messages over UDP (RFC 7011 10.3), which come or do not come. Nobody waits for them. The socket is
 * connected, since only then the kernel passes on that the collector's host refuses them.
 */
import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { Log } from '../switch.ts'
import { Messages } from './message.ts'
import { type Told, templateOf } from './template.ts'

/** How often templates are sent again: a collector that was started later reads records no sooner. */
const TEMPLATES_MS = 60_000
/** Bytes that wait in the socket at most. */
const QUEUE_MAX = 4 * 2 ** 20
/** A refusal that has not come by then does not come: the longest round trip. */
const REFUSAL_MS = 1000

export class Exporter {
  /** events whose message was not sent, or refused */
  lost = 0
  private readonly collector: { host: string; port: number }
  private readonly log: Log
  private readonly now: () => number
  private readonly socket
  private readonly messages: Messages
  /** when templates are due */
  private next = 0
  /** messages until the socket is connected or cannot be */
  private early: (() => void)[] = []
  private way: 'none' | 'wanted' | 'open' = 'none'
  private isBroken = false
  /** since when messages leave and nobody refuses them; null if none left */
  private sinceMs: number | null = null
  /** events of the last message that left */
  private last = 0
  /** messages that the socket still has */
  private waiting = 0
  private ended: (() => void) | null = null

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
    if (now < this.next) return
    this.next = now + TEMPLATES_MS
    if (this.way === 'none') this.connect()
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

  private connect(): void {
    const { host, port } = this.collector
    this.way = 'wanted'
    this.socket.connect(port, host, (error?: Error) => {
      this.way = error ? 'none' : 'open'
      if (error) this.fail(error, 0)
      for (const post of this.early.splice(0)) post()
    })
  }

  private settle(): void {
    if (this.waiting === 0 && this.ended !== null) this.socket.close(this.ended)
  }

  private send(message: Buffer, events: number): void {
    if (this.socket.getSendQueueSize() > QUEUE_MAX || this.early.length > QUEUE_MAX / message.length) {
      this.lost += events
      return
    }
    this.waiting++
    if (this.way === 'wanted') this.early.push(() => this.post(message, events))
    else this.post(message, events)
  }

  private post(message: Buffer, events: number): void {
    const { host, port } = this.collector
    const done = (error: Error | null) => {
      this.waiting--
      if (error === null) this.pass(events)
      else this.fail(error, events)
      this.settle()
    }
    if (this.way === 'open') this.socket.send(message, done)
    else this.socket.send(message, port, host, done)
  }

  /** A message left. Tells once that they do again. */
  private pass(events: number): void {
    const now = this.now()
    this.last = events
    this.sinceMs ??= now
    if (!this.isBroken || now - this.sinceMs < REFUSAL_MS) return
    this.isBroken = false
    const { host, port } = this.collector
    this.log.info({ ipfix: `${host}:${port}` }, 'flows leave for the collector again')
  }

  /** A message with so many events did not leave, or the last one was refused. Tells once that nothing arrives. */
  private fail(error: Error, events: number): void {
    const isRefused = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
    this.lost += events + (isRefused ? this.last : 0)
    this.last = 0
    this.sinceMs = null
    // Without an address or a way the next message looks for them anew.
    if (!isRefused && this.way === 'open') {
      this.way = 'none'
      this.socket.disconnect()
    }
    const { host, port } = this.collector
    if (!this.isBroken)
      this.log.warn(
        { ipfix: `${host}:${port}` },
        `flows do not leave for the collector: ${isRefused ? 'it refuses them; is it running?' : error.message}`,
      )
    this.isBroken = true
  }
}
