/** The sets that rules ask, and the entries of one of them: those are read when somebody wants them, once and a piece. */
import type { SetRow } from '../control/roll.ts'
import { element, say, searchBox } from './dom.ts'
import * as format from './format.ts'
import { get, Poll } from './poll.ts'
import { Table } from './table.ts'
import { go, type View } from './view.ts'

type Entry = SetRow['entries'][number]

/** Entries that are read of a set; its other ones are asked about one by one. */
const ENTRIES_MAX = 10_000

export class Sets implements View {
  readonly name = 'sets'
  readonly title = 'Sets'
  readonly element: HTMLElement
  readonly search: HTMLInputElement
  private readonly table: Table<SetRow>
  private readonly poll: Poll<SetRow[]>
  private readonly contents = new Contents()

  constructor() {
    this.search = searchBox('Filter sets, and entries of the open one', (text) => {
      this.table.narrow(text)
      this.contents.table.narrow(text)
    })
    this.table = new Table<SetRow>({
      ...{ label: 'Sets', sort: 1, empty: 'There are no sets.', key: ({ name }) => name },
      pick: ({ name }) => go('sets', name),
      columns: [
        { title: 'set', text: ({ name }) => name },
        {
          title: 'type',
          kind: 'mono',
          text: ({ type, range }) => (range === null ? type : `${type} ${range}`),
        },
        {
          title: 'entries',
          kind: 'right',
          text: ({ count }) => format.count(count),
          value: ({ count }) => count,
        },
        {
          title: 'at most',
          kind: 'right',
          text: ({ maxelem }) => format.count(maxelem),
          value: ({ maxelem }) => maxelem,
        },
        {
          title: 'entries go after',
          kind: 'right',
          text: ({ timeout }) =>
            timeout === null ? 'never' : timeout === 0 ? 'as they say' : format.duration(timeout),
          value: ({ timeout }) => timeout ?? Number.POSITIVE_INFINITY,
        },
        {
          title: 'found no room',
          kind: 'right',
          text: ({ refused }) => format.count(refused),
          value: ({ refused }) => refused,
        },
      ],
    })
    const bar = element('div', { class: 'bar' }, this.search)
    this.element = element('div', {}, bar, this.contents.element, this.table.element)
    this.poll = new Poll(
      () => '/v1/sets?limit=0',
      (rows) => this.table.show(rows),
      (message) => this.table.fail(message),
    )
  }

  open(rest: string): void {
    this.contents.show(rest)
    this.poll.start()
  }

  close(): void {
    this.poll.stop()
  }

  draw(): void {}
}

/** One set's entries, and a question about any other. */
class Contents {
  readonly element: HTMLElement
  readonly table: Table<Entry>
  private readonly name = element('h2', { tabindex: -1 })
  private readonly head = element('p', { class: 'summary', role: 'status' })
  private readonly entry = element('input', { type: 'text', 'aria-label': 'entry', class: 'question' })
  private readonly answer = element('p', { class: 'summary', role: 'status' })
  private set = ''

  constructor() {
    this.table = new Table<Entry>({
      ...{
        label: 'Entries',
        empty: 'It is empty.',
        key: ({ element: text, nomatch }) => `${text} ${nomatch}`,
      },
      columns: [
        { title: 'entry', kind: 'mono', text: ({ element: text }) => text },
        { title: 'nomatch', text: ({ nomatch }) => (nomatch ? 'nomatch' : '') },
        {
          title: 'expires in',
          kind: 'right',
          text: ({ timeout }) => (timeout === null ? '' : timeout === 0 ? 'never' : format.duration(timeout)),
          value: ({ timeout }) => timeout || Number.POSITIVE_INFINITY,
        },
      ],
    })
    this.entry.placeholder = 'Is it in the set? 10.0.0.1'
    this.entry.spellcheck = false
    this.entry.autocomplete = 'off'
    const again = element(
      'button',
      { type: 'button', class: 'more', onclick: () => void this.read() },
      'Read again',
    )
    const close = element('button', { type: 'button', class: 'close', onclick: () => go('sets') }, 'Close')
    const ask = element('button', { type: 'submit', class: 'primary' }, 'Ask')
    const form = element('form', { class: 'bar' }, this.entry, ask, this.answer)
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      void this.ask()
    })
    const header = element('header', {}, this.name, this.head, again, close)
    this.element = element(
      'section',
      { class: 'detail', 'aria-label': 'set' },
      header,
      form,
      this.table.element,
    )
    this.element.hidden = true
  }

  /** '' shows none. */
  show(name: string): void {
    if (name === this.set) return
    this.set = name
    this.element.hidden = name === ''
    this.table.show([])
    this.table.fail('Reading …')
    this.entry.value = ''
    for (const place of [this.answer, this.head]) say(place, '')
    if (name === '') return
    say(this.name, name)
    this.name.focus()
    void this.read()
  }

  private async read(): Promise<void> {
    const name = this.set
    try {
      const [row] = await get<SetRow[]>(`/v1/sets?limit=${ENTRIES_MAX}&name=${encodeURIComponent(name)}`)
      if (name !== this.set) return
      this.table.show(row.entries)
      const { length } = row.entries
      const all = `${format.count(row.count)} ${row.count === 1 ? 'entry' : 'entries'}`
      say(this.head, row.count > length ? `the first ${format.count(length)} of ${all}` : all)
    } catch (error) {
      if (name === this.set) this.table.fail((error as Error).message)
    }
  }

  private async ask(): Promise<void> {
    const name = this.set
    const entry = this.entry.value.trim()
    if (entry === '') return
    const path = `/v1/sets/${encodeURIComponent(name)}/entries?entry=${encodeURIComponent(entry)}`
    const words = await get<{ member: boolean }>(path).then(
      ({ member }) => `${entry} ${member ? 'is' : 'is not'} in ${name}.`,
      (error: Error) => error.message,
    )
    if (name === this.set) say(this.answer, words)
  }
}
