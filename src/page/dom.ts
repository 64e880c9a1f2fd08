/** Elements made by script. Text becomes text nodes and never markup: names, host names and comments come from strangers. */

export type Attribute = string | number | boolean | null | ((event: Event) => void)
export type Child = Node | string | null

/** `onclick` and its like listen; true is an attribute without a value, false and null are none. */
function set(node: Element, attributes: Record<string, Attribute>): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') node.addEventListener(name.slice(2), value)
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? '' : String(value))
  }
}

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, Attribute> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag)
  set(node, attributes)
  node.append(...children.filter((child) => child !== null))
  return node
}

export function drawing(
  tag: string,
  attributes: Record<string, Attribute> = {},
  ...children: Node[]
): SVGElement {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag)
  set(node, attributes)
  node.append(...children)
  return node
}

/** Says a text in an element that has nothing else; what says so already is left alone, what says something else keeps its node. */
export function say(node: Element, text: string): void {
  const told = node.firstChild as Text | null
  if (told === null) node.append(text)
  else if (told.data !== text) told.data = text
}

/** Sets an attribute that styles look at; null takes it away. */
export function mark(node: Element, name: string, value: string | null): void {
  if (node.getAttribute(name) === value) return
  if (value === null) node.removeAttribute(name)
  else node.setAttribute(name, value)
}

/** The element of an id that index.html has. */
export function byId(id: string): HTMLElement {
  return document.getElementById(id) as HTMLElement
}

/** A box that narrows what is shown; `onchange` hears of every letter. */
export function searchBox(label: string, onchange: (text: string) => void): HTMLInputElement {
  const box = element('input', { type: 'search', placeholder: label, 'aria-label': label })
  box.spellcheck = false
  box.autocomplete = 'off'
  box.addEventListener('input', () => onchange(box.value.trim()))
  return box
}

/** A round mark of a state, for eyes; what it says stands beside it or in its title. */
export function led(state: string, reason = ''): HTMLElement {
  const light = element('span', { class: 'led', role: 'img' })
  shine(light, state, reason)
  return light
}

export function shine(light: Element, state: string, reason: string): void {
  const text = reason === '' ? state : `${state}: ${reason}`
  mark(light, 'data-state', state)
  mark(light, 'title', text)
  mark(light, 'aria-label', text)
}
