/** The picture of `bridgeport top`: what is known, what the user asked to see, and a size go in, lines come out. */
import { age } from '../table.ts'
import type { Grid } from './grid.ts'
import { HELP } from './keys.ts'
import { type Line, plain, scaled } from './line.ts'
import { grids } from './section.ts'
import type { Summary } from './summary.ts'

export type Section = 'workers' | 'ports' | 'flows' | 'drops'
export type Sort = 'rate' | 'count' | 'name' | 'drops'

/** What the user asked to see. */
export interface View {
  focus: Section
  /** the focused section and no other */
  isAlone: boolean
  sort: Sort
  filter: string
  isTyping: boolean
  /** rows of the focused section above the first that is shown */
  offset: number
  isPaused: boolean
  isHelp: boolean
  intervalMs: number
}

export const initial: View = {
  focus: 'ports',
  isAlone: false,
  sort: 'rate',
  filter: '',
  isTyping: false,
  offset: 0,
  isPaused: false,
  isHelp: false,
  intervalMs: 1000,
}

/** Lines of a screen, where its focused section really begins, and how many rows of it are seen. */
export interface Drawing {
  lines: Line[]
  offset: number
  page: number
}

const SECTIONS: readonly Section[] = ['workers', 'ports', 'flows', 'drops']
/** Who gets lines first where they are few. */
const URGENCY: readonly Section[] = ['ports', 'flows', 'drops', 'workers']
/** Below this height the facts about the switch get one line. */
const LOW = 14

/** Facts in as many lines as they need, broken between them. */
function facts(summary: Summary, width: number, linesMax: number): Line[] {
  const { version, uptimeSeconds, flows, memoryBytes, captures } = summary
  const told = [
    `bridgeport ${version}`,
    `up ${age(uptimeSeconds)}`,
    `flows ${flows.count}/${flows.capacity}`,
    `${scaled(flows.created)} created/s`,
    `${Math.round(memoryBytes / 2 ** 20)} MiB`,
    `captures ${captures}`,
  ]
  const lines = ['']
  for (const fact of told) {
    const line = lines[lines.length - 1]
    if (line === '') lines[lines.length - 1] = fact
    else if (line.length + 2 + fact.length <= width) lines[lines.length - 1] = `${line}  ${fact}`
    else lines.push(fact)
  }
  return lines.slice(0, linesMax).map((line) => [[line, 'bold']])
}

/** How many of `height` lines each section gets: its heading and a row for each first, then the focused one twice as many as others. */
function share(wanted: Record<Section, number>, view: View, height: number): Record<Section, number> {
  const given: Record<Section, number> = { workers: 0, ports: 0, flows: 0, drops: 0 }
  const order = [view.focus, ...(view.isAlone ? [] : URGENCY.filter((section) => section !== view.focus))]
  let left = height
  const give = (section: Section, count: number) => {
    const taken = Math.min(count, wanted[section] - given[section], left)
    given[section] += taken
    left -= taken
    return taken
  }
  // A heading without a row says nothing.
  for (const section of order) if (left >= 2) give(section, 2)
  const begun = order.filter((section) => given[section] > 0)
  for (let isMore = left > 0; isMore; )
    isMore = begun.map((section) => give(section, section === view.focus ? 2 : 1)).some((taken) => taken > 0)
  return given
}

/** What keeps the switch from being seen, what the user chose, and which rows of the focused section are shown. */
function footer(view: View, notice: string, shown: string, width: number): Line {
  // The end is where somebody types.
  if (view.isTyping) return [[`filter: ${view.filter}_`.slice(-width), 'bold']]
  const told = [
    ...(view.isPaused ? ['paused'] : []),
    ...(view.filter === '' ? [] : [`filter: ${view.filter}`]),
  ]
  const keys = `? help  q quit  ${shown} by ${view.sort}, every ${view.intervalMs / 1000} s`
  return [
    [notice === '' ? '' : `${notice}  `, 'red'],
    [told.map((text) => `${text}  `).join(''), 'bold'],
    [keys, 'dim'],
  ]
}

/** The sections as lines, and of the focused one which rows they are. */
function sections(tables: Record<Section, Grid>, view: View, height: number): Drawing & { shown: string } {
  const wanted = {} as Record<Section, number>
  for (const section of SECTIONS) wanted[section] = tables[section].rows.length + 1
  const given = share(wanted, view, height)
  const { focus } = view
  const count = tables[focus].rows.length
  const page = Math.max(given[focus] - 1, 0)
  const offset = Math.max(Math.min(view.offset, count - page), 0)
  const lines: Line[] = []
  for (const section of SECTIONS) {
    if (given[section] === 0) continue
    const { heading, rows } = tables[section]
    const begin = section === focus ? offset : 0
    lines.push([[heading, section === focus ? 'reverse' : 'cyan']])
    lines.push(...rows.slice(begin, begin + given[section] - 1))
  }
  const rows = page > 0 && page < count ? `${offset + 1}-${offset + page} of ${count}` : String(count)
  return { lines, offset, page, shown: `${rows} ${focus}` }
}

/** A screen of exactly `height` lines. */
export function draw(summary: Summary, view: View, notice: string, width: number, height: number): Drawing {
  const head = facts(summary, width, height < LOW ? 1 : 2)
  const room = Math.max(height - head.length - 1, 0)
  const { lines, offset, page, shown } = sections(grids(summary, view, width), view, room)
  const body = view.isHelp ? HELP.map((text): Line => [[text]]) : lines
  const filled = Array.from({ length: room }, (_, index): Line => body[index] ?? [])
  return { lines: [...head, ...filled, footer(view, notice, shown, width)].slice(0, height), offset, page }
}

/** Everything as text, for pipes and scripts. */
export function text(summary: Summary, width: number): string {
  const tables = grids(summary, initial, width)
  const parts = SECTIONS.map((section): Line[] => [[[tables[section].heading]], ...tables[section].rows])
  return [facts(summary, width, Number.POSITIVE_INFINITY), ...parts]
    .map((lines) => lines.map((line) => `${plain(line, width)}\n`).join(''))
    .join('\n')
}
