/** Rows kept in step with elements: one element a key, made once, brought up to date each time, in the order of the rows. */

export interface Entry<T> {
  element: HTMLElement
  update(row: T): void
}

export class Roll<T> {
  private readonly parent: HTMLElement
  private readonly keyOf: (row: T) => string
  private readonly make: (row: T) => Entry<T>
  private readonly entries = new Map<string, Entry<T>>()

  constructor(parent: HTMLElement, keyOf: (row: T) => string, make: (row: T) => Entry<T>) {
    this.parent = parent
    this.keyOf = keyOf
    this.make = make
  }

  show(rows: readonly T[]): void {
    const focused = document.activeElement
    const wanted = new Map(rows.map((row) => [this.keyOf(row), row]))
    for (const [key, { element }] of this.entries) {
      if (wanted.has(key)) continue
      element.remove()
      this.entries.delete(key)
    }
    let next = this.parent.firstElementChild
    for (const [key, row] of wanted) {
      const entry = this.entries.get(key) ?? this.add(key, row)
      entry.update(row)
      if (entry.element === next) next = next.nextElementSibling
      else this.parent.insertBefore(entry.element, next)
    }
    // An element that moves loses the focus.
    if (focused !== document.activeElement && focused instanceof HTMLElement && focused.isConnected)
      focused.focus({ preventScroll: true })
  }

  private add(key: string, row: T): Entry<T> {
    const entry = this.make(row)
    this.entries.set(key, entry)
    return entry
  }
}
