/** The rules in force, in their order, with what they counted and how fast. The switch searches them, and sends no more than are shown. */
import type { RuleRow } from '../control/counts.ts'
import { element, mark, say, searchBox } from './dom.ts'
import * as format from './format.ts'
import { Poll, WRITING_MS } from './poll.ts'
import { Table } from './table.ts'
import type { View } from './view.ts'

interface Row extends RuleRow {
  /** packets a second since the listing before; undefined the first time */
  rate?: number
}

const keyOf = ({ table, chain, number, rule }: RuleRow) => `${table} ${chain} ${number} ${rule}`

export class Rules implements View {
  readonly name = 'rules'
  readonly title = 'Rules'
  readonly element: HTMLElement
  readonly search: HTMLInputElement
  private readonly table: Table<Row>
  private readonly poll: Poll<RuleRow[]>
  private readonly head = element('p', { class: 'summary', role: 'status' })
  private words = ''
  private before = { time: 0, packets: new Map<string, number>() }

  constructor() {
    this.search = searchBox('Filter rules: table, chain, address, comment', (text) => this.seek(text))
    this.table = new Table<Row>({
      ...{
        label: 'Rules',
        key: keyOf,
        fetch: () => this.poll.now(),
        empty: 'There are no rules: everything that the modes allow passes.',
      },
      columns: [
        { title: 'chain', kind: 'chain', text: ({ table, chain }) => `${table} ${chain}` },
        {
          ...{ title: '#', kind: 'right', value: ({ number }) => number },
          text: ({ number }) => (number === 0 ? 'policy' : String(number)),
        },
        { title: 'rule', kind: 'mono rule', text: ({ rule }) => rule },
        {
          title: 'packets',
          kind: 'right',
          text: ({ packets }) => format.count(packets),
          value: ({ packets }) => packets,
        },
        {
          title: 'bytes',
          kind: 'right',
          text: ({ bytes }) => format.bytes(bytes),
          value: ({ bytes }) => bytes,
        },
        {
          title: 'rate',
          kind: 'right',
          text: ({ rate }) => (rate === undefined ? '–' : format.rate(rate)),
          value: ({ rate }) => rate ?? 0,
          fill: (cell, { rate }) => {
            say(cell, rate === undefined ? '–' : format.rate(rate))
            mark(cell, 'data-busy', rate ? 'yes' : null)
          },
        },
      ],
    })
    this.element = element(
      'div',
      {},
      element('div', { class: 'bar' }, this.search, this.head),
      this.table.element,
    )
    this.poll = new Poll(
      () => `/v1/rules?limit=${this.table.limit + 1}&search=${encodeURIComponent(this.words)}`,
      (rows) => this.take(rows),
      (message) => this.table.fail(message),
    )
  }

  open(): void {
    this.poll.start()
  }

  close(): void {
    this.poll.stop()
  }

  draw(): void {}

  private seek(text: string): void {
    this.words = text
    this.poll.now(WRITING_MS)
  }

  private take(rows: RuleRow[]): void {
    const time = performance.now()
    const seconds = (time - this.before.time) / 1000
    const shown: Row[] = rows.map((row) => {
      const last = this.before.packets.get(keyOf(row))
      return last === undefined ? row : { ...row, rate: Math.max(0, row.packets - last) / seconds }
    })
    this.before = { time, packets: new Map(rows.map((row) => [keyOf(row), row.packets])) }
    this.table.show(shown)
    const isAll = rows.length <= this.table.limit
    const rules = rows.filter(({ number }) => number > 0).length
    say(this.head, isAll ? `${format.count(rules)} rules` : `the first ${format.count(this.table.limit)}`)
  }
}
