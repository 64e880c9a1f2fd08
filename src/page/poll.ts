/** Listings: asked for while somebody looks, again some seconds after each answer, later if answers are slow to make. */

const EVERY_MS = 3000
/** While a reader writes, not every letter is a question. */
export const WRITING_MS = 250
/** A listing may keep the switch's control thread busy for a twentieth of the time, no more. */
const SHARE = 20
/** On a busy machine an answer may be late once: only what is slow again and again counts as dear. */
const CHEAP_MS = EVERY_MS / SHARE

/** GET of JSON; throws an Error with the switch's own sentence. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const settings = { headers: { accept: 'application/json' }, ...(signal ? { signal } : {}) }
  const response = await fetch(path, settings).catch(() => {
    throw new Error('The switch does not answer.')
  })
  const body = await response.json()
  if (!response.ok) throw new Error(body.error ?? `${response.status} ${response.statusText}`)
  return body as T
}

export class Poll<T> {
  private readonly path: () => string | null
  private readonly take: (answer: T) => void
  private readonly fail: (message: string) => void
  private timer = 0
  private asked: AbortController | null = null
  private isOn = false
  private costMs = 0

  /** `path` may say null: nothing to ask for now. */
  constructor(
    path: () => string | null,
    take: (answer: T) => void,
    fail: (message: string) => void = () => {},
  ) {
    this.path = path
    this.take = take
    this.fail = fail
    document.addEventListener('visibilitychange', () => {
      if (this.isOn && document.visibilityState === 'visible') this.now()
    })
  }

  start(): void {
    this.isOn = true
    this.now()
  }

  stop(): void {
    this.isOn = false
    clearTimeout(this.timer)
    this.asked?.abort()
  }

  /** Asks at once, after `delayMs` of peace: a reader may still be writing. */
  now(delayMs = 0): void {
    clearTimeout(this.timer)
    if (this.isOn) this.timer = window.setTimeout(() => void this.ask(), delayMs)
  }

  private async ask(): Promise<void> {
    const path = this.path()
    if (path === null || document.visibilityState === 'hidden') return
    this.asked?.abort()
    const control = new AbortController()
    this.asked = control
    const begun = performance.now()
    try {
      const answer = await get<T>(path, control.signal)
      if (!control.signal.aborted) this.take(answer)
    } catch (error) {
      if (!control.signal.aborted) this.fail((error as Error).message)
    }
    if (control.signal.aborted) return
    this.costMs = Math.min(performance.now() - begun, Math.max(CHEAP_MS, this.costMs * 2))
    this.now(Math.max(EVERY_MS, this.costMs * SHARE))
  }
}
