/** The way to an IPFIX collector: messages over UDP (RFC 7011 10.3), which come or do not come. Nobody waits for them. */
import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { Log } from '../switch.ts'
import { Messages } from './message.ts'
import { type Told, templateOf } from './template.ts'

/** How often templates are sent again: a collector that was started later reads records no sooner. */
const TEMPLATES_MS = 60_000
/** Bytes that wait in the socket at most. */
const QUEUE_MAX = 4 * 2 ** 20

export class Exporter {
  /** events whose message was not sent */
  lost = 0
  private readonly collector: { host: string; port: number }
  private readonly log: Log
  private readonly socket
  private readonly messages: Messages
  /** when templates are due */
  private next = 0
  private isBroken = false
  /** messages that the socket still has */
  private waiting = 0
  private ended: (() => void) | null = null

  constructor(collector: { host: string; port: number }, domain: number, log: Log) {
    this.collector = collector
    this.log = log
    this.socket = createSocket(isIPv6(collector.host) ? 'udp6' : 'udp4').unref()
    this.socket.on('error', (error) => this.hear(error, 0))
    this.messages = new Messages(domain, (message, events) => this.send(message, events))
  }

  /** Says how to read what comes, and which networks are behind the interfaces' numbers, if it is time to. Call it before events are added. */
  introduce(names: ReadonlyMap<number, string>): void {
    const now = performance.now()
    if (now < this.next) return
    this.next = now + TEMPLATES_MS
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

  private send(message: Buffer, events: number): void {
    const { host, port } = this.collector
    if (this.socket.getSendQueueSize() > QUEUE_MAX) {
      this.lost += events
      return
    }
    this.waiting++
    this.socket.send(message, port, host, (error) => {
      this.waiting--
      this.hear(error, events)
      this.settle()
    })
  }

  /** Tells once that nothing gets away, and once that it does again. */
  private hear(error: Error | null, events: number): void {
    const { host, port } = this.collector
    if (error !== null) {
      this.lost += events
      if (!this.isBroken)
        this.log.warn({ ipfix: `${host}:${port}` }, `flows do not leave for the collector: ${error.message}`)
    } else if (this.isBroken)
      this.log.info({ ipfix: `${host}:${port}` }, 'flows leave for the collector again')
    this.isBroken = error !== null
  }
}
