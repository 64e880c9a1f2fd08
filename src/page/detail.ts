/** One port: its last five minutes as charts, and everything that is known of it. */
import type { PortPicture } from '../control/live/live.ts'
import type { PortRow } from '../control/rows.ts'
import { Chart } from './chart.ts'
import { element, led, say, shine } from './dom.ts'
import * as format from './format.ts'
import type { World } from './world.ts'

const IN = { label: 'in', colour: 'in' }
const OUT = { label: 'out', colour: 'out', isMirrored: true }

/** What is there to be said, in words; what does not apply is left out. */
function facts(port: PortPicture, totals: PortRow | undefined): [string, string][] {
  const { socket } = port
  const { guest } = socket ?? {}
  const connected =
    { true: 'yes', false: 'no', null: 'nobody can tell' }[String(socket?.connected ?? null)] ?? ''
  const all: [string, string][] = [
    ['state', port.reason === '' ? port.state : `${port.state}: ${port.reason}`],
    ['network', port.network],
    ['type', port.type],
    ['address', port.address ?? ''],
    ['MAC', port.mac ?? ''],
    ['interface', port.ifname],
    ['namespace', port.netns],
    ['MTU', String(port.mtu)],
    ['queues', String(port.queues)],
    ['offloads', port.offloads.join(', ')],
    ['settings', [port.isolated ? 'isolated' : '', port.guard ? 'guard' : ''].filter(Boolean).join(', ')],
    ['comes from', port.origin],
    ['socket', socket === null ? '' : `${socket.path} (${socket.role})`],
    ['peer', socket?.peer ?? ''],
    ['connected', socket === null ? '' : connected],
    ['guest', guest ? `${guest.queues} queues, MTU told ${guest.mtu || 'none'}` : ''],
    ['features', guest?.features.join(', ') ?? ''],
    [
      'faults',
      Object.entries(socket?.faults ?? {})
        .map(([name, n]) => `${name} ${n}`)
        .join(', '),
    ],
    ['last fault', socket?.fault ?? ''],
  ]
  if (totals !== undefined) {
    all.push(['received', `${format.count(totals.rxFrames)} frames, ${format.bytes(totals.rxBytes)}`])
    all.push(['sent', `${format.count(totals.txFrames)} frames, ${format.bytes(totals.txBytes)}`])
  }
  return all.filter(([, text]) => text !== '')
}

export class Detail {
  readonly element: HTMLElement
  port = ''
  private readonly world: World
  private readonly name = element('h2', { tabindex: -1 })
  private readonly light = led('waiting')
  private readonly bits = new Chart('bit/s: in above, out below', [IN, OUT], format.bitRate)
  private readonly frames = new Chart('frames/s: in above, out below', [IN, OUT], (value) =>
    format.rate(value),
  )
  private readonly drops = new Chart('drops/s', [{ label: 'dropped', colour: 'bad' }], (value) =>
    format.rate(value),
  )
  private readonly facts = element('dl', { class: 'facts-of' })
  private drawn = ''
  /** where the reader came from, and returns to */
  private from: HTMLElement | null = null

  constructor(world: World, onclose: () => void) {
    this.world = world
    const close = element('button', { type: 'button', class: 'close', onclick: onclose }, 'Close')
    const head = element('header', {}, this.light, this.name, close)
    const charts = [this.bits, this.frames, this.drops].map((chart) => chart.element)
    const row = element('div', { class: 'charts' }, ...charts)
    this.element = element('section', { class: 'detail', 'aria-label': 'port' }, head, row, this.facts)
    this.element.hidden = true
  }

  /** '' shows none. */
  show(port: string): void {
    if (port === this.port) return
    const row = document.activeElement
    if (this.port === '' && row instanceof HTMLElement) this.from = row
    this.port = port
    this.element.hidden = port === ''
    if (port === '') this.from?.focus()
    else {
      say(this.name, port)
      this.name.focus()
    }
  }

  draw(totals: PortRow | undefined): void {
    if (this.port === '') return
    const port = this.world.port(this.port)
    shine(this.light, port?.state ?? 'down', port?.reason ?? 'there is no port of that name')
    const { times, values } = this.world.history.columns(this.port)
    const [framesIn, bytesIn, framesOut, bytesOut, dropped] = values
    this.bits.show(times, [bytesIn, bytesOut])
    this.frames.show(times, [framesIn, framesOut])
    this.drops.show(times, [dropped])
    const told = port === undefined ? [] : facts(port, totals)
    const drawn = JSON.stringify(told)
    if (drawn === this.drawn) return
    this.drawn = drawn
    this.facts.replaceChildren(
      ...told.map(([name, text]) => element('div', {}, element('dt', {}, name), element('dd', {}, text))),
    )
  }
}
