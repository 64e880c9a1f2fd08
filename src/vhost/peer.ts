/**
 * A connected front-end: reads its messages from the socket, one at a time, has the session do what they say, and sends the answers. No
 * byte of a message is read before the one before is done with, so what a front-end sends too fast stays in its own socket.
 */
import { type Cold, type NativeError, native } from '../memory/native.ts'
import * as message from './message.ts'
import type { Session } from './session.ts'

/** What of native a connection needs. */
export type Wire = Pick<Cold, 'unixReceive' | 'unixSend' | 'watchOpen' | 'watchClose' | 'descriptorClose'>

/** Messages handled at once before others on this thread have their turn. */
const BATCH = 16

export class Peer {
  private readonly fd: number
  private readonly session: Session
  private readonly wire: Wire
  private readonly gone: (fault: string) => void
  private watch = -1
  /** the message under way: what came of it, what is missing of its present part, its header once that is known */
  private parts: Buffer[] = []
  private missing = message.HEADER
  private header: message.Header | null = null
  private fds: number[] = []
  private turn: Promise<unknown> = Promise.resolve()
  private isEnding = false
  private ended: Promise<void> | null = null

  /**
   * Owns the socket. `gone` is told once everything is given back, if it is not `end` that ended it: with what the front-end did wrong, ''
   * if it just went.
   */
  constructor(fd: number, session: Session, gone: (fault: string) => void, wire: Wire = native) {
    this.fd = fd
    this.session = session
    this.wire = wire
    this.gone = gone
    this.listen()
  }

  /** Ends the connection; resolves once everything is given back. A message that is being handled is handled to its end first. */
  async end(): Promise<void> {
    this.isEnding = true
    this.rest()
    await this.turn
    await this.close()
  }

  private listen(): void {
    if (!this.isEnding) this.watch = this.wire.watchOpen(this.fd, () => this.look())
  }

  private rest(): void {
    if (this.watch >= 0) this.wire.watchClose(this.watch)
    this.watch = -1
  }

  private look(): void {
    this.rest()
    this.turn = this.serve()
  }

  /** Never rejects. */
  private async serve(): Promise<void> {
    try {
      for (let count = 0; count < BATCH && !this.isEnding; count++) {
        const given = this.read()
        if (given === null) break
        const fault = await this.heed(given)
        if (fault !== '') return this.leave(fault)
      }
      this.listen()
    } catch (error) {
      const { code } = error as NativeError
      await this.leave(code === 'EPIPE' || code === 'ECONNRESET' ? '' : (error as Error).message)
    }
  }

  /** The next message, null if it is not all there yet. Throws for what is none, and ECONNRESET where no more comes. */
  private read(): message.Message | null {
    for (;;) {
      if (this.missing === 0) {
        const whole = this.advance()
        if (whole !== null) return whole
        continue
      }
      const got = this.wire.unixReceive(this.fd, this.missing)
      if (got === null) return null
      this.fds.push(...got.fds)
      if (got.bytes.length === 0) throw Object.assign(new Error('closed'), { code: 'ECONNRESET' })
      if (this.fds.length > message.DESCRIPTORS_MAX)
        throw new Error('more descriptors than a message can have')
      this.parts.push(got.bytes)
      this.missing -= got.bytes.length
    }
  }

  /** From the header to the payload, and from the payload to the next message. */
  private advance(): message.Message | null {
    const bytes = this.parts.length === 1 ? this.parts[0] : Buffer.concat(this.parts)
    this.parts = []
    if (this.header === null) {
      this.header = message.header(bytes)
      const wrong = message.misheaded(this.header)
      if (wrong !== '') throw new Error(wrong)
      this.missing = this.header.length
      return null
    }
    const { request, flags } = this.header
    this.header = null
    this.missing = message.HEADER
    return { request, flags, payload: bytes, fds: this.fds.splice(0) }
  }

  /** What is wrong with a message, '' if it was done and answered. */
  private async heed(given: message.Message): Promise<string> {
    const { answer, fds, fault } = await this.session.handle(given)
    try {
      if (fault !== '' || answer === null) return fault
      return this.wire.unixSend(this.fd, answer, fds) ? '' : 'it does not read the answers that it asks for'
    } finally {
      for (const fd of fds) this.wire.descriptorClose(fd)
    }
  }

  private async leave(fault: string): Promise<void> {
    const isEnding = this.isEnding
    this.isEnding = true
    await this.close()
    if (!isEnding) this.gone(fault)
  }

  private close(): Promise<void> {
    this.ended ??= this.release()
    return this.ended
  }

  private async release(): Promise<void> {
    this.rest()
    await this.session.close()
    for (const fd of this.fds.splice(0)) this.wire.descriptorClose(fd)
    this.wire.descriptorClose(this.fd)
  }
}
