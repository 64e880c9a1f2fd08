/** A reader's view of a forwarding table while its writer goes on. */
import type { Arena } from '../memory/arena.ts'
import { DYNAMIC, EMPTY, KEY, KIND, LOW, placesOf, REMOVED, SEEN, WORDS } from './mac.ts'

/** What a reader sees of an entry; ages in milliseconds. */
export interface MacEntry {
  high: number
  low: number
  port: number
  kind: number
  ageMs: number
}

/** Reads every live entry; safe from any thread. `nowMs` is the writer's clock, a wrapping int32. */
export function list(
  arena: Arena,
  at: number,
  capacity: number,
  nowMs: number,
  ageingMs: number,
): MacEntry[] {
  const entries = new Int32Array(arena.buffer, at, WORDS * placesOf(capacity))
  const found: MacEntry[] = []
  for (let e = 0; e < entries.length; e += WORDS) {
    const key = Atomics.load(entries, e + KEY)
    if (key === EMPTY || key === REMOVED) continue
    const low = Atomics.load(entries, e + LOW)
    const kind = Atomics.load(entries, e + KIND)
    const ageMs = (nowMs - Atomics.load(entries, e + SEEN)) | 0
    if (Atomics.load(entries, e + KEY) !== key || (kind === DYNAMIC && ageMs > ageingMs)) continue
    found.push({ high: key >>> 16, low, port: (key & 0xffff) - 1, kind, ageMs: Math.max(0, ageMs) })
  }
  return found
}
