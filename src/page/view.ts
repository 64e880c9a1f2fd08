/** One section of the page. */
export interface View {
  /** as in the address behind # */
  name: string
  title: string
  element: HTMLElement
  /** where `/` leads */
  search: HTMLInputElement
  /** The reader comes; `rest` is what stands behind the name in the address. */
  open(rest: string): void
  /** The reader goes. */
  close(): void
  /** There is a new sample or picture, and the reader looks. */
  draw(): void
}

/** Tells the page where the reader wants to go. */
export function go(name: string, rest = ''): void {
  location.hash = rest === '' ? `#${name}` : `#${name}/${encodeURIComponent(rest)}`
}
