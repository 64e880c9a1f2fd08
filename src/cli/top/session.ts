/** `bridgeport top` on a terminal: keys, samples and sizes come in as they like, and each gives a new picture. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Wish, watch } from './feed.ts'
import { type Key, press } from './keys.ts'
import { Screen } from './screen.ts'
import type { Summary } from './summary.ts'
import { draw, initial, type View } from './view.ts'

/** How often a switch that is gone is asked for. */
const RETRY_MS = 1000
/** A switch that is late by so much says nothing at all. */
const SILENCE_MS = 3000
/** 128 and the signal's number, as shells have it. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

export class Session {
  private readonly wish: Wish
  private readonly screen: Screen
  private view: View
  private summary: Summary | null = null
  /** what is shown while the view stands still */
  private held: Summary | null = null
  private notice = ''
  private page = 0
  private heardAt = 0
  private isOver = false
  private stream = new AbortController()
  private end: (status: number) => void = () => {}
  private fail: (error: unknown) => void = () => {}

  constructor(wish: Wish) {
    this.wish = wish
    this.view = { ...initial, intervalMs: wish.intervalMs }
    this.screen = new Screen({ key: (key) => this.key(key), lost: () => this.draw() })
  }

  /** Runs until the user quits; resolves to the exit status. Rejects if there is no switch to begin with. */
  async run(): Promise<number> {
    const ended = new Promise<number>((resolve, reject) => {
      this.end = resolve
      this.fail = reject
    })
    const broken = (error: Error) => this.fail(error)
    process.on('uncaughtException', broken)
    for (const [name, status] of Object.entries(SIGNALS)) process.once(name, () => this.end(status))
    const watchdog = setInterval(() => this.listen(), RETRY_MS)
    this.follow().catch(broken)
    try {
      return await ended
    } finally {
      this.isOver = true
      clearInterval(watchdog)
      this.stream.abort()
      this.screen.close()
    }
  }

  /** Follows the stream, and the one after it when it ends, for the switch or because the user wants another pace. */
  private async follow(): Promise<void> {
    while (!this.isOver) {
      this.stream = new AbortController()
      const { signal } = this.stream
      try {
        await watch(
          { ...this.wish, intervalMs: this.view.intervalMs },
          (each, isFirst) => this.take(each, isFirst),
          signal,
        )
        if (signal.aborted) continue
        this.tell('the switch has ended; waiting for it')
      } catch (error) {
        // Without a picture there is no screen either: the command simply fails.
        if (this.summary === null) throw error
        this.tell(`${(error as Error).message.split(';')[0]}; waiting for it`)
      }
      await sleep(RETRY_MS)
    }
  }

  private take(summary: Summary, isFirst: boolean): void {
    // Rates that are known are not hidden by a first moment's that has none.
    if (isFirst && this.summary !== null) return
    this.screen.open()
    this.summary = summary
    this.heardAt = Date.now()
    this.tell('')
  }

  private tell(notice: string): void {
    this.notice = notice
    this.draw()
  }

  /** A switch that hangs keeps the connection and says nothing. */
  private listen(): void {
    const silence = Date.now() - this.heardAt
    if (this.notice === '' && this.summary !== null && silence > this.view.intervalMs + SILENCE_MS)
      this.tell(`no sample for ${Math.round(silence / 1000)} s`)
  }

  private key(key: Key): void {
    const view = press(this.view, key, this.page)
    if (view === null) {
      this.end(0)
      return
    }
    const isOther = view.intervalMs !== this.view.intervalMs
    this.held = view.isPaused ? (this.held ?? this.summary) : null
    this.view = view
    this.draw()
    if (isOther) this.stream.abort()
  }

  private draw(): void {
    const summary = this.held ?? this.summary
    if (summary === null) return
    const { lines, offset, page } = draw(
      summary,
      this.view,
      this.notice,
      this.screen.width,
      this.screen.height,
    )
    this.view = { ...this.view, offset }
    this.page = page
    this.screen.show(lines)
  }
}
