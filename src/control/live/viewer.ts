/**
 * A stream of server-sent events, one viewer's. Nothing is kept for a viewer that does not read: samples are skipped until what was
 * sent has left, and after a while the stream ends.
 */
import { Readable } from 'node:stream'

/** How long a viewer may read nothing, in milliseconds. */
const STUCK_MS = 30_000
/** When a browser asks again after the stream broke, in milliseconds. */
const RETRY_MS = 2000

export class Viewer extends Readable {
  readonly intervalMs: number
  /** how many of the busiest flows it wants */
  readonly flows: number
  readonly isForeign: boolean
  private picture = ''
  /** when the next sample is due, and when something was taken last */
  private dueMs = performance.now()
  private takenMs = this.dueMs
  private isReady = true

  constructor(intervalMs: number, flows: number, isForeign: boolean) {
    super()
    this.intervalMs = intervalMs
    this.flows = flows
    this.isForeign = isForeign
    this.push(`retry: ${RETRY_MS}\n\n`)
  }

  /** What was sent has left. */
  override _read(): void {
    this.isReady = true
  }

  isDue(now: number): boolean {
    return now >= this.dueMs
  }

  /** A sample, and before it the picture unless the viewer has it; what comes too soon for the viewer is lost. */
  tell(picture: string, sample: string): void {
    this.dueMs = Math.max(this.dueMs + this.intervalMs, performance.now())
    if (this.send(picture === this.picture ? sample : picture + sample)) this.picture = picture
  }

  /** A sign of life after so long a silence; the end for a viewer that does not read. */
  rest(silenceMs: number): void {
    const silence = performance.now() - this.takenMs
    if (this.isReady && silence >= silenceMs) this.send(':\n\n')
    else if (silence > STUCK_MS) this.destroy()
  }

  /** The end, after what was sent. */
  end(): void {
    this.isReady = false
    this.push(null)
  }

  private send(text: string): boolean {
    if (!this.isReady) return false
    this.takenMs = performance.now()
    this.isReady = this.push(text)
    return true
  }
}
