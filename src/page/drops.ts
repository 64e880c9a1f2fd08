/** What was dropped and why, as the switch itself explains its reasons. */
import { element, say, searchBox } from './dom.ts'
import * as format from './format.ts'
import { get } from './poll.ts'
import { Table } from './table.ts'
import { go, type View } from './view.ts'
import type { World } from './world.ts'

/** Ports named for a reason; the rest are counted. */
const NAMED = 6

interface Row {
  reason: string
  rate: number
  total: number
  /** the ports that dropped, most first */
  ports: { port: string; total: number }[]
}

export class Drops implements View {
  readonly name = 'drops'
  readonly title = 'Drops'
  readonly element: HTMLElement
  readonly search: HTMLInputElement
  private readonly world: World
  private readonly table: Table<Row>
  private meanings = new Map<string, string>()

  constructor(world: World) {
    this.world = world
    this.search = searchBox('Filter drops: reason, meaning, port', (text) => this.table.narrow(text))
    this.table = new Table<Row>({
      ...{ label: 'Drops by reason', sort: -4, empty: 'Nothing was dropped.', key: ({ reason }) => reason },
      columns: [
        { title: 'reason', kind: 'mono', text: ({ reason }) => reason },
        { title: 'meaning', kind: 'prose', text: ({ reason }) => this.meanings.get(reason) ?? '' },
        { title: 'rate', kind: 'right', text: ({ rate }) => format.rate(rate), value: ({ rate }) => rate },
        {
          title: 'total',
          kind: 'right',
          text: ({ total }) => format.count(total),
          value: ({ total }) => total,
        },
        {
          title: 'ports',
          text: ({ ports }) => ports.map(({ port, total }) => `${port} ${format.count(total)}`).join(' '),
          value: ({ ports }) => ports.length,
          fill: (cell, row) => this.ports(cell, row),
        },
      ],
    })
    this.element = element('div', {}, element('div', { class: 'bar' }, this.search), this.table.element)
  }

  /** Buttons are kept while the ports stay the same: a reader may be about to press one. */
  private ports(cell: HTMLElement, { ports }: Row): void {
    const shown = ports.slice(0, NAMED)
    const names = shown.map(({ port }) => port).join(' ')
    if (cell.dataset.drawn !== names) {
      cell.dataset.drawn = names
      const chips = shown.map(({ port }) =>
        element(
          'button',
          { type: 'button', class: 'chip', onclick: () => go('ports', port) },
          port,
          element('b'),
        ),
      )
      cell.replaceChildren(...chips, element('span', { class: 'rest' }))
    }
    shown.forEach(({ total }, n) => {
      say(cell.children[n].lastElementChild!, format.count(total))
    })
    const rest = ports.length - shown.length
    say(cell.lastElementChild!, rest > 0 ? `and ${rest} more` : '')
  }

  open(): void {
    if (this.meanings.size > 0) return
    get<{ name: string; meaning: string }[]>('/v1/reasons').then(
      (rows) => {
        this.meanings = new Map(rows.map(({ name, meaning }) => [name, meaning]))
        this.draw()
      },
      (error) => this.table.fail(error.message),
    )
  }

  close(): void {}

  draw(): void {
    const rows = new Map<string, Row>()
    for (const { port, reason, total, rate } of this.world.drops()) {
      const row = rows.get(reason) ?? { reason, rate: 0, total: 0, ports: [] }
      row.rate += rate
      row.total += total
      row.ports.push({ port, total })
      rows.set(reason, row)
    }
    for (const { ports } of rows.values()) ports.sort((a, b) => b.total - a.total)
    this.table.show([...rows.values()])
  }
}
