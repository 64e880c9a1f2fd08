/** DNS over TCP (RFC 7766): messages with a length before them, several in a connection, answered as they are ready. */
import * as net from 'node:net'

/** RFC 7766 6.2.3 leaves it to us: long enough for a resolver's next question. */
const IDLE_MS = 10_000
/** Connections at once; the one that was silent longest makes room. */
const CAPACITY = 256
/** Questions of one connection that wait for their answers; it is read no further until one is answered. */
const WAITING_MAX = 32
/** Bytes that a client leaves unread. */
const UNREAD_MAX = 256 << 10

export type Answerer = (query: Uint8Array) => Promise<Uint8Array | null>

class Connection {
  private readonly socket: net.Socket
  private readonly answer: Answerer
  private readonly onuse: () => void
  private received = Buffer.alloc(0)
  private waiting = 0
  private ended = false

  constructor(socket: net.Socket, answer: Answerer, onuse: () => void) {
    this.socket = socket
    this.answer = answer
    this.onuse = onuse
    socket.setTimeout(IDLE_MS, () => socket.destroy())
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk) => {
      this.received = this.received.length === 0 ? chunk : Buffer.concat([this.received, chunk])
      this.read()
    })
    socket.on('end', () => {
      this.ended = true
      this.finish()
    })
  }

  private read(): void {
    while (this.waiting < WAITING_MAX && this.received.length >= 2) {
      const end = 2 + this.received.readUInt16BE()
      if (this.received.length < end) break
      const query = Uint8Array.prototype.slice.call(this.received, 2, end)
      this.received = this.received.subarray(end)
      this.waiting++
      this.onuse()
      void this.answer(query).then((reply) => this.send(reply))
    }
    if (this.waiting >= WAITING_MAX) this.socket.pause()
  }

  private send(reply: Uint8Array | null): void {
    this.waiting--
    if (this.socket.destroyed) return
    // RFC 7766 has no word for a question without an answer: whoever asks such things is not served.
    if (reply === null || this.socket.writableLength > UNREAD_MAX) {
      this.socket.destroy()
      return
    }
    const bytes = Buffer.alloc(2 + reply.length)
    bytes.writeUInt16BE(reply.length)
    bytes.set(reply, 2)
    this.socket.write(bytes)
    this.read()
    if (this.waiting < WAITING_MAX) this.socket.resume()
    this.finish()
  }

  private finish(): void {
    if (this.ended && this.waiting === 0) this.socket.end()
  }
}

export class Listener {
  private readonly server: net.Server
  private readonly sockets = new Set<net.Socket>()

  /** Takes the descriptor of a listening socket over. */
  constructor(fd: number, answer: Answerer) {
    this.server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const [oldest] = this.sockets
      if (this.sockets.size >= CAPACITY) oldest.destroy()
      this.use(socket)
      socket.on('close', () => this.sockets.delete(socket))
      new Connection(socket, answer, () => this.use(socket))
    })
    // Without descriptors for a while: connections wait in the kernel.
    this.server.on('error', () => {})
    this.server.listen({ fd, exclusive: true })
  }

  /** Moves a connection to the end of the line. */
  private use(socket: net.Socket): void {
    this.sockets.delete(socket)
    if (!socket.destroyed) this.sockets.add(socket)
  }

  close(): void {
    this.server.close()
    for (const socket of this.sockets) socket.destroy()
  }
}
