/** The keyboard: sections by number, the search by a stroke, rows by arrows. */
import { byId, element } from './dom.ts'
import { toggleTheme } from './theme.ts'
import { go, type View } from './view.ts'

const HELP: [string, string][] = [
  ['1 – 9, 0', 'the sections, in their order'],
  ['← →', 'the section before, the next one'],
  ['↑ ↓', 'rows and sockets that can be opened'],
  ['Enter', 'opens'],
  ['/', 'search'],
  ['Esc', 'empties the search, closes what is open'],
  ['t', 'light or dark'],
  ['?', 'these keys'],
]

/** True where letters are written. */
function isWriting(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement || target instanceof HTMLSelectElement
}

export class Keys {
  private readonly views: readonly View[]
  private readonly current: () => View

  constructor(views: readonly View[], current: () => View) {
    this.views = views
    this.current = current
    const help = byId('help') as HTMLDialogElement
    const rows = HELP.flatMap(([key, text]) => [
      element('dt', {}, element('kbd', {}, key)),
      element('dd', {}, text),
    ])
    byId('keys').append(...rows)
    byId('ask').addEventListener('click', () => help.showModal())
    document.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || help.open) return
      if (isWriting(event.target) ? this.written(event) : this.pressed(event, help)) event.preventDefault()
    })
  }

  /** While somebody writes, Escape alone means something. */
  private written({ key, target }: KeyboardEvent): boolean {
    if (key !== 'Escape' || !(target instanceof HTMLInputElement)) return false
    target.value = ''
    target.dispatchEvent(new Event('input'))
    target.blur()
    return true
  }

  private pressed({ key }: KeyboardEvent, help: HTMLDialogElement): boolean {
    if (/^\d$/.test(key)) go(this.views[(Number(key) + 9) % 10].name)
    else if (key === '/') this.current().search.focus()
    else if (key === '?') help.showModal()
    else if (key === 't') toggleTheme()
    else if (key === 'Escape') go(this.current().name)
    else if (key === 'ArrowRight' || key === 'ArrowLeft') this.turn(key === 'ArrowRight' ? 1 : -1)
    else if (key === 'ArrowDown' || key === 'ArrowUp') return this.step(key === 'ArrowDown' ? 1 : -1)
    else return false
    return true
  }

  private turn(by: number): void {
    const at = this.views.indexOf(this.current())
    go(this.views[(at + by + this.views.length) % this.views.length].name)
  }

  private step(by: number): boolean {
    const places = [...this.current().element.querySelectorAll<HTMLElement>('.pick, .jack, .lamp, .chip')]
    const seen = places.filter((place) => place.offsetParent !== null)
    const at = seen.indexOf(document.activeElement as HTMLElement)
    // From anywhere else a stroke down goes to the first; up, and behind the last, the page scrolls as ever.
    const next = seen[at < 0 ? (by > 0 ? 0 : -1) : at + by]
    next?.focus()
    return next !== undefined
  }
}
