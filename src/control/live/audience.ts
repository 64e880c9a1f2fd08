/** Who looks at what happens: one sampler, one timer and one text for all of them, and none of it while nobody looks. */
import type { Readable } from 'node:stream'
import { Busy } from '../refusal.ts'
import type { Switch } from '../switch.ts'
import type { Sample } from './live.ts'
import { Pace } from './pace.ts'
import { Sampler } from './sampler.ts'
import { Viewer } from './viewer.ts'

/** Viewers at a time, several screens of several people, over TCP and as many on the unix socket: strangers take nobody's place there. */
const VIEWERS_MAX = 64
/** How often the picture is taken at most: the kernel is asked for each port's link. */
const PICTURE_MS = 2000
/** What is silent longer than this looks dead to what stands between, in milliseconds. */
const HEARTBEAT_MS = 15_000

export class Audience {
  private readonly fabric: Switch
  private readonly viewers = new Set<Viewer>()
  private readonly pace = new Pace(PICTURE_MS)
  /** of the flow table; it is kept between samplers, so that coming and going costs no more than staying */
  private readonly scans = new Pace()
  private sampler: Sampler | null = null
  private timer: NodeJS.Timeout | null = null
  private sample: Sample | null = null
  private stepMs = 0
  private picture = ''
  private told = 0

  constructor(fabric: Switch) {
    this.fabric = fabric
  }

  /** how many look */
  get count(): number {
    return this.viewers.size
  }

  /** A stream of server-sent events: a sample every `intervalMs` with at most `flows` of the busiest. Throws a Refusal if there are too many. */
  watch(intervalMs: number, flows: number, isForeign: boolean): Readable {
    const others = [...this.viewers].filter((viewer) => viewer.isForeign === isForeign)
    if (others.length >= VIEWERS_MAX)
      throw new Busy('live', `${VIEWERS_MAX} look already`, 'close one of their pages')
    this.sampler ??= new Sampler(this.fabric, this.scans)
    this.look(this.sampler)
    // What a slow one waits for is too old for a fast one, and so would its first rates be.
    if (this.sample === null || Date.now() - this.sample.time > intervalMs)
      this.sample = this.sampler.sample(flows)
    const viewer = new Viewer(intervalMs, flows, isForeign)
    this.viewers.add(viewer)
    this.tell([viewer], this.sample)
    viewer.once('close', () => {
      this.viewers.delete(viewer)
      this.arrange()
    })
    this.arrange()
    return viewer
  }

  /** Ends every stream. */
  close(): void {
    for (const viewer of this.viewers) viewer.end()
  }

  /** One timer for all, as fast as the most impatient; none without viewers. */
  private arrange(): void {
    const step = Math.min(HEARTBEAT_MS, ...[...this.viewers].map(({ intervalMs }) => intervalMs))
    const isOver = this.count === 0
    if (!isOver && this.stepMs === step) return
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = isOver ? null : setInterval(() => this.tick(), step)
    this.stepMs = isOver ? 0 : step
    if (!isOver) return
    this.sampler = null
    this.sample = null
  }

  private tick(): void {
    const now = performance.now()
    const due = [...this.viewers].filter((viewer) => viewer.isDue(now + this.stepMs / 2))
    if (due.length > 0 && this.sampler !== null) {
      this.look(this.sampler)
      this.sample = this.sampler.sample(Math.max(...due.map(({ flows }) => flows)))
      this.tell(due, this.sample)
    }
    for (const viewer of this.viewers) viewer.rest(HEARTBEAT_MS - this.stepMs / 2)
  }

  private tell(viewers: readonly Viewer[], sample: Sample): void {
    const texts = new Map<number, string>()
    for (const viewer of viewers) {
      const text = texts.get(viewer.flows) ?? this.event('sample', cut(sample, viewer.flows))
      texts.set(viewer.flows, text)
      viewer.tell(this.picture, text)
    }
  }

  /** The picture is taken less often than samples: the kernel is asked for each port's link. */
  private look(sampler: Sampler): void {
    this.pace.act(() => {
      const data = JSON.stringify(sampler.picture())
      if (!this.picture.endsWith(`data: ${data}\n\n`)) this.picture = this.event('picture', data)
    })
  }

  private event(name: string, data: string): string {
    return `id: ${++this.told}\nevent: ${name}\ndata: ${data}\n\n`
  }
}

/** The text of a sample with fewer flows. */
function cut(sample: Sample, count: number): string {
  const { flows } = sample
  return JSON.stringify({ ...sample, flows: { ...flows, top: flows.top.slice(0, count) } })
}
