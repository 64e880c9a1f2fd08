/** Light or dark: as the system says, until the reader says otherwise. */
import { byId, mark } from './dom.ts'

const KEY = 'bridgeport.theme'
const system = matchMedia('(prefers-color-scheme: dark)')
const listeners: (() => void)[] = []

/** Hears of every change: a canvas does not see colours change by itself. */
export function onTheme(listener: () => void): void {
  listeners.push(listener)
}

function isDark(): boolean {
  const { theme } = document.documentElement.dataset
  return theme === undefined ? system.matches : theme === 'dark'
}

function apply(theme: string | null): void {
  mark(document.documentElement, 'data-theme', theme)
  byId('theme').setAttribute('aria-label', isDark() ? 'Use light colours' : 'Use dark colours')
  for (const listener of listeners) listener()
}

/** The other one; the system's own needs not be remembered. */
export function toggleTheme(): void {
  const next = isDark() ? 'light' : 'dark'
  const isSystem = (next === 'dark') === system.matches
  try {
    if (isSystem) localStorage.removeItem(KEY)
    else localStorage.setItem(KEY, next)
  } catch {
    // A browser that keeps nothing forgets the choice with the page.
  }
  apply(isSystem ? null : next)
}

export function startTheme(): void {
  let kept: string | null = null
  try {
    kept = localStorage.getItem(KEY)
  } catch {
    // Nothing is kept here.
  }
  byId('theme').addEventListener('click', toggleTheme)
  system.addEventListener('change', () => apply(document.documentElement.dataset.theme ?? null))
  apply(kept === 'light' || kept === 'dark' ? kept : null)
}
