/** The line above everything: which switch this is, whether it is heard, and how it does. */
import { byId, element, mark, say } from './dom.ts'
import * as format from './format.ts'
import type { World } from './world.ts'

const STATES = {
  connecting: 'connecting',
  live: 'live',
  lost: 'reconnecting',
  paused: 'paused',
}

/** So long it is news that the switch restarted. */
const NEWS_MS = 15_000

export class Header {
  private readonly world: World
  private readonly facts = new Map<string, HTMLElement>()
  private readonly workers = element('span', { class: 'meters' })

  constructor(world: World) {
    this.world = world
    const place = byId('facts')
    for (const name of ['traffic', 'drops', 'flows', 'captures', 'memory', 'up', 'version'])
      place.append(this.fact(name))
    place.prepend(
      element('div', { class: 'fact' }, element('dt', {}, 'workers'), element('dd', {}, this.workers)),
    )
  }

  private fact(name: string): HTMLElement {
    const value = element('dd', {}, '–')
    this.facts.set(name, value)
    return element('div', { class: 'fact' }, element('dt', {}, name), value)
  }

  private put(name: string, text: string): void {
    const value = this.facts.get(name) as HTMLElement
    say(value, text)
    value.parentElement!.hidden = text === ''
  }

  draw(): void {
    const { picture, sample } = this.world
    if (picture !== null) this.put('version', picture.version)
    if (sample === null) return
    const { uptimeSeconds, memoryBytes, flows, captures } = sample
    const drops = this.world.drops().reduce((sum, { rate }) => sum + rate, 0)
    this.put('traffic', format.bitRate(this.world.traffic()))
    this.put('up', format.duration(uptimeSeconds))
    this.put('memory', format.memory(memoryBytes))
    this.put('flows', format.count(flows.count))
    this.put('drops', format.rate(drops))
    this.put('captures', captures === 0 ? '' : format.count(captures))
    this.meters(sample.workers)
    this.notice()
  }

  private meters(workers: { busy: number; frames: number }[]): void {
    while (this.workers.childElementCount > workers.length) this.workers.lastElementChild?.remove()
    while (this.workers.childElementCount < workers.length)
      this.workers.append(element('span', { class: 'meter' }, element('i'), element('b')))
    workers.forEach(({ busy, frames }, n) => {
      const meter = this.workers.children[n]
      const [bar, text] = meter.children as unknown as HTMLElement[]
      bar.style.setProperty('--share', String(Math.min(1, busy)))
      say(text, format.percent(busy))
      mark(meter, 'title', `worker ${n}: busy ${format.percent(busy)}, ${format.rate(frames, ' frames')}`)
    })
  }

  /** Says whether what stands on the page is true now. */
  link(): void {
    const { state } = this.world
    mark(document.documentElement, 'data-link', state)
    say(byId('link'), STATES[state])
    this.notice()
  }

  private notice(): void {
    const text = this.words()
    say(byId('notice'), text)
    byId('notice').hidden = text === ''
  }

  private words(): string {
    const { state, sample, restarted } = this.world
    const since = () => (sample === null ? '' : ` What is shown is from ${format.clock(sample.time)}.`)
    if (state === 'lost') return `The switch does not answer; trying again.${since()}`
    if (state === 'paused') return `Nobody looked for a minute, so nothing was asked.${since()}`
    return Date.now() - restarted < NEWS_MS
      ? `The switch restarted; it answers since ${format.clock(restarted)}.`
      : ''
  }
}
