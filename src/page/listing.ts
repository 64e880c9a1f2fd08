/** A section that is one table of one listing. */
import { element, searchBox } from './dom.ts'
import { Poll } from './poll.ts'
import { type Settings, Table } from './table.ts'
import type { View } from './view.ts'

export interface Source<T> extends Settings<T> {
  path: string
}

/** A table that is asked for again while it is looked at. */
class Part<T> {
  readonly table: Table<T>
  readonly poll: Poll<T[]>

  constructor(source: Source<T>) {
    this.table = new Table(source)
    this.poll = new Poll<T[]>(
      () => source.path,
      (rows) => this.table.show(rows),
      (message) => this.table.fail(message),
    )
  }
}

export class Listing implements View {
  readonly name: string
  readonly title: string
  readonly element: HTMLElement
  readonly search: HTMLInputElement
  private readonly parts: Part<never>[]

  // biome-ignore lint/suspicious/noExplicitAny: each source has rows of its own
  constructor(name: string, title: string, ...sources: Source<any>[]) {
    this.name = name
    this.title = title
    this.parts = sources.map((source) => new Part<never>(source))
    this.search = searchBox(`Filter ${title}`, (text) => {
      for (const { table } of this.parts) table.narrow(text)
    })
    const tables = this.parts.flatMap(({ table }, n) =>
      n === 0 ? [table.element] : [element('h2', {}, sources[n].label), table.element],
    )
    this.element = element('div', {}, element('div', { class: 'bar' }, this.search), ...tables)
  }

  open(): void {
    for (const { poll } of this.parts) poll.start()
  }

  close(): void {
    for (const { poll } of this.parts) poll.stop()
  }

  draw(): void {}
}
