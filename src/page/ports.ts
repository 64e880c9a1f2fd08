/** Every port with its rates, totals and drops; one of them with its charts. */
import type { PortPicture } from '../control/live/live.ts'
import type { PortRow } from '../control/rows.ts'
import { Detail } from './detail.ts'
import { element, led, searchBox } from './dom.ts'
import * as format from './format.ts'
import { Poll } from './poll.ts'
import { type Column, Table } from './table.ts'
import { go, type View } from './view.ts'
import type { World } from './world.ts'

/** Cells of a state: its light, then its name. */
export function stateCell(cell: HTMLElement, state: string, reason: string): void {
  cell.replaceChildren(led(state, reason), reason === '' ? ` ${state}` : ` ${state}: ${reason}`)
}

export class Ports implements View {
  readonly name = 'ports'
  readonly title = 'Ports'
  readonly element: HTMLElement
  readonly search: HTMLInputElement
  private readonly world: World
  private readonly detail: Detail
  private readonly table: Table<PortPicture>
  private readonly poll: Poll<PortRow[]>
  private totals = new Map<string, PortRow>()
  private dropped = new Map<string, number>()

  constructor(world: World) {
    this.world = world
    this.detail = new Detail(world, () => go('ports'))
    this.search = searchBox('Filter ports', (text) => this.table.narrow(text))
    this.table = new Table({
      ...{ label: 'Ports', sort: 1, empty: 'There is no port.', columns: this.columns() },
      ...{ key: (port) => port.name, pick: (port) => go('ports', port.name) },
    })
    this.element = element(
      'div',
      {},
      this.detail.element,
      element('div', { class: 'bar' }, this.search),
      this.table.element,
    )
    this.poll = new Poll(
      () => '/v1/ports',
      (rows) => this.take(rows),
    )
  }

  private columns(): Column<PortPicture>[] {
    const rate = (
      title: string,
      n: number,
      print: (value: number) => string,
      kind = '',
    ): Column<PortPicture> => ({
      ...{ title, kind: `right ${kind}` },
      ...{
        text: ({ name }) => print(this.world.ratesOf(name)[n]),
        value: ({ name }) => this.world.ratesOf(name)[n],
      },
    })
    const total = (title: string, of: (row: PortRow) => number, kind = ''): Column<PortPicture> => {
      const value = ({ name }: PortPicture) => {
        const row = this.totals.get(name)
        return row === undefined ? -1 : of(row)
      }
      const text = (port: PortPicture) => (value(port) < 0 ? '–' : format.bytes(value(port)))
      return { title, kind: `right ${kind}`, value, text }
    }
    const dropped = ({ name }: PortPicture) => this.dropped.get(name) ?? 0
    return [
      { title: 'port', text: ({ name }) => name },
      { title: 'network', text: ({ network }) => network },
      { title: 'type', text: ({ type }) => (type === 'local' ? 'gateway' : type) },
      {
        title: 'state',
        text: ({ state, reason }) => `${state} ${reason}`,
        fill: (cell, { state, reason }) => stateCell(cell, state, reason),
      },
      { title: 'address', kind: 'mono', text: ({ address, mac }) => address ?? mac ?? '' },
      rate('in', 1, format.bitRate, 'tint-in'),
      rate('out', 3, format.bitRate, 'tint-out'),
      rate('frames in', 0, format.rate, 'wide'),
      rate('frames out', 2, format.rate, 'wide'),
      total('received', (row) => row.rxBytes, 'wide'),
      total('sent', (row) => row.txBytes, 'wide'),
      rate('drops/s', 4, format.rate),
      { title: 'dropped', kind: 'right', value: dropped, text: (port) => format.count(dropped(port)) },
    ]
  }

  open(rest: string): void {
    this.detail.show(rest)
    this.poll.start()
  }

  close(): void {
    this.poll.stop()
  }

  private take(rows: PortRow[]): void {
    this.totals = new Map(rows.map((row) => [row.name, row]))
    this.draw()
  }

  draw(): void {
    this.dropped = new Map()
    for (const { port, total } of this.world.drops())
      this.dropped.set(port, (this.dropped.get(port) ?? 0) + total)
    this.table.show(this.world.ports())
    this.detail.draw(this.totals.get(this.detail.port))
  }
}
