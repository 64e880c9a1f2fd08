/** A table of any length: sorted by a click on its head, narrowed by a search, and shown a piece at a time, so that 10,000 rows freeze nothing. */
import { element, mark, say } from './dom.ts'
import { byName, count } from './format.ts'
import { type Entry, Roll } from './roll.ts'

const PIECE = 200

export interface Column<T> {
  title: string
  /** what the cell says, and what a search looks at */
  text: (row: T) => string
  /** by which rows are sorted, the text if absent */
  value?: (row: T) => number | string
  /** right for figures, mono for addresses; wide: left out on a phone */
  kind?: string
  /** fills the cell by other means than its text, when that has changed */
  fill?: (cell: HTMLElement, row: T) => void
}

export interface Settings<T> {
  label: string
  columns: Column<T>[]
  key: (row: T) => string
  /** the column that sorts at first, -n descending, from 1 on; 0 keeps the order of the rows */
  sort?: number
  /** makes the first cell of each row a button */
  pick?: (row: T) => void
  /** what stands there when there is no row */
  empty: string
  /** the rows come a piece at a time: asks for more of them, as `limit` says then */
  fetch?: () => void
}

/** Nothing is said more quietly than something. */
function write(place: HTMLElement, text: string): void {
  say(place, text)
  mark(place, 'data-zero', /^0( |\/|$)/.test(text) ? 'yes' : null)
}

export class Table<T> {
  readonly element: HTMLElement
  private readonly settings: Settings<T>
  private readonly heads: HTMLElement[]
  private readonly roll: Roll<T>
  private readonly note = element('p', { class: 'note', role: 'status' })
  private readonly more: HTMLButtonElement
  private rows: readonly T[] = []
  private search: string[] = []
  /** so many rows are shown */
  limit = PIECE
  private sort: number

  constructor(settings: Settings<T>) {
    this.settings = settings
    this.sort = settings.sort ?? 0
    this.heads = settings.columns.map((column, n) => this.head(column, n + 1))
    const body = element('tbody')
    this.roll = new Roll<T>(body, settings.key, (row) => this.line(row))
    this.more = element('button', { class: 'more', type: 'button', onclick: () => this.extend() })
    const head = element('thead', {}, element('tr', {}, ...this.heads))
    const table = element('table', { 'aria-label': settings.label }, head, body)
    this.element = element('div', { class: 'table' }, table, this.note, this.more)
    this.draw()
  }

  private head({ title, kind = '' }: Column<T>, place: number): HTMLElement {
    const button = element('button', { type: 'button', onclick: () => this.order(place) }, title)
    return element('th', { scope: 'col', class: kind }, button)
  }

  private order(place: number): void {
    const isFigure = this.settings.columns[place - 1].kind?.includes('right') ?? false
    const first = isFigure ? -place : place
    this.sort = this.sort === first ? -first : first
    this.draw()
  }

  private extend(): void {
    this.limit += PIECE
    this.settings.fetch?.()
    this.draw()
  }

  private line(row: T): Entry<T> {
    const { columns, pick } = this.settings
    let now = row
    const cells = columns.map(({ kind = '', title }, n) => {
      if (n > 0 || !pick) return element('td', { class: kind, 'data-title': title })
      const button = element('button', { type: 'button', class: 'pick', onclick: () => pick(now) })
      return element('td', { class: kind, 'data-title': title }, button)
    })
    const told: string[] = []
    const update = (next: T) => {
      now = next
      columns.forEach(({ text, fill }, n) => {
        const words = text(next)
        if (words === told[n]) return
        told[n] = words
        const place = (n === 0 && pick ? cells[n].firstElementChild : cells[n]) as HTMLElement
        if (fill) fill(place, next)
        else write(place, words)
      })
    }
    return { element: element('tr', {}, ...cells), update }
  }

  /** Narrows to rows that have every word of the text somewhere. */
  narrow(text: string): void {
    this.search = text.toLowerCase().split(/\s+/).filter(Boolean)
    this.limit = PIECE
    this.draw()
  }

  show(rows: readonly T[]): void {
    this.rows = rows
    this.draw()
  }

  /** Says why there are no rows. */
  fail(message: string): void {
    say(this.note, message)
    this.note.hidden = false
  }

  private found(): T[] {
    const { columns } = this.settings
    if (this.search.length === 0) return [...this.rows]
    return this.rows.filter((row) => {
      const text = columns
        .map((column) => column.text(row))
        .join('\n')
        .toLowerCase()
      return this.search.every((word) => text.includes(word))
    })
  }

  private sorted(rows: T[]): T[] {
    if (this.sort === 0) return rows
    const { value, text } = this.settings.columns[Math.abs(this.sort) - 1]
    const sign = Math.sign(this.sort)
    const of = value ?? text
    const compare = (a: number | string, b: number | string) =>
      typeof a === 'number' && typeof b === 'number' ? a - b : byName(String(a), String(b))
    const keyed = rows.map((row) => ({ row, key: of(row) }))
    return keyed.sort((a, b) => sign * compare(a.key, b.key)).map(({ row }) => row)
  }

  private draw(): void {
    const found = this.sorted(this.found())
    const left = found.length - this.limit
    this.roll.show(left > 0 ? found.slice(0, this.limit) : found)
    this.heads.forEach((head, n) => {
      const place = Math.abs(this.sort) - 1
      mark(head, 'aria-sort', n !== place ? null : this.sort > 0 ? 'ascending' : 'descending')
    })
    this.more.hidden = left <= 0
    say(
      this.more,
      this.settings.fetch ? 'More' : `${count(Math.min(left, PIECE))} more of ${count(found.length)}`,
    )
    this.note.hidden = found.length > 0
    say(this.note, this.rows.length > 0 ? 'Nothing matches the search.' : this.settings.empty)
  }
}
