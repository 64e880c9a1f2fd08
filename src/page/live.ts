/**
 * The stream that keeps the page up to date. A switch that restarts is found again by asking every second or two; a page that nobody has
 * looked at for a minute asks for nothing.
 */
import type { Picture, Sample } from '../control/live/live.ts'
import type { LinkState } from './world.ts'

/** The switch says something each second: four of silence are too many. */
const SILENCE_MS = 4000
const AGAIN_MS = [500, 1000, 2000]
const HIDDEN_MS = 60_000

export interface Listener {
  picture(picture: Picture): void
  sample(sample: Sample): void
  state(state: LinkState): void
}

export class Live {
  private readonly path: string
  private readonly listener: Listener
  private source: EventSource | null = null
  private attempts = 0
  private state: LinkState = 'connecting'
  private watch = 0
  private again = 0
  private hiding = 0

  constructor(path: string, listener: Listener) {
    this.path = path
    this.listener = listener
    document.addEventListener('visibilitychange', () => this.look())
    this.open()
  }

  private become(state: LinkState): void {
    this.state = state
    this.listener.state(state)
  }

  private open(): void {
    this.close()
    const source = new EventSource(this.path)
    this.source = source
    this.listen()
    source.addEventListener('picture', ({ data }) => {
      this.listen()
      this.listener.picture(JSON.parse(data))
    })
    source.addEventListener('sample', ({ data }) => {
      this.listen()
      this.attempts = 0
      this.listener.sample(JSON.parse(data))
      if (this.state !== 'live') this.become('live')
    })
    // EventSource gives up for ever where it is answered by anything but a stream, as by a switch that starts.
    source.addEventListener('error', () => this.lose())
  }

  private listen(): void {
    clearTimeout(this.watch)
    this.watch = window.setTimeout(() => this.lose(), SILENCE_MS)
  }

  private close(): void {
    clearTimeout(this.watch)
    clearTimeout(this.again)
    this.source?.close()
    this.source = null
  }

  private lose(): void {
    this.close()
    // A first attempt may come too early; a second one that fails is worth a word.
    if (this.state !== 'connecting' || this.attempts > 0) this.become('lost')
    const delay = AGAIN_MS[Math.min(this.attempts++, AGAIN_MS.length - 1)]
    this.again = window.setTimeout(() => this.open(), delay)
  }

  private look(): void {
    clearTimeout(this.hiding)
    if (document.visibilityState === 'hidden') this.hiding = window.setTimeout(() => this.pause(), HIDDEN_MS)
    else if (this.state === 'paused') this.open()
  }

  private pause(): void {
    this.close()
    this.become('paused')
  }
}
