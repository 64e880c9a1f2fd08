/**
 * A published UDP port: one socket for the world, and for each peer that sends to it a socket of its own towards the guest,
 * so that an answer finds its way back. A session without a packet for five minutes ends (RFC 4787 REQ-5); so does one whose
 * guest answered by ICMP that nobody listens.
 */
import * as dgram from 'node:dgram'
import { close } from '../port/socket.ts'

const IDLE_MS = 300_000
/** How often idle sessions are looked for: none lives longer than its time and this. */
const SWEEP_MS = 10_000
/** Sockets of all published ports together, a descriptor each; the one that was silent longest makes room for the next. */
const CAPACITY = 4096
/** Bytes that the kernel holds for us while the control thread does something else: some 600 full packets. */
const BUFFER = 1 << 20
/** Datagrams a session or the outer socket may have under way inside Node; a sender that is faster loses the others. */
const QUEUE_MAX = 4 << 20

class Session {
  readonly socket = dgram.createSocket('udp4')
  readonly key: string
  readonly close: () => void
  lastMs = Date.now()
  /** what came before the socket was connected */
  private early: Buffer[] | null = []

  constructor(
    key: string,
    target: { address: string; port: number },
    outer: Published,
    peer: dgram.RemoteInfo,
  ) {
    this.key = key
    this.close = () => this.socket.close()
    this.socket.on('message', (payload) => {
      this.lastMs = Date.now()
      outer.reply(payload, peer)
    })
    this.socket.on('error', () => outer.end(this))
    this.socket.on('connect', () => {
      const waiting = this.early ?? []
      this.early = null
      for (const payload of waiting) this.send(payload)
    })
    this.socket.connect(target.port, target.address)
  }

  send(payload: Buffer): void {
    this.lastMs = Date.now()
    if (this.early !== null) {
      if (this.early.length < 64) this.early.push(payload)
    } else if (this.socket.getSendQueueSize() < QUEUE_MAX) this.socket.send(payload, () => {})
  }
}

/** Sessions of all published ports, the one that was used last at the end. */
const sessions = new Map<string, { session: Session; outer: Published }>()
let sweeper: NodeJS.Timeout | null = null

function sweep(): void {
  const before = Date.now() - IDLE_MS
  for (const { session, outer } of sessions.values()) if (session.lastMs < before) outer.end(session)
  if (sessions.size > 0 || sweeper === null) return
  clearInterval(sweeper)
  sweeper = null
}

let numbers = 0

export class Published {
  private readonly socket: dgram.Socket
  private readonly number = ++numbers
  private readonly target: { address: string; port: number }
  private closed = false

  /** Takes the descriptor of a bound socket over; what comes in goes on to `address`:`port`. */
  constructor(fd: number, address: string, port: number) {
    this.target = { address, port }
    this.socket = dgram.createSocket('udp4')
    this.socket.on('message', (payload, peer) => this.receive(payload, peer))
    this.socket.on('error', () => {})
    this.socket.on('listening', () => {
      if (!this.closed) this.socket.setRecvBufferSize(BUFFER)
    })
    try {
      this.socket.bind({ fd, exclusive: true })
    } catch (error) {
      close(fd)
      throw error
    }
  }

  static get open(): number {
    return sessions.size
  }

  private receive(payload: Buffer, peer: dgram.RemoteInfo): void {
    const key = `${this.number} ${peer.address} ${peer.port}`
    let entry = sessions.get(key)
    if (entry === undefined) {
      if (sessions.size >= CAPACITY) {
        const [oldest] = sessions.values()
        oldest.outer.end(oldest.session)
      }
      entry = { session: new Session(key, this.target, this, peer), outer: this }
      sweeper ??= setInterval(sweep, SWEEP_MS).unref()
    } else sessions.delete(key)
    sessions.set(key, entry)
    entry.session.send(payload)
  }

  reply(payload: Buffer, peer: dgram.RemoteInfo): void {
    if (this.closed || this.socket.getSendQueueSize() >= QUEUE_MAX) return
    this.socket.send(payload, peer.port, peer.address, () => {})
  }

  end(session: Session): void {
    if (sessions.get(session.key)?.session !== session) return
    sessions.delete(session.key)
    session.close()
  }

  /** Closes the socket and ends its sessions; the port is free at once. */
  close(): void {
    if (this.closed) return
    this.closed = true
    for (const { session, outer } of sessions.values()) if (outer === this) this.end(session)
    this.socket.close()
  }
}
