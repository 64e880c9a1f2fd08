/** Who is plugged in where. */
import type { LeaseRow } from '../control/lease.ts'
import { element, mark, say, searchBox } from './dom.ts'
import { byName } from './format.ts'
import { network, type Site } from './network.ts'
import { Poll } from './poll.ts'
import { Roll } from './roll.ts'
import { textOf } from './socket.ts'
import type { View } from './view.ts'
import type { World } from './world.ts'

/** With more ports than these in all, networks are lights alone until they are opened. */
const MANY = 120

export class Plan implements View {
  readonly name = 'plan'
  readonly title = 'Plan'
  readonly element: HTMLElement
  readonly search: HTMLInputElement
  private readonly world: World
  private readonly networks = element('div', { class: 'networks' })
  private readonly note = element('p', { class: 'note' }, 'Waiting for the switch …')
  private readonly roll: Roll<Site>
  private readonly poll: Poll<LeaseRow[]>
  private readonly folded = new Map<string, boolean>()
  private leases: ReadonlyMap<string, LeaseRow> = new Map()
  private words: string[] = []

  constructor(world: World) {
    this.world = world
    this.search = searchBox('Filter ports: name, address, MAC, type, state', (text) => this.narrow(text))
    const fold = (isFolded: boolean) => () => this.foldAll(isFolded)
    const buttons = element(
      'span',
      { class: 'buttons' },
      element('button', { type: 'button', onclick: fold(false) }, 'Open all'),
      element('button', { type: 'button', onclick: fold(true) }, 'Fold all'),
    )
    const key = element(
      'p',
      { class: 'legend' },
      element('span', { class: 'in' }, 'into the switch'),
      element('span', { class: 'out' }, 'out of it'),
    )
    const bar = element('div', { class: 'bar' }, this.search, key, buttons)
    this.element = element('div', { class: 'plan' }, bar, this.networks, this.note)
    this.roll = new Roll<Site>(
      this.networks,
      (site) => site.network.name,
      (site) => network(world, () => this.leases, this.folded, site),
    )
    this.poll = new Poll(
      () => '/v1/leases',
      (rows) => this.take(rows),
    )
  }

  open(): void {
    this.poll.start()
  }

  close(): void {
    this.poll.stop()
  }

  private take(rows: LeaseRow[]): void {
    this.leases = new Map(rows.flatMap((row) => (row.port === null ? [] : [[row.port, row]])))
  }

  private narrow(text: string): void {
    this.words = text.toLowerCase().split(/\s+/).filter(Boolean)
    this.draw()
  }

  private foldAll(isFolded: boolean): void {
    for (const { name } of this.world.networks()) this.folded.set(name, isFolded)
    this.draw()
  }

  draw(): void {
    const { world, words } = this
    const isFiltered = words.length > 0
    const isCrowded = world.ports().length > MANY
    const sites = world.networks().map((each) => {
      if (!this.folded.has(each.name)) this.folded.set(each.name, isCrowded)
      const ports = world.portsOf(each.name).filter((port) => {
        const text = textOf(port, this.leases.get(port.name))
        return words.every((word) => text.includes(word))
      })
      return { network: each, ports: ports.sort((a, b) => byName(a.name, b.name)), isFiltered }
    })
    const shown = sites.filter(({ ports }) => !isFiltered || ports.length > 0)
    this.roll.show(shown.sort((a, b) => byName(a.network.name, b.network.name)))
    mark(this.networks, 'data-step', String(world.taken % 4))
    this.note.hidden = shown.length > 0
    if (world.picture !== null) say(this.note, isFiltered ? 'No port matches.' : 'There is no network.')
  }
}
