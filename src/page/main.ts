/** The page: one switch, seen through ten sections. What it shows comes from /v1/live and the listings; it changes nothing. */
import { byId, element, mark } from './dom.ts'
import { Drops } from './drops.ts'
import { Flows } from './flows.ts'
import { Header } from './header.ts'
import { Keys } from './keys.ts'
import { listings } from './listings.ts'
import { Live } from './live.ts'
import { Plan } from './plan.ts'
import { Ports } from './ports.ts'
import { Rules } from './rules.ts'
import { Sets } from './sets.ts'
import { startTheme } from './theme.ts'
import type { View } from './view.ts'
import { Why } from './why.ts'
import { World } from './world.ts'

/** Top talkers that the stream tells of. */
const FLOWS = 30

const world = new World()
const header = new Header(world)
const views: View[] = [
  ...[new Plan(world), new Ports(world), new Drops(world), new Flows(world)],
  ...listings.map((make) => make()),
  ...[new Rules(), new Sets(), new Why(world)],
]
let current = views[0]

function tab(view: View, n: number): HTMLElement {
  const { name, title } = view
  const number = element('kbd', { 'aria-hidden': 'true' }, String((n + 1) % 10))
  const attributes = { href: `#${name}`, role: 'tab', id: `tab-${name}`, 'aria-controls': 'panel' }
  return element('a', attributes, title, number)
}

const tabs = views.map(tab)
byId('tabs').append(...tabs)

/** Shows what the address names. */
function route(): void {
  const [name, ...rest] = location.hash.slice(1).split('/')
  const next = views.find((view) => view.name === name) ?? views[0]
  const panel = byId('panel')
  if (next !== current || panel.childElementCount === 0) {
    current.close()
    current = next
    panel.replaceChildren(next.element)
    mark(panel, 'aria-labelledby', `tab-${next.name}`)
    document.title = `${next.title} – Bridgeport`
  }
  views.forEach((view, n) => {
    mark(tabs[n], 'aria-selected', String(view === next))
    mark(tabs[n], 'tabindex', view === next ? '0' : '-1')
  })
  tabs[views.indexOf(next)].scrollIntoView({ block: 'nearest', inline: 'nearest' })
  next.open(decoded(rest.join('/')))
  next.draw()
}

/** An address that somebody mistyped is no reason to fail. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

let isDue = false
/** Draws once a frame, however much was heard meanwhile, and not where nobody looks. */
function draw(): void {
  if (isDue) return
  isDue = true
  requestAnimationFrame(() => {
    isDue = false
    header.draw()
    current.draw()
  })
}

startTheme()
byId('skip').addEventListener('click', (event) => {
  event.preventDefault()
  byId('panel').focus()
})
new Keys(views, () => current)
addEventListener('hashchange', route)
route()
new Live(`/v1/live?interval=1000&flows=${FLOWS}`, {
  picture: (picture) => {
    world.see(picture)
    draw()
  },
  sample: (sample) => {
    world.take(sample)
    draw()
  },
  state: (state) => {
    world.state = state
    header.link()
  },
})
