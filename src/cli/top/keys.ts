/** The keys of `bridgeport top`: a view and a key give the next view. */
import type { Section, Sort, View } from './view.ts'

/** As node:readline tells a key. */
export interface Key {
  name?: string
  ctrl?: boolean
  /** what the terminal sent */
  sequence?: string
}

const SECTION_KEYS: Record<string, Section> = { p: 'ports', f: 'flows', d: 'drops', w: 'workers' }
const SORT_KEYS: Record<string, Sort> = { r: 'rate', c: 'count', n: 'name', x: 'drops' }
const STEPS_MS = [250, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000]

export const HELP = [
  'p f d w    ports, flows, drops, workers; again: alone, again: all',
  'r c n x    sort by rate, count of frames, name, drops',
  '/          show rows with a text only; Enter keeps it, Esc forgets it',
  'arrows, j k, Page Up and Down, Home, End    scroll',
  '+ -        samples less often, more often',
  'space      pause, go on',
  'q, Ctrl-C  quit',
  '?          this; any key goes back',
]

function typing(view: View, { name, sequence = '' }: Key): View {
  if (name === 'return' || name === 'enter') return { ...view, isTyping: false }
  if (name === 'escape') return { ...view, isTyping: false, filter: '' }
  if (name === 'backspace') return { ...view, filter: view.filter.slice(0, -1) }
  if (!/^[\x20-\x7e]$/.test(sequence)) return view
  return { ...view, filter: view.filter + sequence, offset: 0 }
}

/** The view with its first row moved; null for a key that moves nothing. */
function scrolled(view: View, name: string, page: number): View | null {
  const by: Record<string, number> = {
    ...{ up: -1, k: -1, down: 1, j: 1, pageup: -page, pagedown: page },
    ...{ home: Number.NEGATIVE_INFINITY, end: Number.MAX_SAFE_INTEGER },
  }
  return name in by ? { ...view, offset: Math.max(view.offset + by[name], 0) } : null
}

/** The interval one step further along. */
function step(intervalMs: number, isLonger: boolean): number {
  const steps = isLonger ? STEPS_MS : STEPS_MS.toReversed()
  return steps.find((each) => (isLonger ? each > intervalMs : each < intervalMs)) ?? intervalMs
}

/** The next view, or null to quit. `page` is how many rows of the focused section are seen. */
export function press(view: View, key: Key, page: number): View | null {
  if (key.ctrl && (key.name === 'c' || key.name === 'd')) return null
  if (view.isTyping) return typing(view, key)
  if (view.isHelp) return { ...view, isHelp: false }
  const name = key.name ?? key.sequence ?? ''
  if (name === 'q') return null
  const focus = SECTION_KEYS[name]
  if (focus !== undefined) {
    if (focus === view.focus) return { ...view, isAlone: !view.isAlone }
    return { ...view, focus, offset: 0 }
  }
  const sort = SORT_KEYS[name]
  if (sort !== undefined) return { ...view, sort, offset: 0 }
  if (name === 'space') return { ...view, isPaused: !view.isPaused }
  if (name === 'escape') return { ...view, filter: '' }
  const { sequence } = key
  if (sequence === '/') return { ...view, isTyping: true }
  if (sequence === '?') return { ...view, isHelp: true }
  if (sequence === '+' || sequence === '=') return { ...view, intervalMs: step(view.intervalMs, true) }
  if (sequence === '-') return { ...view, intervalMs: step(view.intervalMs, false) }
  return scrolled(view, name, page) ?? view
}
