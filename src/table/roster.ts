/** What a set holds, read from another thread while its writer goes on. */
import type { Arena } from '../memory/arena.ts'
import * as s from './shape.ts'

export interface SetEntry {
  address: number
  key: number
  nomatch: boolean
  /** left, 0 for good, -1 where entries do not time out */
  timeoutMs: number
}

/** Tries to read a set that nobody changes meanwhile; a set that never rests is read as it comes, each entry once. */
const TRIES = 8

/** How many entries the set in the slot at `at` has, late ones that nobody has removed yet included; none if it is a list. */
export function count(arena: Arena, at: number): number {
  const words = arena.i32
  const body = Atomics.load(words, at >> 2)
  return body === 0 || words[body + s.TYPE] === s.LIST_SET ? 0 : Atomics.load(words, body + s.COUNT)
}

/** The entries of the set in the slot at `at` that are not late, at most `limit`; none of a list. */
export function entries(arena: Arena, at: number, now: number, limit = Number.POSITIVE_INFINITY): SetEntry[] {
  const words = arena.i32
  for (let attempt = 1; ; attempt++) {
    const body = Atomics.load(words, at >> 2)
    if (body === 0 || words[body + s.TYPE] === s.LIST_SET) return []
    const version = Atomics.load(words, body + s.VERSION)
    const read = words[body + s.TYPE] === s.BITMAP_PORT ? ports : hashed
    const found = read(words, body, now, limit)
    const isSettled = (version & 1) === 0 && Atomics.load(words, body + s.VERSION) === version
    if (isSettled || attempt === TRIES) return found
  }
}

function left(timed: number, deadline: number, now: number): number {
  if (timed === 0) return -1
  return deadline === 0 ? 0 : (deadline - now) | 0
}

function hashed(words: Int32Array, body: number, now: number, limit: number): SetEntry[] {
  const found = new Map<string, SetEntry>()
  const stride = words[body + s.STRIDE]
  const timed = words[body + s.TIMED]
  // Backwards: an entry that moves meanwhile moves to the front, and is met twice rather than never.
  for (let place = words[body + s.MASK]; place >= 0 && found.size < limit; place--) {
    const e = body + s.HEADER + (place << stride)
    const meta = Atomics.load(words, e + s.META)
    if ((meta & s.LIVE) === 0) continue
    const entry = {
      address: words[e],
      key: meta & ~s.NOMATCH,
      nomatch: (meta & s.NOMATCH) !== 0,
      timeoutMs: left(timed, timed === 0 ? 0 : words[e + s.DEADLINE], now),
    }
    if (timed !== 0 && words[e + s.DEADLINE] !== 0 && entry.timeoutMs <= 0) continue
    if (Atomics.load(words, e + s.META) === meta) found.set(`${entry.address},${entry.key}`, entry)
  }
  return [...found.values()]
}

function ports(words: Int32Array, body: number, now: number, limit: number): SetEntry[] {
  const found: SetEntry[] = []
  const timed = words[body + s.TIMED]
  for (let port = words[body + s.FIRST]; port <= words[body + s.LAST] && found.length < limit; port++) {
    const deadline = words[body + s.HEADER + port - words[body + s.FIRST]]
    const lasts = deadline === s.LASTING
    if (deadline === 0 || (!lasts && ((deadline - now) | 0) <= 0)) continue
    const key = (port << 16) | (32 << 2) | s.LIVE
    found.push({ address: 0, key, nomatch: false, timeoutMs: left(timed, lasts ? 0 : deadline, now) })
  }
  return found
}
