/** A reader's view of a forwarding table, or of the gateway's neighbours, while the writer goes on. */
import type { Arena } from '../memory/arena.ts'
import { DYNAMIC, EMPTY, KEY, KIND, LOW, placesOf, REMOVED, SEEN, WORDS } from './mac.ts'
import * as neighbour from './neighbour.ts'

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

/** How many entries `list` would read. */
export function count(arena: Arena, at: number, capacity: number, nowMs: number, ageingMs: number): number {
  const entries = new Int32Array(arena.buffer, at, WORDS * placesOf(capacity))
  let found = 0
  for (let e = 0; e < entries.length; e += WORDS) {
    // A number may be late by an entry: plain reads take a tenth of the time.
    const key = entries[e + KEY]
    if (key === EMPTY || key === REMOVED) continue
    const isOld = entries[e + KIND] === DYNAMIC && ((nowMs - entries[e + SEEN]) | 0) > ageingMs
    if (!isOld) found++
  }
  return found
}

/** What a reader sees of a neighbour; ages in milliseconds. */
export interface NeighbourEntry {
  /** index of its network */
  network: number
  /** IPv4 as int32 */
  address: number
  /** 0 while the state is INCOMPLETE */
  high: number
  low: number
  /** index of the port behind which it is, -1 if that is not known */
  port: number
  /** INCOMPLETE to PERMANENT of neighbour.ts */
  state: number
  /** since its last answer, and since a packet was sent to it */
  confirmedMs: number
  usedMs: number
}

/** How many neighbours each network has, by its index. */
export function neighbourCounts(arena: Arena, at: number, capacity: number): Map<number, number> {
  const words = new Int32Array(arena.buffer, at, neighbour.lengthOf(capacity) / 4)
  const counts = new Map<number, number>()
  const end = (Atomics.load(words, neighbour.TOP) + 1) * neighbour.WORDS
  for (let e = neighbour.WORDS; e < end; e += neighbour.WORDS) {
    const key = Atomics.load(words, e)
    const network = (key >> 8) - 1
    if (key !== 0) counts.set(network, (counts.get(network) ?? 0) + 1)
  }
  return counts
}

/** Reads every neighbour; safe from any thread. `nowMs` is the writer's clock, a wrapping int32. */
export function neighbours(arena: Arena, at: number, capacity: number, nowMs: number): NeighbourEntry[] {
  const words = new Int32Array(arena.buffer, at, neighbour.lengthOf(capacity) / 4)
  const found: NeighbourEntry[] = []
  const end = (Atomics.load(words, neighbour.TOP) + 1) * neighbour.WORDS
  for (let e = neighbour.WORDS; e < end; e += neighbour.WORDS) {
    const key = Atomics.load(words, e)
    const confirmed = Atomics.load(words, e + neighbour.CONFIRMED)
    const entry = {
      network: (key >> 8) - 1,
      address: Atomics.load(words, e + neighbour.ADDRESS),
      high: Atomics.load(words, e + neighbour.HIGH),
      low: Atomics.load(words, e + neighbour.LOW),
      port: Atomics.load(words, e + neighbour.PORT),
      state: key & 0xff,
      confirmedMs: Math.max(0, (nowMs - confirmed) | 0),
      usedMs: Math.max(0, (nowMs - Atomics.load(words, e + neighbour.USED)) | 0),
    }
    // A MAC that changes meanwhile changes one of these too.
    const isSame =
      Atomics.load(words, e) === key && Atomics.load(words, e + neighbour.CONFIRMED) === confirmed
    if (key !== 0 && isSame) found.push(entry)
  }
  return found
}
