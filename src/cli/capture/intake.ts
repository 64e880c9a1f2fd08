/**
 * A capture's answer, read from the socket into one buffer that is used again and again. It is asked for by HTTP/1.0 (RFC 1945 7.2.2), whose
 * body is what comes until the connection ends: node:http takes four times as much CPU for it, and a busy machine has none to spare.
 */
import { connect, type Socket } from 'node:net'

/** What is read at once, in bytes: about what a socket holds. */
const BUFFER_LENGTH = 2 ** 18
/** Longer is no head of the switch's. */
const HEAD_MAX = 2 ** 14

/** Gets a piece, which is its own until it returns; false: no more before resume(). */
type Take = (piece: Buffer) => boolean

export class Intake {
  readonly status: number
  /** what stood behind the head in the same piece */
  private readonly first: Buffer
  private readonly head: string
  private readonly socket: Socket
  private readonly hand: (take: Take) => void

  private constructor(socket: Socket, head: string, first: Buffer, hand: (take: Take) => void) {
    this.status = Number(/^HTTP\/1\.\d (\d{3}) /.exec(head)?.[1])
    this.head = head
    this.first = first
    this.socket = socket
    this.hand = hand
  }

  /** Asks for a path; resolves once the head is there. Rejects with the socket's error. */
  static open(path: string, target: string): Promise<Intake> {
    return new Promise((resolve, reject) => {
      let head = Buffer.alloc(0)
      let take: Take = (piece) => {
        head = Buffer.concat([head, piece])
        const end = head.indexOf('\r\n\r\n')
        if (end >= 0) {
          const rest = head.subarray(end + 4)
          resolve(new Intake(socket, head.toString('latin1', 0, end), rest, (next) => void (take = next)))
        } else if (head.length > HEAD_MAX) socket.destroy()
        return end < 0
      }
      const buffer = Buffer.allocUnsafeSlow(BUFFER_LENGTH)
      const callback = (length: number) => take(buffer.subarray(0, length))
      const socket = connect({ path, onread: { buffer, callback } })
      socket.on('error', reject).once('close', () => reject(new Error('the connection ended')))
      socket.write(`GET ${target} HTTP/1.0\r\n\r\n`)
    })
  }

  /** The value of a header, '' if there is none. */
  header(name: string): string {
    return new RegExp(`^${name}: (.*)$`, 'im').exec(this.head)?.[1].trim() ?? ''
  }

  /** Gives the body piece by piece to `take`; resolves when the connection has ended, however that came. */
  read(take: Take): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      if (this.socket.destroyed) resolve()
      else this.socket.once('close', () => resolve())
    })
    this.hand(take)
    if (this.first.length === 0 || take(this.first)) this.resume()
    return ended
  }

  resume(): void {
    this.socket.resume()
  }

  destroy(): void {
    this.socket.destroy()
  }
}
